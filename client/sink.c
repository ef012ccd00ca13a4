/*
 * sink -- see sink.h.
 */
#include "client/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WRITE_BYTES 65536

void sink_open(struct sink *s, int fd)
{
	struct stat st;
	char path[32];
	*s = (struct sink){.fd = fd};
	if (fstat(fd, &st) != 0 || !(S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)))
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int own = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (own < 0)
		return;
	s->fd = own;
	s->is_own = true;
}

void sink_close(struct sink *s)
{
	if (s->is_own)
		close(s->fd);
	bytes_fini(&s->buf);
}

size_t sink_pending(const struct sink *s)
{
	return s->buf.n - s->done;
}

static enum err fail(struct sink *s, int no)
{
	s->is_closed = no == EPIPE;
	s->error = no;
	return no == EPIPE ? ERR_CLOSED : ERR_IO;
}

/* A descriptor that could not be opened anew may block: then only what poll promises. */
static bool may_write(const struct sink *s)
{
	struct pollfd p = {.fd = s->fd, .events = POLLOUT};
	return s->is_own || poll(&p, 1, 0) != 0;
}

enum err sink_flush(struct sink *s)
{
	while (s->done < s->buf.n) {
		size_t n = s->buf.n - s->done;
		if (!may_write(s))
			return ERR_AGAIN;
		ssize_t w = write(s->fd, s->buf.p + s->done, n < WRITE_BYTES ? n : WRITE_BYTES);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0 && errno == EAGAIN)
			break;
		if (w < 0)
			return fail(s, errno);
		s->done += (size_t)w;
		s->written += (size_t)w;
	}
	if (s->done == s->buf.n) {
		bytes_clear(&s->buf);
		s->done = 0;
		return ERR_OK;
	}
	if (s->done > (1u << 20)) {
		bytes_drop(&s->buf, s->done);
		s->done = 0;
	}
	return ERR_AGAIN;
}
