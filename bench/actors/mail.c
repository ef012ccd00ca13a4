/* One-way mail: ping-pong, rings, fan-in, fork-join, the storm. */
#include "base/check.h"
#include "base/rng.h"
#include "bench.h"

enum { GO = 1, TOKEN, ITEM, PEER, STOP };

#define ROUNDS	    1000000
#define RING_ACTORS 503

/* ---- pingpong ---- */

struct pinger {
	act_id peer;
	uint64_t n;
};

static int pinger_on_msg(act_self *self, void *state, act_msg *m)
{
	struct pinger *p = state;
	if (m->type == PEER) {
		p->peer = m->word[0];
		bench_send(self, p->peer, GO, &p->n, sizeof(p->n));
		return ACT_OK;
	}
	p->n = m->word[0];
	if (p->n == ROUNDS)
		run_end(run_of(self), (double)p->n);
	else
		bench_send(self, p->peer, GO, &p->n, sizeof(p->n));
	return ACT_OK;
}

static int ponger_on_msg(act_self *self, void *state, act_msg *m)
{
	(void)state;
	uint64_t n = m->word[0] + 1;
	bench_send(self, m->from, GO, &n, sizeof(n));
	return ACT_OK;
}

static void pingpong(struct run *r)
{
	static const act_class ping = {
		.name = "ping", .state_size = sizeof(struct pinger), .on_msg = pinger_on_msg};
	static const act_class pong = {.name = "pong", .on_msg = ponger_on_msg};
	act_id a = bench_spawn(r->root, &ping, NULL, 4), b = bench_spawn(r->root, &pong, NULL, 4);
	r->ops = 2 * ROUNDS;
	bench_send(r->root, a, PEER, &b, sizeof(b));
	act_shard_run(r->shard, false);
}

/* ---- rings ---- */

struct link_state {
	act_id next;
	uint64_t index;
};

static uint64_t ring_left; /* tokens not yet at their end */

static int link_on_msg(act_self *self, void *state, act_msg *m)
{
	struct link_state *l = state;
	if (m->type == PEER) {
		l->next = m->word[0];
		l->index = m->word[1];
		return ACT_OK;
	}
	uint64_t left = m->word[0];
	if (left != 0) {
		left--;
		bench_send(self, l->next, TOKEN, &left, sizeof(left));
	} else if (--ring_left == 0) {
		struct run *r = run_of(self);
		run_end(r, r->answer != 0 ? r->answer : (double)l->index);
	}
	return ACT_OK;
}

static void ring(struct run *r, uint64_t tokens, uint64_t hops)
{
	static const act_class cls = {
		.name = "link", .state_size = sizeof(struct link_state), .on_msg = link_on_msg};
	act_id id[RING_ACTORS];
	for (int i = 0; i < RING_ACTORS; i++)
		id[i] = bench_spawn(r->root, &cls, NULL, RING_ACTORS + 1);
	for (uint64_t i = 0; i < RING_ACTORS; i++)
		bench_send(r->root, id[i], PEER, (uint64_t[]){id[(i + 1) % RING_ACTORS], i}, 16);
	ring_left = tokens;
	r->answer = tokens == 1 ? 0 : (double)tokens;
	for (uint64_t t = 0; t < tokens; t++)
		bench_send(r->root, id[t % RING_ACTORS], TOKEN, &hops, sizeof(hops));
	r->ops = tokens * hops;
	act_shard_run(r->shard, false);
}

static void ring1(struct run *r)
{
	ring(r, 1, 5000000);
}

static void ring503(struct run *r)
{
	ring(r, 503, 10000);
}

/* ---- fan-in into a bounded mailbox ---- */

struct source {
	act_id sink;
	uint64_t left;
};

static int source_push(act_self *self, struct source *s)
{
	static const uint64_t one = 1;
	while (s->left > 0) {
		int rc = act_send(self, s->sink, ITEM, &one, sizeof(one));
		if (rc == ACT_EFULL)
			return act_resume_when_free(self, s->sink);
		CHECK(rc == ACT_OK);
		s->left--;
		if (!act_budget(self)) {
			act_more(self);
			return ACT_OK;
		}
	}
	return ACT_EXIT;
}

static int source_init(act_self *self, void *state, const void *arg)
{
	*(struct source *)state = *(const struct source *)arg;
	act_more(self);
	return ACT_OK;
}

static int source_on_msg(act_self *self, void *state, act_msg *m)
{
	(void)m;
	return source_push(self, state);
}

static int source_on_signal(act_self *self, void *state, const struct act_sig *sig)
{
	(void)sig;
	return source_push(self, state);
}

struct sink {
	uint64_t sum, want;
};

static int sink_init(act_self *self, void *state, const void *arg)
{
	(void)self;
	((struct sink *)state)->want = *(const uint64_t *)arg;
	return ACT_OK;
}

static int sink_on_msg(act_self *self, void *state, act_msg *m)
{
	struct sink *s = state;
	s->sum += m->word[0];
	if (s->sum == s->want)
		run_end(run_of(self), (double)s->sum);
	return ACT_OK;
}

static const act_class sink_class = {.name = "sink",
				     .state_size = sizeof(struct sink),
				     .init = sink_init,
				     .on_msg = sink_on_msg};

static void fan(struct run *r, uint64_t sources, uint64_t each)
{
	static const act_class source = {.name = "source",
					 .state_size = sizeof(struct source),
					 .init = source_init,
					 .on_msg = source_on_msg,
					 .on_signal = source_on_signal};
	uint64_t want = sources * each;
	struct source arg = {bench_spawn(r->root, &sink_class, &want, 1024), each};
	for (uint64_t i = 0; i < sources; i++)
		bench_spawn(r->root, &source, &arg, 1);
	r->ops = want;
	act_shard_run(r->shard, false);
}

static void fanin(struct run *r)
{
	fan(r, 100, 20000);
}

static void counting(struct run *r)
{
	fan(r, 1, 1000000);
}

/* ---- fork-join ---- */

static int once_init(act_self *self, void *state, const void *arg)
{
	(void)self;
	*(act_id *)state = *(const act_id *)arg;
	return ACT_OK;
}

static int once_on_msg(act_self *self, void *state, act_msg *m)
{
	bench_send(self, *(act_id *)state, ITEM, m->p, 8);
	return ACT_EXIT;
}

static const act_class once = {
	.name = "once", .state_size = sizeof(act_id), .init = once_init, .on_msg = once_on_msg};

static void forkjoincreate(struct run *r)
{
	static const uint64_t n = 40000, token = 1;
	act_id sink = bench_spawn(r->root, &sink_class, &n, UINT16_MAX);
	for (uint64_t i = 0; i < n; i++)
		bench_send(r->root, bench_spawn(r->root, &once, &sink, 1), GO, &token, 8);
	r->ops = n;
	act_shard_run(r->shard, false);
}

#define THROUGHPUT_ACTORS 60
#define THROUGHPUT_EACH	  10000

struct spreader {
	act_id to[THROUGHPUT_ACTORS];
	uint64_t round, at;
};

static int counter_on_msg(act_self *self, void *state, act_msg *m)
{
	static uint64_t total, ended;
	uint64_t *sum = state;
	if (m->type != STOP) {
		*sum += m->word[0];
		return ACT_OK;
	}
	total += *sum;
	if (++ended == THROUGHPUT_ACTORS)
		run_end(run_of(self), (double)total);
	return ACT_EXIT;
}

static int spread(act_self *self, struct spreader *s)
{
	static const uint64_t one = 1;
	for (; s->round <= THROUGHPUT_EACH; s->round++, s->at = 0) {
		for (; s->at < THROUGHPUT_ACTORS; s->at++) {
			uint32_t type = s->round < THROUGHPUT_EACH ? ITEM : STOP;
			if (act_send(self, s->to[s->at], type, &one, 8) == ACT_EFULL)
				return act_resume_when_free(self, s->to[s->at]);
		}
		if (!act_budget(self)) {
			s->round++;
			s->at = 0;
			act_more(self);
			return ACT_OK;
		}
	}
	return ACT_EXIT;
}

static int spreader_on_msg(act_self *self, void *state, act_msg *m)
{
	static const act_class counter = {
		.name = "counter", .state_size = 8, .on_msg = counter_on_msg};
	struct spreader *s = state;
	(void)m;
	for (int i = 0; i < THROUGHPUT_ACTORS; i++)
		s->to[i] = bench_spawn(self, &counter, NULL, 1024);
	return spread(self, s);
}

static int spreader_on_signal(act_self *self, void *state, const struct act_sig *sig)
{
	(void)sig;
	return spread(self, state);
}

static void forkjointhroughput(struct run *r)
{
	static const act_class cls = {.name = "spreader",
				      .state_size = sizeof(struct spreader),
				      .on_msg = spreader_on_msg,
				      .on_signal = spreader_on_signal};
	r->ops = THROUGHPUT_ACTORS * THROUGHPUT_EACH;
	bench_send(r->root, bench_spawn(r->root, &cls, NULL, 4), GO, NULL, 0);
	act_shard_run(r->shard, false);
}

const struct bench bench_mail[] = {{"pingpong", pingpong},
				   {"ring1", ring1},
				   {"ring503", ring503},
				   {"fanin", fanin},
				   {"counting", counting},
				   {"forkjoincreate", forkjoincreate},
				   {"forkjointhroughput", forkjointhroughput},
				   {NULL, NULL}};
