/*
 * lockfile -- see lockfile.h.
 */
#include "edge/lockfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

static pid_t holder_of(int fd)
{
	char text[24];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	return (pid_t)strtol(text, NULL, 10);
}

/* On a full disk the pid cannot be written; the lock holds all the same. */
static void holder_write(int fd)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

	if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)n, 0) != n)
		errno = 0;
}

enum err lockfile_take(const char *dir, int *ret_fd, pid_t *ret_holder)
{
	char path[PATH_MAX];
	int fd, n;

	n = snprintf(path, sizeof(path), "%s/lock", dir);
	if (n < 0 || (size_t)n >= sizeof(path))
		return ERR_TOO_LARGE;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return ERR_IO;
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		enum err e = errno == EWOULDBLOCK ? ERR_BUSY : ERR_IO;
		if (e == ERR_BUSY)
			*ret_holder = holder_of(fd);
		close(fd);
		return e;
	}
	holder_write(fd);
	*ret_fd = fd;
	return ERR_OK;
}
