/*
 * feed -- see feed.h.
 */
#include "client/feed.h"

#include "client/proxyenv.h"
#include "proto/jsonscan.h"
#include "proto/result.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES (256u << 10)

enum err feed_open(struct feed *f, const struct args_list *arg, const char *input)
{
	*f = (struct feed){.arg = arg, .fd = -1, .is_eof = input == NULL};
	if (input == NULL)
		return ERR_OK;
	f->fd = STDIN_FILENO;
	if (strcmp(input, "-") == 0)
		return ERR_OK;
	f->fd = open(input, O_RDONLY | O_CLOEXEC);
	f->is_own_fd = f->fd >= 0;
	struct stat st;
	if (f->fd >= 0 && fstat(f->fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		return ERR_IO;
	}
	return f->fd >= 0 ? ERR_OK : ERR_IO;
}

void feed_close(struct feed *f)
{
	if (f->is_own_fd)
		close(f->fd);
	bytes_fini(&f->in);
	bytes_fini(&f->chunk);
	bytes_fini(&f->sending);
}

static bool is_full(const struct feed *f)
{
	return f->n_chunk >= FEED_CHUNK_ITEMS || f->chunk.n >= FEED_CHUNK_BYTES;
}

/* Ends the item that was begun at `from`. */
static void end_item(struct feed *f)
{
	f->n_chunk++;
}

static void begin_item(struct feed *f)
{
	if (f->n_chunk != 0)
		bytes_add_byte(&f->chunk, ',');
}

static void add_url(struct feed *f, struct slice url)
{
	const char *proxy = f->proxy != NULL ? proxyenv_for(f->proxy, url) : NULL;
	begin_item(f);
	if (proxy != NULL)
		bytes_add_str(&f->chunk, "{\"url\":");
	result_add_string(&f->chunk, url);
	if (proxy != NULL) {
		bytes_add_str(&f->chunk, ",\"proxy\":");
		result_add_string(&f->chunk, slice_of(proxy));
		bytes_add_byte(&f->chunk, '}');
	}
	end_item(f);
}

/* An object whose proxy is not said gets the one its URL wants. */
static void add_object(struct feed *f, struct slice object)
{
	struct slice url, ignored;
	const char *proxy = NULL;
	if (f->proxy != NULL && !jsonscan_member(object, "proxy", &ignored) &&
	    jsonscan_member(object, "url", &url) && jsonscan_plain(url, &url) == ERR_OK)
		proxy = proxyenv_for(f->proxy, url);
	begin_item(f);
	if (proxy != NULL) {
		bytes_add_str(&f->chunk, "{\"proxy\":");
		result_add_string(&f->chunk, slice_of(proxy));
		bytes_add_byte(&f->chunk, ',');
		bytes_add(&f->chunk, object.p + 1, object.n - 1);
	} else {
		bytes_add_slice(&f->chunk, object);
	}
	end_item(f);
}

static struct slice trim(struct slice s)
{
	while (s.n != 0 && strchr(" \t\r", s.p[0]) != NULL && s.p[0] != '\0')
		s = (struct slice){s.p + 1, s.n - 1};
	while (s.n != 0 && strchr(" \t\r", s.p[s.n - 1]) != NULL && s.p[s.n - 1] != '\0')
		s.n--;
	return s;
}

static void add_line(struct feed *f, struct slice line)
{
	line = trim(line);
	if (line.n == 0 || line.p[0] == '#')
		return;
	if (line.p[0] == '{' && jsonscan_check(line, NULL, NULL) == ERR_OK)
		add_object(f, line);
	else
		add_url(f, line);
}

static void make_items_of_args(struct feed *f)
{
	while (f->arg != NULL && f->n_arg_taken < f->arg->n && !is_full(f))
		add_url(f, slice_of(f->arg->v[f->n_arg_taken++]));
}

/* A line that does not fit becomes an item that says so; its bytes are dropped as they come. */
static void cut_long_line(struct feed *f)
{
	size_t n = f->in.n - f->in_taken;
	if (n < FEED_CHUNK_BYTES)
		return;
	if (!f->skips_line)
		add_url(f, SLICE_LIT("a line of the input is too long"));
	f->skips_line = true;
	bytes_clear(&f->in);
	f->in_taken = 0;
}

/* Makes items of whole lines, until the chunk is full or there are none. */
static void make_items(struct feed *f)
{
	make_items_of_args(f);
	while (f->in_taken < f->in.n && !is_full(f)) {
		const char *from = f->in.p + f->in_taken;
		size_t n = f->in.n - f->in_taken;
		const char *end = memchr(from, '\n', n);
		if (end == NULL && !f->is_eof) {
			cut_long_line(f);
			return;
		}
		size_t len = end != NULL ? (size_t)(end - from) : n;
		if (!f->skips_line)
			add_line(f, (struct slice){from, len});
		f->skips_line = false;
		f->in_taken += end != NULL ? len + 1 : len;
	}
	if (f->in_taken == f->in.n) {
		bytes_clear(&f->in);
		f->in_taken = 0;
	}
}

int feed_fd(const struct feed *f)
{
	return f->is_eof || is_full(f) ? -1 : f->fd;
}

enum err feed_read(struct feed *f)
{
	if (f->in_taken != 0)
		bytes_drop(&f->in, f->in_taken);
	f->in_taken = 0;
	enum err e = bytes_reserve(&f->in, READ_BYTES);
	if (e != ERR_OK)
		return e;
	ssize_t n = read(f->fd, f->in.p + f->in.n, READ_BYTES);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? ERR_OK : ERR_IO;
	f->in.n += (size_t)n;
	f->is_eof = n == 0;
	make_items(f);
	return f->chunk.err;
}

bool feed_has_chunk(struct feed *f)
{
	if (f->is_over)
		return false;
	if (f->is_sending)
		return true;
	make_items(f);
	bool is_end = f->is_eof && f->in_taken == f->in.n &&
		      (f->arg == NULL || f->n_arg_taken == f->arg->n);
	if (f->n_chunk == 0 && !is_end)
		return false;
	struct bytes spare = f->sending;
	f->sending = f->chunk;
	f->chunk = spare;
	bytes_clear(&f->chunk);
	f->n_sending = f->n_chunk;
	f->n_chunk = 0;
	f->sends_end = is_end;
	f->is_sending = true;
	return true;
}

void feed_add_params(struct feed *f, const char *job, struct bytes *out)
{
	bytes_printf(out, "{\"job\":\"%s\",\"offset\":%llu,\"items\":[", job,
		     (unsigned long long)f->offset);
	bytes_add_slice(out, bytes_slice(&f->sending));
	bytes_printf(out, "],\"end\":%s}", f->sends_end ? "true" : "false");
}

/* Drops the first n items of sending. */
static void drop_items(struct feed *f, uint64_t n)
{
	struct bytes rest = {.limit = 0};
	struct slice item;
	uint32_t left = 0;
	struct jsonscan_iter it = {f->sending.p, f->sending.p + f->sending.n};
	for (uint64_t i = 0; jsonscan_next_item(&it, &item); i++) {
		if (i < n)
			continue;
		if (left++ != 0)
			bytes_add_byte(&rest, ',');
		bytes_add_slice(&rest, item);
	}
	bytes_fini(&f->sending);
	f->sending = rest;
	f->n_sending = left;
}

bool feed_done(struct feed *f, uint64_t next)
{
	if (next < f->offset)
		return false; /* an answer to something older: the same is sent again */
	if (next < f->offset + f->n_sending) {
		drop_items(f, next - f->offset);
		f->offset = next;
		return false;
	}
	f->offset += f->n_sending;
	f->n_sending = 0;
	bytes_clear(&f->sending);
	f->is_sending = false;
	f->is_over = f->sends_end;
	return f->is_over;
}
