/* watchdog -- see watchdog.h. Per shard it remembers the activation it saw and since when. */
#include "edge/watchdog.h"

#include "base/check.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#define LOOK_NS	     (500 * NS_PER_MS)
#define ASLEEP_LOOKS 10

enum said { SAID_NOTHING, SAID_HELD, SAID_STUCK };

struct seen {
	act_shard *shard;
	struct act_watch watch;
	int64_t since_ns;
	enum said said;
};

struct watchdog {
	struct watchdog_opts opts;
	struct seen seen[ACT_SHARDS_MAX];
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t news;
	bool is_started, is_over;
};

struct watchdog *watchdog_new(const struct watchdog_opts *opts)
{
	CHECK(opts->n_shards <= ACT_SHARDS_MAX);
	struct watchdog *w = calloc(1, sizeof(*w));
	if (w == NULL)
		return NULL;
	w->opts = *opts;
	w->opts.shards = NULL;
	if (w->opts.look_ns <= 0)
		w->opts.look_ns = LOOK_NS;
	for (unsigned i = 0; i < opts->n_shards; i++)
		w->seen[i].shard = opts->shards[i];
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&w->mutex, NULL);
	pthread_cond_init(&w->news, &attr);
	pthread_condattr_destroy(&attr);
	return w;
}

static void say_held(const struct watchdog *w, unsigned i, enum log_level level, const char *event,
		     int64_t held_ns)
{
	const struct seen *s = &w->seen[i];
	LOG_AT(w->opts.log, level, event, kv_i("shard", i),
	       kv_s("class", act_shard_watch_class(s->shard, s->watch)),
	       kv_i("slot", (int64_t)(s->watch.id >> 32 & 0xffffff)),
	       kv_i("held_ms", held_ns / NS_PER_MS));
}

/* False: it sleeps. */
static bool look_at(struct watchdog *w, unsigned i, int64_t now_ns)
{
	struct seen *s = &w->seen[i];
	struct act_watch now = act_shard_watch(s->shard);
	if (now.id == 0 || now.id != s->watch.id || now.activation != s->watch.activation) {
		*s = (struct seen){.shard = s->shard, .watch = now, .since_ns = now_ns};
		return now.id != 0;
	}
	int64_t held_ns = now_ns - s->since_ns;
	if (s->said == SAID_NOTHING) {
		s->said = SAID_HELD;
		say_held(w, i, LOG_LEVEL_WARN, "shard.held", held_ns);
	}
	if (s->said == SAID_HELD && w->opts.stuck_ns > 0 && held_ns >= w->opts.stuck_ns) {
		s->said = SAID_STUCK;
		say_held(w, i, LOG_LEVEL_ERROR, "shard.stuck", held_ns);
		if (w->opts.on_stuck != NULL)
			w->opts.on_stuck(w->opts.ctx, i, act_shard_watch_class(s->shard, s->watch));
	}
	return true;
}

static bool look(struct watchdog *w, int64_t now_ns)
{
	bool any = false;
	for (unsigned i = 0; i < w->opts.n_shards; i++)
		any = look_at(w, i, now_ns) || any;
	return any;
}

void watchdog_look(struct watchdog *w, int64_t now_ns)
{
	look(w, now_ns);
}

static int64_t mono_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

static void *watch(void *arg)
{
	struct watchdog *w = arg;
	bool any = true;
	pthread_mutex_lock(&w->mutex);
	while (!w->is_over) {
		int64_t next = mono_ns() + w->opts.look_ns * (any ? 1 : ASLEEP_LOOKS);
		struct timespec until = {.tv_sec = next / NS_PER_S, .tv_nsec = next % NS_PER_S};
		pthread_cond_timedwait(&w->news, &w->mutex, &until);
		if (!w->is_over)
			any = look(w, mono_ns());
	}
	pthread_mutex_unlock(&w->mutex);
	return NULL;
}

bool watchdog_start(struct watchdog *w)
{
	CHECK(!w->is_started);
	sigset_t all, was;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &was);
	w->is_started = pthread_create(&w->thread, NULL, watch, w) == 0;
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	return w->is_started;
}

void watchdog_free(struct watchdog *w)
{
	if (w == NULL)
		return;
	pthread_mutex_lock(&w->mutex);
	w->is_over = true;
	pthread_cond_signal(&w->news);
	pthread_mutex_unlock(&w->mutex);
	if (w->is_started)
		pthread_join(w->thread, NULL);
	pthread_cond_destroy(&w->news);
	pthread_mutex_destroy(&w->mutex);
	free(w);
}
