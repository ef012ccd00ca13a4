/* The flood: a saturated shard, and a 1 kHz ping over a pipe whose delay is measured. */
#include "base/check.h"
#include "bench.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define PINGS  2000
#define TOKENS 32

static struct {
	int fd[2];
	int n;
	double late_us[PINGS];
	struct run *run;
} ping;

static int bounce_on_msg(act_self *self, void *state, act_msg *m)
{
	act_id *peer = state;
	if (m->type == 1)
		*peer = m->word[0];
	else
		bench_send(self, *peer, 2, NULL, 0);
	return ACT_OK;
}

static void *pinger(void *arg)
{
	const struct timespec pause = {.tv_nsec = NS_PER_MS};
	(void)arg;
	for (int i = 0; i < PINGS; i++) {
		nanosleep(&pause, NULL);
		double at = bench_now_s();
		if (write(ping.fd[1], &at, sizeof(at)) != sizeof(at))
			break;
	}
	return NULL;
}

static void on_ping(evutil_socket_t fd, short what, void *arg)
{
	double at;
	(void)what;
	(void)arg;
	if (ping.n < PINGS && read((int)fd, &at, sizeof(at)) == sizeof(at))
		ping.late_us[ping.n++] = (bench_now_s() - at) * 1e6;
	if (ping.n == PINGS)
		act_shard_ask_stop(ping.run->shard);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void flood(struct run *r)
{
	static const act_class cls = {.name = "bounce", .state_size = 8, .on_msg = bounce_on_msg};
	pthread_t thread;
	act_id a = bench_spawn(r->root, &cls, NULL, 64), b = bench_spawn(r->root, &cls, NULL, 64);
	bench_send(r->root, a, 1, &b, sizeof(b));
	bench_send(r->root, b, 1, &a, sizeof(a));
	for (int i = 0; i < TOKENS; i++)
		bench_send(r->root, a, 2, NULL, 0);
	ping.run = r;
	CHECK(pipe(ping.fd) == 0);
	struct event *ev = event_new(r->base, ping.fd[0], EV_READ | EV_PERSIST, on_ping, NULL);
	CHECK(ev != NULL && event_add(ev, NULL) == 0);
	CHECK(pthread_create(&thread, NULL, pinger, NULL) == 0);
	act_shard_run(r->shard, false);
	pthread_join(thread, NULL);
	event_free(ev);
	qsort(ping.late_us, (size_t)ping.n, sizeof(ping.late_us[0]), by_value);
	r->ops = PINGS;
	r->answer = ping.n;
	r->p99_us = ping.late_us[PINGS * 99 / 100];
}

const struct bench bench_io[] = {{"flood", flood}, {NULL, NULL}};
