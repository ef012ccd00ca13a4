/* Supervisors: what is restarted when, how often, and the order of the end. */
#include "run/supervise.h"

#include "tests/unit/run/world.h"

#include <stdio.h>
#include <string.h>

enum { FAIL = 1, LEAVE };

struct set {
	struct world w;
	char story[128];
	act_id sup;
	int n_to_refuse; /* starts that fail */
};

static void tell(act_self *self, const char *what, const void *arg)
{
	struct set *s = act_user(self);
	size_t n = strlen(s->story);
	snprintf(s->story + n, sizeof(s->story) - n, "%s%s", what, (const char *)arg);
}

struct kid {
	const char *name;
};

static int kid_init(act_self *self, void *state, const void *arg)
{
	struct set *s = act_user(self);
	((struct kid *)state)->name = arg;
	if (s->n_to_refuse > 0 && s->n_to_refuse-- > 0)
		return ACT_EFAILED;
	tell(self, "+", arg);
	return ACT_OK;
}

static int kid_msg(act_self *self, void *state, act_msg *m)
{
	(void)self;
	(void)state;
	return m->type == FAIL ? ACT_EFAILED : ACT_EXIT;
}

static void kid_fini(act_self *self, void *state, int why)
{
	(void)why;
	tell(self, "-", ((struct kid *)state)->name);
}

static const act_class kid = {.name = "kid",
			      .state_size = sizeof(struct kid),
			      .init = kid_init,
			      .on_msg = kid_msg,
			      .fini = kid_fini};

/* Deaf to stop and cancel: only a kill ends it. */
static int deaf_signal(act_self *self, void *state, const struct act_sig *sig)
{
	(void)self;
	(void)state;
	(void)sig;
	return ACT_OK;
}

static const act_class deaf = {.name = "deaf",
			       .state_size = sizeof(struct kid),
			       .flags = ACT_CLASS_STOP_IS_CANCEL,
			       .init = kid_init,
			       .on_msg = kid_msg,
			       .on_signal = deaf_signal,
			       .fini = kid_fini};

static void open_set(struct set *s, struct act_sup sup, uint8_t restart, const act_class *third)
{
	memset(s, 0, sizeof(*s));
	world_open_with(&s->w, (struct act_shard_opts){.user = s, .seed = 3});
	struct act_child_spec child[3] = {
		{.cls = &kid, .arg = "a", .restart = restart},
		{.cls = &kid, .arg = "b", .restart = restart},
		{.cls = third, .arg = "c", .restart = restart},
	};
	s->sup = act_supervise(s->w.root, &sup, child, 3, NULL);
	ck_assert_uint_ne(s->sup, 0);
	ck_assert_str_eq(s->story, "+a+b+c");
	s->story[0] = '\0';
}

static void tell_kid(struct set *s, size_t i, uint32_t what)
{
	act_id id = act_child_id(s->w.root, s->sup, i);
	ck_assert_uint_ne(id, 0);
	ck_assert_int_eq(act_send(s->w.root, id, what, NULL, 0), ACT_OK);
	world_settle(&s->w);
}

START_TEST(one_for_one_restarts_only_the_failed)
{
	struct set s;
	open_set(&s, (struct act_sup){.intensity = 1}, ACT_PERMANENT, &kid);
	tell_kid(&s, 1, FAIL);
	ck_assert_str_eq(s.story, "-b+b");
	world_close(&s.w);
}
END_TEST

START_TEST(one_for_all_stops_the_rest_in_reverse_order_first)
{
	struct set s;
	open_set(&s, (struct act_sup){.strategy = ACT_ONE_FOR_ALL, .intensity = 1}, ACT_PERMANENT,
		 &kid);
	tell_kid(&s, 1, FAIL);
	ck_assert_str_eq(s.story, "-b-c-a+a+b+c");
	world_close(&s.w);
}
END_TEST

START_TEST(rest_for_one_restarts_those_after_it)
{
	struct set s;
	open_set(&s, (struct act_sup){.strategy = ACT_REST_FOR_ONE, .intensity = 1}, ACT_PERMANENT,
		 &kid);
	tell_kid(&s, 1, FAIL);
	ck_assert_str_eq(s.story, "-b-c+b+c");
	world_close(&s.w);
}
END_TEST

START_TEST(transient_children_come_back_only_after_a_failure)
{
	struct set s;
	open_set(&s, (struct act_sup){.intensity = 5}, ACT_TRANSIENT, &kid);
	tell_kid(&s, 0, LEAVE);
	ck_assert_str_eq(s.story, "-a");
	tell_kid(&s, 1, FAIL);
	ck_assert_str_eq(s.story, "-a-b+b");
	world_close(&s.w);
}
END_TEST

START_TEST(temporary_children_never_come_back)
{
	struct set s;
	open_set(&s, (struct act_sup){.intensity = 5}, ACT_TEMPORARY, &kid);
	tell_kid(&s, 0, FAIL);
	ck_assert_str_eq(s.story, "-a");
	world_close(&s.w);
}
END_TEST

START_TEST(too_many_restarts_in_a_period_end_the_supervisor)
{
	struct set s;
	open_set(&s, (struct act_sup){.intensity = 2, .period_ms = 1000}, ACT_PERMANENT, &kid);
	tell_kid(&s, 0, FAIL);
	world_run_for(&s.w, 1500 * NS_PER_MS);
	tell_kid(&s, 0, FAIL);
	tell_kid(&s, 0, FAIL);
	ck_assert_str_eq(s.story, "-a+a-a+a-a+a");
	tell_kid(&s, 0, FAIL);
	ck_assert_str_eq(s.story, "-a+a-a+a-a+a-a-c-b");
	ck_assert(!act_is_alive(s.w.root, s.sup));
	world_close(&s.w);
}
END_TEST

START_TEST(backoff_puts_time_between_restarts)
{
	struct set s;
	open_set(&s, (struct act_sup){.intensity = 9, .backoff_min_ms = 100, .backoff_max_ms = 400},
		 ACT_PERMANENT, &kid);
	tell_kid(&s, 0, FAIL);
	ck_assert_str_eq(s.story, "-a");
	ck_assert_uint_eq(act_child_id(s.w.root, s.sup, 0), 0);
	world_run_for(&s.w, 49 * NS_PER_MS);
	ck_assert_str_eq(s.story, "-a");
	world_run_for(&s.w, 53 * NS_PER_MS);
	ck_assert_str_eq(s.story, "-a+a");
	world_close(&s.w);
}
END_TEST

START_TEST(a_stop_ends_the_children_in_reverse_order)
{
	struct set s;
	open_set(&s, (struct act_sup){.intensity = 1}, ACT_PERMANENT, &kid);
	act_stop(s.w.root, s.sup);
	world_settle(&s.w);
	ck_assert_str_eq(s.story, "-c-b-a");
	ck_assert_uint_eq(act_shard_live(s.w.sh), 0);
	world_close(&s.w);
}
END_TEST

START_TEST(the_deaf_are_killed_after_stop_and_cancel)
{
	struct set s;
	open_set(&s, (struct act_sup){.intensity = 1, .shutdown_ms = 100}, ACT_PERMANENT, &deaf);
	act_stop(s.w.root, s.sup);
	world_run_for(&s.w, 150 * NS_PER_MS);
	ck_assert_str_eq(s.story, "");
	world_run_for(&s.w, 100 * NS_PER_MS);
	ck_assert_str_eq(s.story, "-c-b-a");
	world_close(&s.w);
}
END_TEST

START_TEST(a_child_that_cannot_start_refuses_the_supervisor)
{
	struct set s;
	memset(&s, 0, sizeof(s));
	world_open_with(&s.w, (struct act_shard_opts){.user = &s});
	struct act_child_spec child[2] = {{.cls = &kid, .arg = "a"}, {.cls = &kid, .arg = "b"}};
	s.n_to_refuse = 1;
	ck_assert_uint_eq(
		act_supervise(s.w.root, &(struct act_sup){.intensity = 1}, child, 2, NULL), 0);
	world_settle(&s.w);
	ck_assert_uint_eq(act_shard_live(s.w.sh), 0);
	world_close(&s.w);
}
END_TEST

START_TEST(a_killed_supervisor_takes_its_children_along)
{
	struct set s;
	open_set(&s, (struct act_sup){.intensity = 1}, ACT_PERMANENT, &kid);
	act_kill(s.w.root, s.sup);
	world_settle(&s.w);
	ck_assert_uint_eq(act_shard_live(s.w.sh), 0);
	world_close(&s.w);
}
END_TEST

RUN_TESTS("supervise", one_for_one_restarts_only_the_failed,
	  one_for_all_stops_the_rest_in_reverse_order_first, rest_for_one_restarts_those_after_it,
	  transient_children_come_back_only_after_a_failure, temporary_children_never_come_back,
	  too_many_restarts_in_a_period_end_the_supervisor, backoff_puts_time_between_restarts,
	  a_stop_ends_the_children_in_reverse_order, the_deaf_are_killed_after_stop_and_cancel,
	  a_child_that_cannot_start_refuses_the_supervisor,
	  a_killed_supervisor_takes_its_children_along)
