/*
 * main -- musterd-runner: the one process that executes programs. It is started by musterd with a
 * connection (--fd N), or by systemd with the socket that musterd connects to.
 *
 * It holds nothing: no file, no state, no secret but what the present requests bring. Without a
 * daemon it has no work: it ends, or waits for the next one where systemd keeps the socket.
 */
#include "runner/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define GIVEN_FD 3 /* of systemd, and of musterd */

static const char help[] =
	"musterd-runner: runs programs for musterd, which starts it by itself\n"
	"\n"
	"  musterd-runner --fd N      serves the connection N, then ends\n"
	"  musterd-runner             serves the socket that systemd hands over\n"
	"  musterd-runner --version   prints the version\n";

static bool is_activated(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	return pid != NULL && fds != NULL && strtol(pid, NULL, 10) == getpid() &&
	       strcmp(fds, "1") == 0;
}

/* Nothing of ours may leak into programs, nothing outside may reach us but the connection. */
static void settle(int fd)
{
	if (fd != GIVEN_FD)
		dup2(fd, GIVEN_FD);
	close_range(GIVEN_FD + 1, ~0u, 0);
	fcntl(GIVEN_FD, F_SETFD, FD_CLOEXEC);
	setsid(); /* an interrupt from a terminal is the daemon's business */
	umask(077);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	signal(SIGPIPE, SIG_IGN);
	if (chdir("/") != 0)
		perror("musterd-runner: /");
}

static int serve_all(void)
{
	for (;;) {
		int fd = accept4(GIVEN_FD, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			serve(fd);
		else if (errno != EINTR && errno != ECONNABORTED)
			return 1;
	}
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return fputs(help, stdout) < 0;
	if (argc == 2 && strcmp(argv[1], "--version") == 0)
		return puts("musterd-runner " MUSTER_VERSION) < 0;
	if (argc == 3 && strcmp(argv[1], "--fd") == 0) {
		settle(atoi(argv[2]));
		serve(GIVEN_FD);
		return 0;
	}
	if (argc == 1 && is_activated()) {
		settle(GIVEN_FD);
		return serve_all();
	}
	fputs(help, stderr);
	return 2;
}
