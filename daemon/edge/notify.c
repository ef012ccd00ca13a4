/*
 * notify -- libsystemd in one place; see notify.h.
 */
#include "edge/notify.h"

#include <inttypes.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>
#include <time.h>

/* A line end would begin another word to the manager. */
static void say(const char *before, const char *status)
{
	char line[512];
	snprintf(line, sizeof(line), "%s", status != NULL ? status : "");
	for (char *p = line; *p != '\0'; p++)
		if ((unsigned char)*p < ' ')
			*p = ' ';
	sd_notifyf(0, "%sSTATUS=%s", before, line);
}

void notify_ready(const char *status)
{
	say("READY=1\n", status);
}

void notify_status(const char *status)
{
	say("", status);
}

void notify_reloading(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	int64_t usec = (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, usec);
}

void notify_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}

void notify_watchdog(void)
{
	sd_notify(0, "WATCHDOG=1");
}

int64_t notify_watchdog_ns(void)
{
	uint64_t usec = 0;
	if (sd_watchdog_enabled(0, &usec) <= 0)
		return 0;
	return (int64_t)usec * 1000;
}

int notify_listen_fd(int n)
{
	return n < sd_listen_fds(0) ? SD_LISTEN_FDS_START + n : -1;
}
