/*
 * slurp -- read(2) until the end.
 */
#include "client/slurp.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static enum err read_all(int fd, struct bytes *out)
{
	for (;;) {
		char buf[16384];
		ssize_t n = read(fd, buf, sizeof(buf));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ERR_IO;
		if (n == 0)
			return ERR_OK;
		enum err e = bytes_add(out, buf, (size_t)n);
		if (e != ERR_OK)
			return e;
	}
}

enum err slurp(const char *path, struct bytes *out)
{
	if (strcmp(path, "-") == 0)
		return read_all(STDIN_FILENO, out);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return ERR_IO;
	enum err e = read_all(fd, out);
	int no = errno;
	close(fd);
	errno = no;
	return e;
}
