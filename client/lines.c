/*
 * lines -- see lines.h.
 */
#include "client/lines.h"

#include "client/say.h"
#include "proto/jsonscan.h"
#include "proto/result.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

void lines_fini(struct lines *l)
{
	bytes_fini(&l->queue);
}

size_t lines_pending(const struct lines *l)
{
	return l->queue.n - l->queue_taken + sink_pending(l->sink);
}

bool lines_are_ready(const struct lines *l)
{
	return l->queue_taken < l->queue.n && sink_pending(l->sink) <= LINES_HIGH_BYTES;
}

/* Members that stand before the lines. */
static enum err read_head(struct slice head, struct lines_head *h)
{
	struct jsonscan_iter it;
	struct slice name, value;
	bool has_next = false;
	*h = (struct lines_head){.next = 0};
	if (jsonscan_members(head, &it) != ERR_OK)
		return ERR_INVALID;
	while (jsonscan_next_member(&it, &name, &value)) {
		const struct {
			const char *name;
			uint64_t *to;
		} row[] = {{"next", &h->next},
			   {"total", &h->total},
			   {"ok", &h->ok},
			   {"failed", &h->failed},
			   {"cancelled", &h->cancelled}};
		for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
			if (slice_is(name, row[i].name))
				jsonscan_u64(value, row[i].to);
		has_next |= slice_is(name, "next");
		if (slice_is(name, "done"))
			jsonscan_bool(value, &h->done);
		if (slice_is(name, "waiting"))
			jsonscan_u64(value, &h->waiting);
	}
	return has_next ? ERR_OK : ERR_INVALID;
}

/* The next line of a reply without its comma; false at the closing brackets. */
static bool next_line(const char **p, const char *end, struct slice *ret)
{
	const char *stop = *p < end ? memchr(*p, '\n', (size_t)(end - *p)) : NULL;
	if (stop == NULL)
		return false;
	size_t n = (size_t)(stop - *p);
	if (n != 0 && stop[-1] == ',')
		n--;
	*ret = (struct slice){*p, n};
	*p = stop + 1;
	return true;
}

static void add_lines(struct bytes *out, const char *p, const char *end)
{
	struct slice line;
	while (next_line(&p, end, &line)) {
		if (line.n == 0)
			continue;
		bytes_add_slice(out, line);
		bytes_add_byte(out, '\n');
	}
}

enum err lines_take(struct lines *l, struct slice result, struct lines_head *ret)
{
	const char *end = result.p + result.n;
	const char *first = result.n != 0 ? memchr(result.p, '\n', result.n) : NULL;
	struct slice head = {result.p, first != NULL ? (size_t)(first - result.p) : result.n};
	enum err e = read_head(head, ret);
	if (e != ERR_OK || first == NULL || l->is_muted)
		return e;
	size_t n = (size_t)(end - first);
	bool needs_work = l->mode != LINES_PLAIN || l->queue_taken < l->queue.n ||
			  memmem(first, n, "\"file\":", 7) != NULL;
	struct bytes *out = needs_work ? &l->queue : &l->sink->buf;
	if (needs_work && l->queue_taken != 0) {
		bytes_drop(&l->queue, l->queue_taken);
		l->queue_taken = 0;
	}
	add_lines(out, first + 1, end);
	return out->err;
}

static void plain_member(struct slice line, const char *name, struct slice *ret)
{
	struct slice raw;
	*ret = (struct slice){"", 0};
	if (jsonscan_member(line, name, &raw) && raw.n >= 2 && raw.p[0] == '"')
		*ret = (struct slice){raw.p + 1, raw.n - 2};
}

bool lines_find_body(struct slice line, struct body *b, struct slice *ret_name)
{
	struct jsonscan_iter it;
	struct slice name, value;
	bool found = false;
	*b = (struct body){.seq = {"0", 1}};
	if (jsonscan_members(line, &it) != ERR_OK)
		return false;
	while (jsonscan_next_member(&it, &name, &value)) {
		if (slice_is(name, "seq"))
			b->seq = value;
		bool is_base64 = slice_is(name, "body_base64"), is_stored = slice_is(name, "file");
		if (!is_base64 && !is_stored && !slice_is(name, "body"))
			continue;
		b->raw = value;
		b->is_base64 = is_base64;
		b->is_stored = is_stored;
		*ret_name = name;
		found = true;
	}
	plain_member(line, "job", &b->job);
	plain_member(line, "task", &b->task);
	plain_member(line, "url", &b->url);
	return found;
}

/* The line with its body member replaced by `with`, which is the whole of `"name":value`. */
static void add_line_with(struct bytes *out, struct slice line, struct slice name,
			  const struct body *b, struct slice with)
{
	const char *from = name.p - 1, *to = b->raw.p + b->raw.n;
	bytes_add(out, line.p, (size_t)(from - line.p));
	bytes_add_slice(out, with);
	bytes_add(out, to, (size_t)(line.p + line.n - to));
	bytes_add_byte(out, '\n');
}

static bool collect(void *ctx, struct slice piece)
{
	return bytes_add_slice(ctx, piece) == ERR_OK;
}

static void add_verbatim(struct lines *l, struct slice line)
{
	bytes_add_slice(&l->sink->buf, line);
	bytes_add_byte(&l->sink->buf, '\n');
}

/*
 * A body that could not be delivered makes a failed result: the line says ok:false and why, in the
 * place of the body. A result that had failed anyway keeps its own error.
 */
static void add_undelivered(struct lines *l, struct slice line, const struct body *b,
			    struct slice name, const struct stored_failure *why)
{
	struct slice raw;
	struct bytes failed = {.limit = 0}, with = {.limit = 0};
	const char *end = line.p + line.n;
	if (why->kind[0] == '\0')
		return; /* interrupted: it was not delivered, and says nothing */
	say("%.*s", (int)why->message.n, why->message.p);
	if (!jsonscan_member(line, "ok", &raw) || !slice_is(raw, "true") || raw.p > name.p) {
		bytes_add(&l->sink->buf, line.p, (size_t)(name.p - 2 - line.p)); /* `,"` before */
		bytes_add(&l->sink->buf, b->raw.p + b->raw.n, (size_t)(end - b->raw.p) - b->raw.n);
		bytes_add_byte(&l->sink->buf, '\n');
		return;
	}
	bytes_printf(&with, "\"error\":{\"kind\":\"%s\",\"message\":", why->kind);
	result_add_string(&with, bytes_slice(&why->message));
	bytes_add_str(&with, ",\"phase\":\"deliver\"}");
	bytes_add(&failed, line.p, (size_t)(raw.p - line.p));
	bytes_add_str(&failed, "false");
	bytes_add(&failed, raw.p + raw.n, (size_t)(name.p - 1 - raw.p) - raw.n);
	bytes_add_slice(&failed, bytes_slice(&with));
	bytes_add(&failed, b->raw.p + b->raw.n, (size_t)(end - b->raw.p) - b->raw.n);
	add_verbatim(l, bytes_slice(&failed));
	bytes_fini(&failed);
	bytes_fini(&with);
}

static enum status expand(struct lines *l, struct slice line, const struct body *b,
			  struct slice name, struct stored_failure *why)
{
	struct bytes body = {.limit = 0}, with = {.limit = 0};
	enum status s = bodies_read(l->session, b, collect, &body, why);
	if (s == STATUS_OK && body.err == ERR_OK) {
		result_add_body(&with, bytes_slice(&body));
		add_line_with(&l->sink->buf, line, name, b, bytes_slice(&with));
	} else if (s == STATUS_OK) {
		stored_fail(why, "memory", "no memory for the body of result %.*s", (int)b->seq.n,
			    b->seq.p);
		s = STATUS_FAILED;
	}
	bytes_fini(&body);
	bytes_fini(&with);
	return s;
}

static enum status to_file(struct lines *l, struct slice line, const struct body *b,
			   struct slice name, struct stored_failure *why)
{
	struct bytes path = {.limit = 0}, with = {.limit = 0};
	enum status s = bodies_write(&l->where, l->session, b, &path, why);
	if (s == STATUS_OK) {
		bytes_add_str(&with, "\"file\":");
		result_add_string(&with, bytes_slice(&path));
		add_line_with(&l->sink->buf, line, name, b, bytes_slice(&with));
	}
	bytes_fini(&path);
	bytes_fini(&with);
	return s;
}

/* Waits until the sink has room; false if a signal or the reader's end came first. */
static bool wait_for_room(struct lines *l)
{
	while (sink_flush(l->sink) == ERR_AGAIN && sink_pending(l->sink) > LINES_HIGH_BYTES) {
		struct pollfd p[2] = {{.fd = l->sink->fd, .events = POLLOUT},
				      {.fd = l->session->signals->fd, .events = POLLIN}};
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return false;
		if (p[1].revents != 0)
			return false; /* left for the loop to take */
	}
	return !l->sink->is_closed && l->sink->error == 0;
}

static bool print_piece(void *ctx, struct slice piece)
{
	struct lines *l = ctx;
	return bytes_add_slice(&l->sink->buf, piece) == ERR_OK && wait_for_room(l);
}

/* With --print body what failed is told on stderr, as the line is not shown. */
static void tell_failure(struct slice line)
{
	struct slice ok, error, url;
	struct bytes message = {.limit = 0};
	if (!jsonscan_member(line, "ok", &ok) || !slice_is(ok, "false"))
		return;
	plain_member(line, "url", &url);
	if (!jsonscan_member(line, "error", &error) || !jsonscan_member(error, "message", &error) ||
	    jsonscan_string(error, &message) != ERR_OK)
		bytes_add_str(&message, "failed");
	say("%.*s: %s", (int)url.n, url.p, bytes_cstr(&message));
	bytes_fini(&message);
}

static enum status work_on(struct lines *l, struct slice line)
{
	struct body b;
	struct slice name = {NULL, 0};
	struct stored_failure why = {.kind = ""};
	enum status s = STATUS_OK;
	bool has_body = lines_find_body(line, &b, &name);
	if (l->mode == LINES_BODIES)
		tell_failure(line);
	if (l->mode == LINES_BODIES && has_body)
		s = bodies_read(l->session, &b, print_piece, l, &why);
	else if (has_body && l->mode == LINES_FILES)
		s = to_file(l, line, &b, name, &why);
	else if (has_body && b.is_stored)
		s = expand(l, line, &b, name, &why);
	else if (l->mode != LINES_BODIES)
		add_verbatim(l, line);
	if (s == STATUS_FAILED && l->mode != LINES_BODIES)
		add_undelivered(l, line, &b, name, &why);
	else if (s == STATUS_FAILED && why.kind[0] != '\0')
		say("%.*s", (int)why.message.n, why.message.p);
	bytes_fini(&why.message);
	return s;
}

enum status lines_work(struct lines *l)
{
	enum status worst = STATUS_OK;
	while (l->queue_taken < l->queue.n && sink_pending(l->sink) <= LINES_HIGH_BYTES) {
		const char *p = l->queue.p + l->queue_taken, *end = l->queue.p + l->queue.n;
		struct slice line;
		if (!next_line(&p, end, &line))
			break;
		enum status s = l->is_muted ? STATUS_OK : work_on(l, line);
		l->queue_taken = (size_t)(p - l->queue.p);
		if (s != STATUS_OK)
			worst = s;
		if (s != STATUS_OK && s != STATUS_FAILED)
			break;
	}
	if (l->queue_taken == l->queue.n) {
		bytes_clear(&l->queue);
		l->queue_taken = 0;
	}
	return worst;
}
