/* Many actors: spawning, idling, the storm over cold ones, recursion, pipelines. */
#include "base/check.h"
#include "base/rng.h"
#include "bench.h"

#include <stdlib.h>

enum { GO = 1, ITEM, STOP };

/* ---- spawn, one message, end ---- */

#define SPAWNS 500000

static int child_on_msg(act_self *self, void *state, act_msg *m)
{
	(void)state;
	bench_send(self, m->from, ITEM, m->p, 8);
	return ACT_EXIT;
}

static int spawner_on_msg(act_self *self, void *state, act_msg *m)
{
	static const act_class child = {.name = "child", .on_msg = child_on_msg};
	static const uint64_t one = 1;
	uint64_t *sum = state;
	if (m->type == ITEM)
		*sum += m->word[0];
	if (*sum == SPAWNS) {
		run_end(run_of(self), (double)*sum);
		return ACT_EXIT;
	}
	bench_send(self, bench_spawn(self, &child, NULL, 1), GO, &one, 8);
	return ACT_OK;
}

static void spawn(struct run *r)
{
	static const act_class cls = {.name = "spawner", .state_size = 8, .on_msg = spawner_on_msg};
	r->ops = SPAWNS;
	bench_send(r->root, bench_spawn(r->root, &cls, NULL, 4), GO, NULL, 0);
	act_shard_run(r->shard, false);
}

/* ---- idle actors ---- */

static int ignore(act_self *self, void *state, act_msg *m)
{
	(void)self;
	(void)state;
	(void)m;
	return ACT_OK;
}

static void idle(struct run *r)
{
	static const act_class cls = {.name = "idle", .state_size = 64, .on_msg = ignore};
	const uint64_t n = 1000000;
	uint64_t before = bench_rss_bytes();
	for (uint64_t i = 0; i < n; i++)
		bench_spawn(r->root, &cls, NULL, 1);
	while (act_shard_turn(r->shard))
		continue;
	r->bytes = (double)(bench_rss_bytes() - before) / (double)n;
	r->ops = n;
	r->answer = (double)act_shard_live(r->shard);
}

/* ---- storm ---- */

#define STORM_TOKENS 1000
#define STORM_HOPS   1000

/* The next receiver is chosen one hop ahead, so that its place in the table of ids, a cold line as
 * well, has come when it is needed. */
static struct {
	act_id *id, *next;
	uint64_t n, ended;
} crowd;

static int storm_on_msg(act_self *self, void *state, act_msg *m)
{
	uint64_t left = m->word[0];
	(void)state;
	if (left != 0) {
		left--;
		act_id to = *crowd.next;
		crowd.next = &crowd.id[rng_below(act_rng(self), crowd.n)];
		__builtin_prefetch(crowd.next);
		CHECK(act_cast(self, to, ITEM, &left, 8) == ACT_OK);
	} else if (++crowd.ended == STORM_TOKENS) {
		run_end(run_of(self), (double)crowd.ended);
	}
	return ACT_OK;
}

static void storm_over(struct run *r, uint64_t n)
{
	static const act_class cls = {.name = "storm", .on_msg = storm_on_msg};
	const uint64_t hops = STORM_HOPS;
	crowd.id = crowd.next = calloc(n, sizeof(*crowd.id));
	crowd.n = n;
	crowd.ended = 0;
	CHECK(crowd.id != NULL);
	for (uint64_t i = 0; i < n; i++)
		crowd.id[i] = bench_spawn(r->root, &cls, NULL, 64);
	double began = bench_now_s();
	for (uint64_t t = 0; t < STORM_TOKENS; t++)
		bench_send(r->root, crowd.id[t * (n / STORM_TOKENS)], ITEM, &hops, 8);
	r->ops = STORM_TOKENS * STORM_HOPS;
	act_shard_run(r->shard, false);
	r->inner_s = bench_now_s() - began;
	free(crowd.id);
}

static void storm(struct run *r)
{
	storm_over(r, 200000);
}

static void storm1m(struct run *r)
{
	storm_over(r, 1000000);
}

/* ---- fibonacci: an actor per call ---- */

struct fib {
	act_id parent;
	uint64_t sum, got;
};

static int fib_on_msg(act_self *self, void *state, act_msg *m);
static const act_class fib_class = {
	.name = "fib", .state_size = sizeof(struct fib), .on_msg = fib_on_msg};

static int fib_answer(act_self *self, const struct fib *f, uint64_t x)
{
	if (f->parent == 0)
		run_end(run_of(self), (double)x);
	else
		bench_send(self, f->parent, ITEM, &x, 8);
	return ACT_EXIT;
}

static int fib_on_msg(act_self *self, void *state, act_msg *m)
{
	struct fib *f = state;
	if (m->type == ITEM) {
		f->sum += m->word[0];
		return ++f->got == 2 ? fib_answer(self, f, f->sum) : ACT_OK;
	}
	uint64_t n = m->word[0];
	f->parent = m->from;
	if (n <= 2)
		return fib_answer(self, f, 1);
	for (uint64_t k = 1; k <= 2; k++)
		bench_send(self, bench_spawn(self, &fib_class, NULL, 4), GO, (uint64_t[]){n - k},
			   8);
	return ACT_OK;
}

static void fibonacci(struct run *r)
{
	bench_send(r->root, bench_spawn(r->root, &fib_class, NULL, 4), GO, (uint64_t[]){25}, 8);
	act_shard_run(r->shard, false);
	r->ops = 2 * (uint64_t)r->answer - 1;
}

/* ---- sieve: a stage holds 1000 primes ---- */

#define SIEVE_LIMIT  100000
#define SIEVE_PRIMES 1000
#define SIEVE_STAGES 16

struct stage {
	uint32_t prime[SIEVE_PRIMES];
	uint32_t n;
	act_id next;
};

static uint64_t sieve_sum;

static int stage_on_msg(act_self *self, void *state, act_msg *m);
static const act_class stage_class = {
	.name = "stage", .state_size = sizeof(struct stage), .on_msg = stage_on_msg};

static int stage_on_msg(act_self *self, void *state, act_msg *m)
{
	struct stage *s = state;
	if (m->type == STOP) {
		sieve_sum += s->n;
		if (s->next != 0)
			bench_send(self, s->next, STOP, NULL, 0);
		else
			run_end(run_of(self), (double)sieve_sum);
		return ACT_EXIT;
	}
	uint32_t x = (uint32_t)m->word[0];
	for (uint32_t i = 0; i < s->n; i++)
		if (x % s->prime[i] == 0)
			return ACT_OK;
	if (s->n < SIEVE_PRIMES) {
		s->prime[s->n++] = x;
		return ACT_OK;
	}
	if (s->next == 0)
		s->next = bench_spawn(self, &stage_class, NULL, 2048);
	bench_send(self, s->next, ITEM, m->p, 8);
	return ACT_OK;
}

struct feeder {
	act_id first;
	uint64_t x;
};

static int feed(act_self *self, struct feeder *f)
{
	for (; f->x <= SIEVE_LIMIT; f->x++) {
		if (act_send(self, f->first, ITEM, &f->x, 8) == ACT_EFULL)
			return act_resume_when_free(self, f->first);
	}
	return act_send(self, f->first, STOP, NULL, 0) == ACT_EFULL
		       ? act_resume_when_free(self, f->first)
		       : ACT_EXIT;
}

static int feeder_on_msg(act_self *self, void *state, act_msg *m)
{
	struct feeder *f = state;
	(void)m;
	*f = (struct feeder){bench_spawn(self, &stage_class, NULL, 1024), 2};
	return feed(self, f);
}

static int feeder_on_signal(act_self *self, void *state, const struct act_sig *sig)
{
	(void)sig;
	return feed(self, state);
}

static void sieve(struct run *r)
{
	static const act_class cls = {.name = "feeder",
				      .state_size = sizeof(struct feeder),
				      .on_msg = feeder_on_msg,
				      .on_signal = feeder_on_signal};
	r->ops = SIEVE_LIMIT;
	bench_send(r->root, bench_spawn(r->root, &cls, NULL, 4), GO, NULL, 0);
	act_shard_run(r->shard, false);
}

/* ---- nqueens: an actor per prefix of three rows ---- */

#define QUEENS 10
#define PREFIX 3

struct board {
	uint32_t row, cols, d1, d2;
};

static bool board_put(const struct board *b, uint32_t c, struct board *ret)
{
	uint32_t col = 1u << c, a = 1u << (b->row + c), d = 1u << (b->row + QUEENS - c);
	if ((b->cols & col) != 0 || (b->d1 & a) != 0 || (b->d2 & d) != 0)
		return false;
	*ret = (struct board){b->row + 1, b->cols | col, b->d1 | a, b->d2 | d};
	return true;
}

static uint64_t queens(const struct board *b)
{
	uint64_t sum = 0;
	struct board next;
	if (b->row == QUEENS)
		return 1;
	for (uint32_t c = 0; c < QUEENS; c++)
		if (board_put(b, c, &next))
			sum += queens(&next);
	return sum;
}

static uint64_t queens_started, queens_ended, queens_found;

static int worker_on_msg(act_self *self, void *state, act_msg *m)
{
	(void)state;
	queens_found += queens((const struct board *)(const void *)m->p);
	if (++queens_ended == queens_started)
		run_end(run_of(self), (double)queens_found);
	return ACT_EXIT;
}

static void split(struct run *r, const struct board *b)
{
	static const act_class cls = {.name = "queens", .on_msg = worker_on_msg};
	struct board next;
	if (b->row == PREFIX) {
		queens_started++;
		bench_send(r->root, bench_spawn(r->root, &cls, NULL, 1), GO, b, sizeof(*b));
		return;
	}
	for (uint32_t c = 0; c < QUEENS; c++)
		if (board_put(b, c, &next))
			split(r, &next);
}

static void nqueens(struct run *r)
{
	split(r, &(struct board){.row = 0});
	r->ops = queens_started;
	act_shard_run(r->shard, false);
}

const struct bench bench_many[] = {
	{"spawn", spawn},	  {"idle", idle},   {"storm", storm},	  {"storm1m", storm1m},
	{"fibonacci", fibonacci}, {"sieve", sieve}, {"nqueens", nqueens}, {NULL, NULL}};
