#include "edge/runnerspawn.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define UNIX_MARK "unix:"
#define CHILD_FD  3

static enum err connect_to(const char *path, struct runnerspawn *ret)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(sa.sun_path)) {
		errno = ENAMETOOLONG;
		return ERR_IO;
	}
	memcpy(sa.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return ERR_IO;
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0) {
		int why = errno;
		close(fd);
		errno = why;
		return ERR_IO;
	}
	*ret = (struct runnerspawn){.fd = fd};
	return ERR_OK;
}

/* fd becomes the child's CHILD_FD; everything else we hold closes by itself, and nothing of our
 * environment goes along. 0, or errno. */
static int start(const char *program, int fd, pid_t *ret_pid)
{
	static const char name[] = "musterd-runner", option[] = "--fd";
	char name_[sizeof(name)], option_[sizeof(option)], number[] = "3";
	char *argv[] = {name_, option_, number, NULL}, *none_[] = {NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;
	memcpy(name_, name, sizeof(name));
	memcpy(option_, option, sizeof(option));
	sigemptyset(&none);
	int rc = posix_spawn_file_actions_init(&actions);
	if (rc != 0)
		return rc;
	if ((rc = posix_spawnattr_init(&attr)) == 0) {
		posix_spawnattr_setsigmask(&attr, &none);
		posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
		rc = posix_spawn_file_actions_adddup2(&actions, fd, CHILD_FD);
		if (rc == 0)
			rc = posix_spawn(ret_pid, program, &actions, &attr, argv, none_);
		posix_spawnattr_destroy(&attr);
	}
	posix_spawn_file_actions_destroy(&actions);
	return rc;
}

static enum err start_own(const char *program, struct runnerspawn *ret)
{
	int fd[2];
	pid_t pid = 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) != 0)
		return ERR_IO;
	int why = start(program, fd[1], &pid);
	close(fd[1]);
	if (why != 0) {
		close(fd[0]);
		errno = why;
		return ERR_IO;
	}
	*ret = (struct runnerspawn){.fd = fd[0], .pid = pid};
	return ERR_OK;
}

enum err runnerspawn_open(const char *place, struct runnerspawn *ret)
{
	size_t n = sizeof(UNIX_MARK) - 1;
	if (strncmp(place, UNIX_MARK, n) == 0)
		return connect_to(place + n, ret);
	return start_own(place, ret);
}

enum err runnerspawn_place(char *out, size_t cap)
{
	const char *given = getenv("MUSTERD_RUNNER");
	char self[512];
	if (given != NULL && given[0] != '\0')
		return (size_t)snprintf(out, cap, UNIX_MARK "%s", given) < cap ? ERR_OK
									       : ERR_TOO_LARGE;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self));
	char *slash = n > 0 && (size_t)n < sizeof(self) ? memrchr(self, '/', (size_t)n) : NULL;
	if (slash == NULL)
		return ERR_NOT_FOUND;
	int w = snprintf(out, cap, "%.*s/musterd-runner", (int)(slash - self), self);
	return (size_t)w < cap ? ERR_OK : ERR_TOO_LARGE;
}
