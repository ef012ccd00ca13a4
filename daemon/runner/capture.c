#include "runner/capture.h"

#include <errno.h>
#include <unistd.h>

#define READ_BYTES (64u << 10)

void capture_init(struct capture *c, enum capture_keep keep, size_t max)
{
	*c = (struct capture){.keep = keep, .max = max};
}

void capture_fini(struct capture *c)
{
	bytes_fini(&c->kept);
}

void capture_add(struct capture *c, const char *p, size_t n)
{
	if (c->keep == CAPTURE_BEGINNING && n > c->max - c->kept.n) {
		n = c->max - c->kept.n;
		c->is_cut = true;
	}
	if (n > 0 && bytes_add(&c->kept, p, n) != ERR_OK) {
		c->is_cut = true;
		c->kept.err = ERR_OK;
	}
	if (c->kept.n > c->max)
		c->is_cut = true;
	/* Twice the room, so that each byte is moved at most once. */
	if (c->kept.n >= 2 * c->max)
		bytes_drop(&c->kept, c->kept.n - c->max);
}

struct slice capture_bytes(const struct capture *c)
{
	size_t n = c->kept.n < c->max ? c->kept.n : c->max;
	if (n == 0)
		return (struct slice){"", 0};
	return (struct slice){c->kept.p + (c->kept.n - n), n};
}

bool capture_read(struct capture *c, int fd)
{
	char buf[READ_BYTES];
	ssize_t n = read(fd, buf, sizeof(buf));
	if (n > 0)
		capture_add(c, buf, (size_t)n);
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}
