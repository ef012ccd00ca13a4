#include "tests/kit/fakeloop.h"

#include <stdlib.h>

static int64_t read_now(void *ctx)
{
	return ((struct fakeloop *)ctx)->now_ns;
}

static int64_t read_wall(void *ctx)
{
	const struct fakeloop *f = ctx;
	return f->now_ns + f->wall_offset_ns;
}

int64_t fakeloop_next_ns(const struct fakeloop *f)
{
	return f->calls != NULL ? f->calls->at_ns : INT64_MAX;
}

static bool run_due(struct fakeloop *f)
{
	bool any = false;
	while (f->calls != NULL && f->calls->at_ns <= f->now_ns) {
		struct fakeloop_call *c = f->calls;
		f->calls = c->next;
		c->fn(c->ctx);
		free(c);
		any = true;
	}
	return any;
}

static void fake_poll(void *ctx, int64_t timeout_ns)
{
	struct fakeloop *f = ctx;
	f->is_stuck = false;
	if (run_due(f) || f->is_woken || timeout_ns == 0) {
		f->is_woken = false;
		return;
	}
	int64_t until = timeout_ns < 0 ? INT64_MAX : f->now_ns + timeout_ns;
	if (fakeloop_next_ns(f) < until)
		until = fakeloop_next_ns(f);
	if (until == INT64_MAX) {
		f->is_stuck = true;
		return;
	}
	if (until > f->now_ns)
		f->now_ns = until;
	run_due(f);
}

static void fake_wake(void *ctx)
{
	((struct fakeloop *)ctx)->is_woken = true;
}

void fakeloop_init(struct fakeloop *f)
{
	*f = (struct fakeloop){
		.loop = {.ctx = f, .poll = fake_poll, .wake = fake_wake},
		.clock = {.ctx = f, .mono_ns = read_now, .boot_ns = read_now, .wall_ns = read_wall},
		.now_ns = 1000 * NS_PER_S,
		.wall_offset_ns = 1700000000 * NS_PER_S,
	};
}

void fakeloop_fini(struct fakeloop *f)
{
	while (f->calls != NULL) {
		struct fakeloop_call *c = f->calls;
		f->calls = c->next;
		free(c);
	}
}

void fakeloop_at(struct fakeloop *f, int64_t at_ns, void (*fn)(void *ctx), void *ctx)
{
	struct fakeloop_call *c = malloc(sizeof(*c));
	if (c == NULL)
		abort();
	*c = (struct fakeloop_call){.at_ns = at_ns, .fn = fn, .ctx = ctx};
	struct fakeloop_call **at = &f->calls;
	while (*at != NULL && (*at)->at_ns <= at_ns)
		at = &(*at)->next;
	c->next = *at;
	*at = c;
}
