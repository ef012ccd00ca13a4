/* Casts: committed later, in order, many receivers at once; and mail to many in a storm. */
#include "base/rng.h"
#include "run/stats.h"
#include "tests/unit/run/world.h"

#include <stdlib.h>
#include <string.h>

enum { CAST = 1, SEND, START, MANY = 2000, TOKENS = 300, HOPS = 50, OUTBOX_IS = 64 };

struct set {
	struct world w;
	act_id reader, other;
	uint64_t seen[256];
	unsigned n_seen;
	act_id all[MANY];
	unsigned n_ended, n_hops;
};

static int reader_msg(act_self *self, void *state, act_msg *m)
{
	struct set *s = act_user(self);
	(void)state;
	if (s->n_seen < 256)
		s->seen[s->n_seen++] = m->word[0];
	return ACT_OK;
}

/* word[0] casts, then one send, in one behaviour. */
static int writer_msg(act_self *self, void *state, act_msg *m)
{
	struct set *s = act_user(self);
	(void)state;
	uint64_t i = 0;
	for (; i < m->word[0]; i++)
		ck_assert_int_eq(act_cast(self, s->reader, CAST, &i, sizeof(i)), ACT_OK);
	if (m->word[1] != 0)
		ck_assert_int_eq(act_send(self, s->reader, SEND, &i, sizeof(i)), ACT_OK);
	return ACT_OK;
}

static const act_class reader = {.name = "reader", .on_msg = reader_msg};
static const act_class writer = {.name = "writer", .on_msg = writer_msg};

static void open_set(struct set *s, uint16_t cap)
{
	memset(s, 0, sizeof(*s));
	world_open_with(&s->w, (struct act_shard_opts){.user = s, .seed = 3});
	s->reader = act_spawn(s->w.root, &reader, NULL, &(struct act_opts){.cap = cap});
	s->other = act_spawn(s->w.root, &writer, NULL, NULL);
}

static void write_many(struct set *s, uint64_t casts, bool send)
{
	uint64_t v[2] = {casts, send};
	ck_assert_int_eq(act_send(s->w.root, s->other, START, v, sizeof(v)), ACT_OK);
	world_settle(&s->w);
}

START_TEST(a_send_does_not_overtake_the_casts_before_it)
{
	struct set s;
	open_set(&s, 256);
	write_many(&s, 10, true);
	ck_assert_uint_eq(s.n_seen, 11);
	for (unsigned i = 0; i < 11; i++)
		ck_assert_uint_eq(s.seen[i], i);
	world_close(&s.w);
}
END_TEST

START_TEST(few_casts_leave_with_the_turn_and_many_before_its_end)
{
	struct set s;
	open_set(&s, 256);
	write_many(&s, 1, false);
	ck_assert_uint_eq(s.n_seen, 1);
	s.n_seen = 0;
	write_many(&s, 2 * OUTBOX_IS + 5, false);
	ck_assert_uint_eq(s.n_seen, 2 * OUTBOX_IS + 5);
	for (unsigned i = 0; i < s.n_seen; i++)
		ck_assert_uint_eq(s.seen[i], i);
	world_close(&s.w);
}
END_TEST

START_TEST(a_refused_cast_is_dropped_and_counted)
{
	struct set s;
	act_stats st;
	open_set(&s, 4);
	write_many(&s, 10, false);
	ck_assert_uint_eq(s.n_seen, 4);
	act_stats_read(s.w.sh, &st);
	ck_assert_uint_eq(st.dropped, 6);
	act_kill(s.w.root, s.reader);
	write_many(&s, 3, false);
	act_stats_read(s.w.sh, &st);
	ck_assert_uint_eq(st.dropped, 9);
	ck_assert_uint_eq(st.sent, st.delivered + st.dead + st.dropped);
	ck_assert_uint_eq(act_stats_cells(s.w.sh), 0);
	world_close(&s.w);
}
END_TEST

START_TEST(a_post_of_the_loop_comes_after_the_casts_before_it)
{
	struct set s;
	open_set(&s, 256);
	uint64_t first = 1, second = 2;
	ck_assert_int_eq(act_cast(s.w.root, s.reader, CAST, &first, sizeof(first)), ACT_OK);
	ck_assert_int_eq(act_post_local(s.w.sh, s.reader, SEND, &second, sizeof(second)), ACT_OK);
	world_settle(&s.w);
	ck_assert_uint_eq(s.n_seen, 2);
	ck_assert_uint_eq(s.seen[0], 1);
	ck_assert_uint_eq(s.seen[1], 2);
	world_close(&s.w);
}
END_TEST

START_TEST(spawning_between_casts_changes_nothing)
{
	struct set s;
	open_set(&s, 256);
	uint64_t v = 1;
	ck_assert_int_eq(act_cast(s.w.root, s.reader, CAST, &v, sizeof(v)), ACT_OK);
	for (int i = 0; i < 200; i++) /* new slots, while the outbox is not empty */
		ck_assert(act_spawn(s.w.root, &reader, NULL, NULL) != 0);
	v = 2;
	ck_assert_int_eq(act_send(s.w.root, s.reader, SEND, &v, sizeof(v)), ACT_OK);
	world_settle(&s.w);
	ck_assert_uint_eq(s.seen[0], 1);
	ck_assert_uint_eq(s.seen[1], 2);
	world_close(&s.w);
}
END_TEST

static int storm_msg(act_self *self, void *state, act_msg *m)
{
	struct set *s = act_user(self);
	uint64_t left = m->word[0];
	(void)state;
	if (left == 0) {
		s->n_ended++;
		return ACT_OK;
	}
	s->n_hops++;
	left--;
	return act_cast(self, s->all[rng_below(act_rng(self), MANY)], CAST, &left, sizeof(left));
}

static const act_class storm = {.name = "storm", .on_msg = storm_msg};

START_TEST(a_storm_over_many_actors_loses_no_token)
{
	struct set *s = calloc(1, sizeof(*s));
	uint64_t hops = HOPS;
	open_set(s, 4);
	for (int i = 0; i < MANY; i++)
		s->all[i] = act_spawn(s->w.root, &storm, NULL, &(struct act_opts){.cap = TOKENS});
	for (int i = 0; i < TOKENS; i++)
		ck_assert_int_eq(act_send(s->w.root, s->all[i], CAST, &hops, sizeof(hops)), ACT_OK);
	world_settle(&s->w);
	ck_assert_uint_eq(s->n_ended, TOKENS);
	ck_assert_uint_eq(s->n_hops, TOKENS * HOPS);
	world_close(&s->w);
	free(s);
}
END_TEST

RUN_TESTS("cast", a_send_does_not_overtake_the_casts_before_it,
	  few_casts_leave_with_the_turn_and_many_before_its_end,
	  a_refused_cast_is_dropped_and_counted, a_post_of_the_loop_comes_after_the_casts_before_it,
	  spawning_between_casts_changes_nothing, a_storm_over_many_actors_loses_no_token)
