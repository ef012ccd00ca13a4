/* A disk whose syncs take SLOWSYNC_MS longer: preloaded into the daemon by the end-to-end cases. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static void delay(void)
{
	const char *ms = getenv("SLOWSYNC_MS");
	long n = ms != NULL ? atol(ms) : 0;
	struct timespec t = {n / 1000, n % 1000 * 1000000L};
	nanosleep(&t, NULL);
}

int fsync(int fd)
{
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
	delay();
	return real(fd);
}

int fdatasync(int fd)
{
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
	delay();
	return real(fd);
}
