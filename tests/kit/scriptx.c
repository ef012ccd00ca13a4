#include "tests/kit/scriptx.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE 16384u

struct scriptx_call {
	struct scriptx_call *next;
	struct scriptx *x;
	xcall_id id;
	bool is_gone; /* ended or aborted: freed when its last timer has fired */
	unsigned n_timers;
	bool has_head, is_waiting; /* for credit */
	struct scriptx_answer answer;
	char *texts;
	size_t sent, credit, limit;
	int64_t submitted_ns;
	const struct xevents *ev;
	void *ctx;
	bool tls;
	uint16_t port;
	char host[256];
};

char scriptx_byte(size_t i)
{
	return (char)('a' + (i * 7 + i / 251) % 26);
}

static void call_fire(void *arg);

static void call_after(struct scriptx_call *c, int64_t ns)
{
	c->n_timers++;
	fakeloop_at(c->x->fake, c->x->fake->now_ns + ns, call_fire, c);
}

static void call_free(struct scriptx_call *c)
{
	struct scriptx_call **at = &c->x->calls;
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	free(c->texts);
	free(c);
}

static size_t body_size(const struct scriptx_call *c)
{
	return c->answer.body.n > 0 ? c->answer.body.n : c->answer.body_n;
}

static void call_end(struct scriptx_call *c, enum kind kind, const char *phase, const char *message)
{
	int64_t total_ms = (c->x->fake->now_ns - c->submitted_ns) / NS_PER_MS;
	struct xend end = {
		.ok = kind == KIND_NONE,
		.kind = kind,
		.phase = kind != KIND_NONE ? phase : NULL,
		.message = slice_of(message != NULL ? message : kind_doc(kind)),
		.request_sent = !c->answer.is_unsent,
		.timing = {-1, -1, -1, c->has_head ? total_ms : -1, total_ms},
		.wire_bytes = c->sent,
		.decoded_bytes = c->sent,
	};
	c->is_gone = true;
	c->x->n_calls--;
	c->ev->end(c->ctx, c->id, &end);
}

static void send_piece(struct scriptx_call *c, size_t n)
{
	char piece[PIECE];
	if (c->answer.body.n > 0) {
		memcpy(piece, c->answer.body.p + c->sent, n);
	} else {
		for (size_t i = 0; i < n; i++)
			piece[i] = scriptx_byte(c->sent + i);
	}
	c->sent += n;
	c->credit -= n;
	c->ev->data(c->ctx, c->id, (struct slice){piece, n});
}

static void send_body(struct scriptx_call *c)
{
	size_t left = body_size(c) - c->sent;
	size_t n = left < PIECE ? left : PIECE;
	if (n == 0) {
		call_end(c, c->answer.kind, c->answer.phase != NULL ? c->answer.phase : "body",
			 c->answer.message);
		return;
	}
	if (c->limit != 0 && c->sent + n > c->limit) {
		call_end(c, KIND_BODY_TOO_LARGE, "body", NULL);
		return;
	}
	n = n < c->credit ? n : c->credit;
	c->is_waiting = n == 0;
	if (c->is_waiting)
		return;
	send_piece(c, n);
	if (!c->is_gone)
		call_after(c, c->answer.body_ns * (int64_t)n / (int64_t)body_size(c));
}

static void send_head(struct scriptx_call *c)
{
	struct xhead head = {.status = c->answer.status,
			     .minor = 1,
			     .reason = SLICE_LIT("Scripted"),
			     .headers = c->answer.header,
			     .n_headers = c->answer.n_headers};
	c->has_head = true;
	c->ev->head(c->ctx, c->id, &head);
	if (!c->is_gone)
		call_after(c, 0);
}

static void call_fire(void *arg)
{
	struct scriptx_call *c = arg;
	c->n_timers--;
	if (c->is_gone) {
		if (c->n_timers == 0)
			call_free(c);
		return;
	}
	if (c->answer.status == 0)
		call_end(c, c->answer.kind, c->answer.phase, c->answer.message);
	else if (!c->has_head)
		send_head(c);
	else
		send_body(c);
	if (c->is_gone && c->n_timers == 0)
		call_free(c);
}

/* ---- the interface ---- */

/* The script's slices live only during its call. */
static void keep_texts(struct scriptx_call *c)
{
	struct bytes b = {0};
	struct scriptx_answer *a = &c->answer;
	size_t n = a->body.n + 1;
	for (size_t i = 0; i < a->n_headers; i++)
		n += a->header[i].name.n + a->header[i].value.n;
	CHECK(bytes_reserve(&b, n) == ERR_OK);
	struct slice *text[SCRIPTX_HEADERS * 2 + 1];
	size_t count = 0;
	text[count++] = &a->body;
	for (size_t i = 0; i < a->n_headers; i++) {
		text[count++] = &a->header[i].name;
		text[count++] = &a->header[i].value;
	}
	for (size_t i = 0; i < count; i++) {
		struct slice s = *text[i];
		*text[i] = (struct slice){b.p + b.n, s.n};
		bytes_add_slice(&b, s);
	}
	c->texts = b.p;
}

static enum err submit(struct exchange *base, const struct xreq *req, const struct xevents *ev,
		       void *ctx, xcall_id *ret)
{
	struct scriptx *x = (struct scriptx *)base;
	struct scriptx_call *c = calloc(1, sizeof(*c));
	CHECK(c != NULL);
	struct scriptx_request r = {.tls = req->tls,
				    .host = req->host,
				    .method = req->method,
				    .target = req->target,
				    .body = req->body.bytes,
				    .port = req->port,
				    .headers = req->headers,
				    .n_headers = req->n_headers,
				    .number = ++x->n_submitted,
				    .at_ns = x->fake->now_ns};
	c->x = x;
	c->id = ++x->next;
	c->ev = ev;
	c->ctx = ctx;
	c->credit = req->credit_bytes;
	c->limit = (size_t)req->limits.body_bytes;
	c->submitted_ns = r.at_ns;
	c->tls = req->tls;
	c->port = req->port;
	snprintf(c->host, sizeof(c->host), "%.*s", (int)req->host.n, req->host.p);
	x->script(x->ctx, &r, &x->rng, &c->answer);
	if (slice_is(r.method, "HEAD"))
		c->answer.body.n = c->answer.body_n = 0;
	keep_texts(c);
	if (x->seen != NULL && !c->answer.is_unsent)
		x->seen(x->ctx, &r);
	c->next = x->calls;
	x->calls = c;
	if (++x->n_calls > x->most_calls)
		x->most_calls = x->n_calls;
	if (!c->answer.hangs)
		call_after(c, c->answer.latency_ns);
	*ret = c->id;
	return ERR_OK;
}

static struct scriptx_call *find(struct exchange *base, xcall_id id)
{
	struct scriptx_call *c = ((struct scriptx *)base)->calls;
	while (c != NULL && (c->id != id || c->is_gone))
		c = c->next;
	return c;
}

static void credit(struct exchange *base, xcall_id id, size_t bytes)
{
	struct scriptx_call *c = find(base, id);
	if (c == NULL)
		return;
	c->credit += bytes;
	if (c->is_waiting) {
		c->is_waiting = false;
		call_after(c, 0);
	}
}

static void body_ready(struct exchange *base, xcall_id id)
{
	(void)base;
	(void)id;
}

static void abort_call(struct exchange *base, xcall_id id)
{
	struct scriptx_call *c = find(base, id);
	if (c == NULL)
		return;
	c->is_gone = true;
	c->x->n_calls--;
	c->x->n_aborted++;
	if (c->n_timers == 0)
		call_after(c, 0); /* it may be aborted inside its own event */
}

static void stats(const struct exchange *base, struct xstats *ret)
{
	*ret = (struct xstats){.calls = ((const struct scriptx *)base)->n_calls};
}

static uint32_t in_use(const struct exchange *base, bool tls, struct slice host, uint16_t port)
{
	uint32_t n = 0;
	for (const struct scriptx_call *c = ((const struct scriptx *)base)->calls; c != NULL;
	     c = c->next)
		n += !c->is_gone && c->tls == tls && c->port == port && slice_is(host, c->host);
	return n;
}

static void close_idle(struct exchange *base)
{
	(void)base;
}

static void free_nothing(struct exchange *base)
{
	(void)base; /* scriptx_fini */
}

static const struct exchange_ops ops = {
	.submit = submit,
	.credit = credit,
	.body_ready = body_ready,
	.abort = abort_call,
	.stats = stats,
	.in_use = in_use,
	.close_idle = close_idle,
	.free = free_nothing,
};

void scriptx_init(struct scriptx *x, struct fakeloop *fake, uint64_t seed, scriptx_script script,
		  void *ctx)
{
	*x = (struct scriptx){.base = {&ops}, .fake = fake};
	x->script = script != NULL ? script : scriptx_by_path;
	x->ctx = ctx;
	rng_seed(&x->rng, seed);
}

void scriptx_fini(struct scriptx *x)
{
	while (x->calls != NULL)
		call_free(x->calls);
}

/* ---- answers by path ---- */

struct segment {
	struct scriptx_answer *a;
	struct slice value;
	char *text; /* room for what must outlive the path */
};

static int64_t number(struct slice s)
{
	int64_t v = 0;
	for (size_t i = 0; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
		v = v * 10 + (s.p[i] - '0');
	return v;
}

static void say_status(struct segment *s)
{
	s->a->status = (int)number(s->value);
}

static void say_size(struct segment *s)
{
	s->a->body_n = (size_t)number(s->value);
}

static void say_ms(struct segment *s)
{
	s->a->latency_ns = number(s->value) * NS_PER_MS;
}

static void say_slow(struct segment *s)
{
	s->a->body_ns = number(s->value) * NS_PER_MS;
}

static void say_fail(struct segment *s)
{
	s->a->kind = kind_from_name(s->value);
	s->a->status = 0;
	s->a->phase = "first_byte";
}

static void say_unsent(struct segment *s)
{
	s->a->is_unsent = true;
}

static void say_hang(struct segment *s)
{
	s->a->hangs = true;
}

static void say_header(struct segment *s, const char *name)
{
	s->a->header[s->a->n_headers++] = (struct xheader){slice_of(name), s->value};
}

static void say_retry_after(struct segment *s)
{
	say_header(s, "Retry-After");
}

static void say_location(struct segment *s)
{
	size_t n = 0;
	for (size_t i = 0; i < s->value.n; i++) {
		bool is_slash = s->value.n - i >= 3 && memcmp(s->value.p + i, "%2F", 3) == 0;
		s->text[n++] = is_slash ? '/' : s->value.p[i];
		i += is_slash ? 2 : 0;
	}
	s->value = (struct slice){s->text, n};
	say_header(s, "Location");
}

static const struct {
	const char *name;
	bool has_value;
	void (*say)(struct segment *s);
} words[] = {
	{"status", true, say_status},
	{"size", true, say_size},
	{"ms", true, say_ms},
	{"slow", true, say_slow},
	{"fail", true, say_fail},
	{"unsent", false, say_unsent},
	{"hang", false, say_hang},
	{"retry-after", true, say_retry_after},
	{"location", true, say_location},
};

static struct slice next_segment(struct slice *path)
{
	while (path->n > 0 && path->p[0] == '/')
		*path = (struct slice){path->p + 1, path->n - 1};
	struct slice s = {path->p, 0};
	while (s.n < path->n && path->p[s.n] != '/' && path->p[s.n] != '?')
		s.n++;
	*path = (struct slice){path->p + s.n, path->n - s.n};
	return s;
}

void scriptx_by_path(void *ctx, const struct scriptx_request *req, struct rng *rng,
		     struct scriptx_answer *ret)
{
	static char text[1024]; /* of one Location, copied before the next call */
	struct slice path = req->target;
	(void)ctx;
	ret->status = 200;
	ret->body_n = 20;
	ret->latency_ns = NS_PER_MS + (int64_t)rng_below(rng, 4 * NS_PER_MS);
	for (;;) {
		struct slice s = next_segment(&path);
		if (s.n == 0)
			return;
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			if (!slice_is(s, words[i].name) || ret->n_headers == SCRIPTX_HEADERS)
				continue;
			struct segment seg = {.a = ret, .text = text};
			if (words[i].has_value)
				seg.value = next_segment(&path);
			if (seg.value.n < sizeof(text))
				words[i].say(&seg);
		}
	}
}
