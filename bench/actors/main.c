/*
 * actors -- the actor benchmarks on muster's runtime, one shard.
 *
 * usage: actors NAME [TIMES]     prints {"ops":N,"s":SECONDS,"answer":X[,...]}, a line each time;
 *                                --list names them
 */
#include "base/check.h"
#include "bench.h"
#include "edge/loop_libevent.h"
#include "run/stats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t clock_of(void *ctx)
{
	struct timespec t;
	(void)ctx;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

double bench_now_s(void)
{
	return (double)clock_of(NULL) / 1e9;
}

uint64_t bench_rss_bytes(void)
{
	unsigned long total = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	CHECK(f != NULL && fscanf(f, "%lu %lu", &total, &resident) == 2);
	fclose(f);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

act_id bench_spawn(act_self *self, const act_class *cls, const void *arg, uint16_t cap)
{
	struct act_opts opts = {.cap = cap};
	act_id id = act_spawn(self, cls, arg, &opts);
	CHECK(id != 0);
	return id;
}

/* As in the peers, the value stays in a register; nobody can leave the work out. */
double bench_burn(unsigned cost)
{
	double x = 0.5;
	for (unsigned i = 0; i < cost; i++)
		x = 3.7 * x * (1 - x);
	__asm__ volatile("" : : "m"(x));
	return x;
}

static const struct bench *find(const char *name)
{
	static const struct bench *const tables[] = {bench_mail, bench_many, bench_ask, bench_task,
						     bench_io};
	bool list = strcmp(name, "--list") == 0;
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (const struct bench *b = tables[t]; b->name != NULL; b++) {
			if (list)
				puts(b->name);
			else if (strcmp(b->name, name) == 0)
				return b;
		}
	return NULL;
}

static void print(const struct run *r, double seconds)
{
	printf("{\"ops\":%llu,\"s\":%.6f,\"answer\":%.0f", (unsigned long long)r->ops, seconds,
	       r->answer);
	if (r->inner_s > 0)
		printf(",\"inner_s\":%.6f", r->inner_s);
	if (r->bytes > 0)
		printf(",\"bytes\":%.1f", r->bytes);
	if (r->p99_us > 0)
		printf(",\"p99_us\":%.1f", r->p99_us);
	puts("}");
}

static void kill_row(void *ctx, const struct act_row *row)
{
	act_kill(ctx, row->id);
}

/* Nothing of this time is left when the next begins, but the memory. */
static void once(const struct bench *b, struct run *r)
{
	uint32_t cursor = 0;
	r->ops = 0;
	r->answer = r->inner_s = r->bytes = r->p99_us = 0;
	double began = bench_now_s();
	b->fn(r);
	double spent = bench_now_s() - began;
	print(r, spent);
	while (act_inspect(r->shard, &cursor, 1000, kill_row, r->root))
		continue;
	while (act_shard_turn(r->shard))
		continue;
}

int main(int argc, char **argv)
{
	const struct bench *b = argc >= 2 ? find(argv[1]) : NULL;
	if (b == NULL)
		return argc == 2 && strcmp(argv[1], "--list") == 0 ? 0 : 2;
	struct run r = {.ops = 0};
	struct loop_libevent *loop = loop_libevent_new();
	const struct clock clock = {.mono_ns = clock_of, .boot_ns = clock_of, .wall_ns = clock_of};
	CHECK(loop != NULL);
	r.base = loop_libevent_base(loop);
	const struct act_shard_opts opts = {.clock = &clock,
					    .loop = loop_libevent_loop(loop),
					    .user = &r,
					    .slow_turn_ns = -1,
					    .seed = 1};
	r.shard = act_shard_new(&opts);
	CHECK(r.shard != NULL);
	r.root = act_shard_root(r.shard);
	for (int times = argc == 3 ? atoi(argv[2]) : 1; times > 0; times--)
		once(b, &r);
	act_shard_free(r.shard);
	loop_libevent_free(loop);
	return 0;
}
