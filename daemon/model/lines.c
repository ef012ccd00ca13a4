#include "model/lines.h"

#include <string.h>

void lines_init(struct lines *l)
{
	*l = (struct lines){.at = 0};
}

void lines_fini(struct lines *l)
{
	bytes_fini(&l->buf);
}

enum err lines_feed(struct lines *l, struct slice bytes)
{
	bytes_drop(&l->buf, l->at);
	l->scanned -= l->at;
	l->at = 0;
	return bytes_add_slice(&l->buf, bytes);
}

void lines_end(struct lines *l)
{
	l->is_ended = true;
}

/* No line end in what there is. */
static enum err wait_for_end(struct lines *l, struct slice *ret)
{
	size_t n = l->buf.n - l->at;
	l->scanned = l->buf.n;
	if (l->is_skipping || n > LINES_MAX) {
		bool is_new = !l->is_skipping;
		l->is_skipping = true;
		l->at = l->buf.n;
		if (is_new)
			return ERR_TOO_LARGE;
	}
	if (!l->is_ended)
		return ERR_AGAIN;
	*ret = (struct slice){l->buf.p + l->at, l->buf.n - l->at};
	l->at = l->buf.n;
	if (ret->n > 0 && ret->p[ret->n - 1] == '\r')
		ret->n--;
	return ret->n != 0 ? ERR_OK : ERR_END;
}

enum err lines_next(struct lines *l, struct slice *ret_line)
{
	for (;;) {
		size_t left = l->buf.n - l->scanned;
		const char *end = left != 0 ? memchr(l->buf.p + l->scanned, '\n', left) : NULL;
		if (end == NULL)
			return wait_for_end(l, ret_line);
		struct slice line = {l->buf.p + l->at, (size_t)(end - l->buf.p) - l->at};
		bool is_rest = l->is_skipping;
		l->at += line.n + 1;
		l->scanned = l->at;
		l->is_skipping = false;
		if (is_rest)
			continue;
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (line.n > LINES_MAX)
			return ERR_TOO_LARGE;
		if (line.n == 0)
			continue;
		*ret_line = line;
		return ERR_OK;
	}
}
