/* The watchdog: who holds a shard is named, who only works a lot is not. */
#include "edge/watchdog.h"
#include "tests/unit/run/world.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { HOLD = 1, WORK };

/* A behaviour that stays in until the log has a line about it. */
struct scene {
	struct world w;
	struct log log;
	struct watchdog *dog;
	pthread_mutex_t mutex;
	pthread_cond_t news;
	char lines[512];
	unsigned n_lines, n_wanted, n_stuck;
	char stuck_class[32];
	int64_t look_at_ns;
};

static void keep_line(void *ctx, enum log_level level, const char *line, size_t n)
{
	struct scene *s = ctx;
	(void)level;
	pthread_mutex_lock(&s->mutex);
	strncat(s->lines, line, n);
	strcat(s->lines, "\n");
	s->n_lines++;
	pthread_cond_broadcast(&s->news);
	pthread_mutex_unlock(&s->mutex);
}

static int slow_msg(act_self *self, void *state, act_msg *m)
{
	struct scene *s = act_user(self);
	(void)state;
	if (m->type == WORK)
		return ACT_OK;
	pthread_mutex_lock(&s->mutex);
	while (s->n_lines < s->n_wanted)
		pthread_cond_wait(&s->news, &s->mutex);
	pthread_mutex_unlock(&s->mutex);
	return ACT_OK;
}

/* Looks itself, from inside: what another thread would see at those times. */
static int seen_msg(act_self *self, void *state, act_msg *m)
{
	struct scene *s = act_user(self);
	(void)state;
	for (uint64_t i = 0; i < m->word[0]; i++)
		watchdog_look(s->dog, s->look_at_ns += NS_PER_S);
	return ACT_OK;
}

static const act_class slow = {.name = "slow one", .on_msg = slow_msg};
static const act_class seen = {.name = "seen one", .on_msg = seen_msg};

static void on_stuck(void *ctx, unsigned shard, const char *class_name)
{
	struct scene *s = ctx;
	ck_assert_uint_eq(shard, 0);
	s->n_stuck++;
	strncpy(s->stuck_class, class_name, sizeof(s->stuck_class) - 1);
}

static void open_scene(struct scene *s, struct watchdog_opts o)
{
	*s = (struct scene){.mutex = PTHREAD_MUTEX_INITIALIZER, .news = PTHREAD_COND_INITIALIZER};
	s->log = (struct log){.level = LOG_LEVEL_INFO, .ctx = s, .sink = keep_line};
	world_open_with(&s->w, (struct act_shard_opts){.user = s, .slow_turn_ns = -1});
	o.shards = &s->w.sh;
	o.n_shards = 1;
	o.log = &s->log;
	o.on_stuck = on_stuck;
	o.ctx = s;
	s->dog = watchdog_new(&o);
	ck_assert_ptr_nonnull(s->dog);
}

static void close_scene(struct scene *s)
{
	watchdog_free(s->dog);
	world_close(&s->w);
}

START_TEST(an_actor_that_does_not_return_is_named_by_the_thread)
{
	struct scene s;
	open_scene(&s, (struct watchdog_opts){.look_ns = NS_PER_MS});
	s.n_wanted = 1;
	ck_assert(watchdog_start(s.dog));
	act_id a = act_spawn(s.w.root, &slow, NULL, NULL);
	act_send(s.w.root, a, HOLD, NULL, 0);
	world_settle(&s.w); /* returns only when the line is there */
	ck_assert_ptr_nonnull(strstr(s.lines, "shard.held"));
	ck_assert_ptr_nonnull(strstr(s.lines, "class=\"slow one\""));
	close_scene(&s);
}
END_TEST

START_TEST(a_held_shard_is_said_once_and_stuck_once)
{
	struct scene s;
	open_scene(&s, (struct watchdog_opts){.stuck_ns = 5 * NS_PER_S});
	uint64_t n = 20;
	act_send(s.w.root, act_spawn(s.w.root, &seen, NULL, NULL), WORK, &n, sizeof(n));
	world_settle(&s.w);
	ck_assert_uint_eq(s.n_lines, 2);
	ck_assert_ptr_nonnull(strstr(s.lines, "held_ms=1000"));
	ck_assert_ptr_nonnull(strstr(s.lines, "shard.stuck"));
	ck_assert_uint_eq(s.n_stuck, 1);
	ck_assert_str_eq(s.stuck_class, "seen one");
	close_scene(&s);
}
END_TEST

START_TEST(many_short_behaviours_between_looks_are_nobody)
{
	struct scene s;
	open_scene(&s, (struct watchdog_opts){.stuck_ns = NS_PER_S});
	act_id a = act_spawn(s.w.root, &seen, NULL, NULL);
	uint64_t n = 1;
	for (int i = 0; i < 50; i++) { /* one look in each activation: never twice in the same */
		act_send(s.w.root, a, WORK, &n, sizeof(n));
		world_settle(&s.w);
	}
	ck_assert_uint_eq(s.n_lines, 0);
	ck_assert_uint_eq(s.n_stuck, 0);
	close_scene(&s);
}
END_TEST

START_TEST(a_shard_at_rest_is_held_by_nobody)
{
	struct scene s;
	open_scene(&s, (struct watchdog_opts){.stuck_ns = 1});
	act_spawn(s.w.root, &slow, NULL, NULL);
	world_settle(&s.w);
	for (int i = 0; i < 10; i++)
		watchdog_look(s.dog, s.look_at_ns += NS_PER_S);
	ck_assert_uint_eq(s.n_lines, 0);
	close_scene(&s);
}
END_TEST

RUN_TESTS("watchdog", an_actor_that_does_not_return_is_named_by_the_thread,
	  a_held_shard_is_said_once_and_stuck_once, many_short_behaviours_between_looks_are_nobody,
	  a_shard_at_rest_is_held_by_nobody)
