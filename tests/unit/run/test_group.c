/* Groups: policies, joins, results, errors as objects and as JSON. */
#include "run/group.h"

#include "tests/unit/run/script.h"

#include <stdlib.h>
#include <string.h>

struct plan {
	struct world w;
	enum act_policy policy;
	uint32_t max_running;
	int64_t timeout_ns;
	int n;
	int child_rc[8];
	int64_t child_ms[8];
	bool takes_one_by_one, joins_twice;
	/* what came of it */
	act_group *g;
	int join_rc, close_rc, late_go, n_taken, n_args;
	uint64_t order[8];
	int result_rc[8];
	struct act_err_counts counts;
	uint32_t most_running;
	struct bytes json;
	bool is_over;
};

struct kid {
	act_co co;
	int rc, no;
	struct plan *p;
};

static void free_value(void *v)
{
	free(v);
}

static void count_arg(void *arg)
{
	++*(int *)arg;
}

static int kid_step(act_self *self, void *frame)
{
	struct kid *k = frame;
	CO_BEGIN(&k->co);
	if (act_group_running(k->p->g) > k->p->most_running)
		k->p->most_running = act_group_running(k->p->g);
	CO_AWAIT(&k->co, k->rc, act_sleep(self, k->p->child_ms[k->no] * NS_PER_MS));
	if (k->rc != ACT_OK)
		return k->rc;
	act_value(self, strdup("value"), 5, free_value);
	k->rc = k->p->child_rc[k->no];
	if (k->rc < 0)
		return act_fail(self, k->rc, "http",
				act_err_new(ACT_ETIMEDOUT, "scope", "too slow", NULL),
				"GET \"%d\" \xff failed", k->no);
	CO_END(&k->co);
}

struct top {
	act_co co;
	int rc;
	struct plan *p;
	struct act_child_result r;
};

static void spawn_all(act_self *self, struct plan *p)
{
	for (int i = 0; i < p->n; i++) {
		struct kid k = {.no = i, .p = p};
		struct act_task_opts o = {.name = "kid",
					  .frame_init = &k,
					  .frame_init_size = sizeof(k),
					  .arg = &p->n_args,
					  .arg_dtor = count_arg,
					  .tag = (uint64_t)i};
		act_group_go(self, p->g, kid_step, sizeof(k), &o);
	}
}

static void note_results(act_self *self, struct plan *p)
{
	p->counts = act_group_counts(p->g);
	for (int i = 0; i < p->n; i++)
		p->result_rc[i] = act_group_result(p->g, (uint64_t)i, NULL, NULL, NULL);
	if (act_group_error(p->g) != NULL)
		ck_assert_int_eq(act_err_json(act_group_error(p->g), &p->json, 0), ERR_OK);
	p->late_go = act_group_go(self, p->g, kid_step, sizeof(struct kid), NULL);
}

static int top_step(act_self *self, void *frame)
{
	struct top *t = frame;
	struct plan *p = t->p;
	CO_BEGIN(&t->co);
	p->g = act_group_open(self, p->policy, p->max_running, p->timeout_ns);
	act_group_name(p->g, "fetch-all");
	spawn_all(self, p);
	while (p->takes_one_by_one) {
		CO_AWAIT(&t->co, t->rc, act_group_next(self, p->g, &t->r));
		if (t->rc != ACT_OK)
			break;
		p->order[p->n_taken++] = t->r.index;
		ck_assert(t->r.rc != ACT_OK || strcmp(t->r.value, "value") == 0);
		act_child_result_drop(&t->r);
	}
	CO_AWAIT(&t->co, p->join_rc, act_group_join(self, p->g));
	note_results(self, p);
	p->close_rc = act_group_close(self, p->g);
	p->is_over = true;
	return p->close_rc;
	CO_END(&t->co);
}

static act_id begin(struct plan *p)
{
	world_open(&p->w);
	if (p->timeout_ns == 0)
		p->timeout_ns = ACT_FOREVER;
	bytes_init(&p->json, 0);
	struct top t = {.p = p};
	struct act_task_opts o = {.frame_init = &t, .frame_init_size = sizeof(t)};
	return act_spawn_task(p->w.root, top_step, sizeof(t), &o);
}

static void end(struct plan *p)
{
	ck_assert_uint_eq(act_shard_live(p->w.sh), 0);
	ck_assert_int_eq(p->n_args, p->n);
	bytes_fini(&p->json);
	world_close(&p->w);
}

static void carry_out(struct plan *p)
{
	begin(p);
	world_run_for(&p->w, 1000 * NS_PER_MS);
}

START_TEST(the_first_failure_cancels_siblings_and_is_wrapped)
{
	struct plan p = {.n = 4, .child_rc = {0, -200, 0, 0}, .child_ms = {1, 2, 3, 4}};
	carry_out(&p);
	ck_assert_int_eq(p.join_rc, ACT_EGROUP);
	ck_assert_int_eq(p.close_rc, ACT_EGROUP);
	ck_assert_uint_eq(p.counts.ok, 1);
	ck_assert_uint_eq(p.counts.failed, 1);
	ck_assert_uint_eq(p.counts.cancelled, 2);
	ck_assert_int_eq(p.result_rc[0], ACT_OK);
	ck_assert_int_eq(p.result_rc[1], -200);
	ck_assert_int_eq(p.result_rc[3], ACT_ECANCELED);
	ck_assert_int_eq(p.late_go, ACT_EBUG);
	end(&p);
}
END_TEST

START_TEST(the_error_in_json_has_stable_keys_and_valid_text)
{
	struct plan p = {.n = 2, .child_rc = {0, -200}, .child_ms = {9, 2}};
	carry_out(&p);
	ck_assert_str_eq(
		bytes_cstr(&p.json),
		"{\"type\":\"group\",\"code\":\"EGROUP\",\"message\":\"1 of 2 tasks failed\","
		"\"group\":\"fetch-all\",\"policy\":\"fail_fast\",\"cause_index\":1,"
		"\"counts\":{\"ok\":0,\"failed\":1,\"cancelled\":1},\"truncated\":0,"
		"\"errors\":[{\"type\":\"http\",\"code\":\"EFAILED\","
		"\"message\":\"GET \\\"1\\\" \xef\xbf\xbd failed\","
		"\"task\":{\"id\":\"0.2.1\",\"name\":\"kid\",\"index\":1},"
		"\"at_ms\":1000002.0,\"phase\":\"body\","
		"\"cause\":{\"type\":\"scope\",\"code\":\"ETIMEDOUT\","
		"\"message\":\"too slow\"}}]}");
	end(&p);
}
END_TEST

START_TEST(later_errors_join_the_first_and_never_hide_it)
{
	struct plan p = {.n = 3, .child_rc = {-201, -202, -203}, .child_ms = {1, 1, 1}};
	carry_out(&p);
	ck_assert_uint_eq(p.counts.failed, 3);
	ck_assert_ptr_nonnull(strstr(bytes_cstr(&p.json), "\"cause_index\":0"));
	ck_assert_ptr_nonnull(strstr(bytes_cstr(&p.json), "\"phase\":\"cleanup\""));
	end(&p);
}
END_TEST

START_TEST(a_child_that_ends_cancelled_by_itself_is_no_failure)
{
	struct plan p = {.n = 3, .child_rc = {0, ACT_ECANCELED, 0}, .child_ms = {1, 2, 3}};
	carry_out(&p);
	ck_assert_int_eq(p.join_rc, ACT_OK);
	ck_assert_uint_eq(p.counts.ok, 2);
	ck_assert_uint_eq(p.counts.cancelled, 1);
	ck_assert_uint_eq(p.counts.failed, 0);
	ck_assert_int_eq(p.late_go, ACT_EBUG); /* after the join nobody is taken in */
	end(&p);
}
END_TEST

START_TEST(collect_cancels_nobody_and_joins_well)
{
	struct plan p = {
		.policy = ACT_COLLECT, .n = 3, .child_rc = {-201, 0, -203}, .child_ms = {1, 2, 3}};
	carry_out(&p);
	ck_assert_int_eq(p.join_rc, ACT_OK);
	ck_assert_int_eq(p.result_rc[0], -201);
	ck_assert_int_eq(p.result_rc[1], ACT_OK);
	ck_assert_int_eq(p.result_rc[2], -203);
	end(&p);
}
END_TEST

START_TEST(first_ok_cancels_the_rest_and_is_a_success)
{
	struct plan p = {
		.policy = ACT_FIRST_OK, .n = 3, .child_rc = {-201, 0, 0}, .child_ms = {1, 2, 3}};
	carry_out(&p);
	ck_assert_int_eq(p.join_rc, ACT_OK);
	ck_assert_uint_eq(p.counts.cancelled, 1);
	end(&p);
}
END_TEST

START_TEST(first_ok_fails_only_when_all_fail)
{
	struct plan p = {
		.policy = ACT_FIRST_OK, .n = 2, .child_rc = {-201, -202}, .child_ms = {1, 2}};
	carry_out(&p);
	ck_assert_int_eq(p.join_rc, ACT_EGROUP);
	end(&p);
}
END_TEST

START_TEST(at_most_max_running_children_run_at_once)
{
	struct plan p = {.n = 6, .max_running = 2, .child_ms = {1, 1, 1, 1, 1, 1}};
	carry_out(&p);
	ck_assert_int_eq(p.join_rc, ACT_OK);
	ck_assert_uint_eq(p.most_running, 2);
	end(&p);
}
END_TEST

START_TEST(children_come_one_by_one_in_the_order_they_finish)
{
	struct plan p = {.n = 3, .child_ms = {3, 1, 2}, .takes_one_by_one = true};
	carry_out(&p);
	ck_assert_int_eq(p.n_taken, 3);
	ck_assert_uint_eq(p.order[0], 1);
	ck_assert_uint_eq(p.order[1], 2);
	ck_assert_uint_eq(p.order[2], 0);
	ck_assert_int_eq(p.join_rc, ACT_OK);
	ck_assert_int_eq(p.result_rc[0], ACT_EINVAL);
	end(&p);
}
END_TEST

START_TEST(a_cancelled_opener_waits_for_all_children)
{
	struct plan p = {.n = 3, .child_ms = {300, 300, 300}};
	act_id id = begin(&p);
	world_run_for(&p.w, 10 * NS_PER_MS);
	act_cancel(p.w.root, id, ACT_WHY_CANCEL);
	world_settle(&p.w);
	ck_assert(p.is_over);
	ck_assert_int_eq(p.join_rc, ACT_ECANCELED);
	ck_assert_uint_eq(p.counts.cancelled, 3);
	end(&p);
}
END_TEST

START_TEST(a_cancelled_opener_still_gets_every_child)
{
	struct plan p = {.n = 3, .child_ms = {1, 300, 300}, .takes_one_by_one = true};
	act_id id = begin(&p);
	world_run_for(&p.w, 10 * NS_PER_MS);
	act_cancel(p.w.root, id, ACT_WHY_CANCEL);
	world_settle(&p.w);
	ck_assert_int_eq(p.n_taken, 3);
	end(&p);
}
END_TEST

START_TEST(errors_win_over_an_outer_cancel)
{
	struct plan p = {.n = 2, .child_rc = {-200, 0}, .child_ms = {1, 300}};
	p.policy = ACT_FAIL_FAST;
	act_id id = begin(&p);
	world_run_for(&p.w, NS_PER_MS / 2);
	p.w.fake.now_ns += NS_PER_MS;
	act_shard_turn(p.w.sh);
	act_cancel(p.w.root, id, ACT_WHY_CANCEL);
	world_settle(&p.w);
	ck_assert_int_eq(p.join_rc, ACT_EGROUP);
	end(&p);
}
END_TEST

START_TEST(a_group_out_of_time_is_timed_out_unless_it_has_errors)
{
	struct plan p = {.n = 2, .child_ms = {300, 300}, .timeout_ns = 5 * NS_PER_MS};
	carry_out(&p);
	ck_assert_int_eq(p.join_rc, ACT_ETIMEDOUT);
	end(&p);
}
END_TEST

START_TEST(pending_children_of_a_cancelled_group_never_start)
{
	struct plan p = {.n = 4, .max_running = 1, .child_ms = {5, 5, 5, 5}, .child_rc = {-200}};
	carry_out(&p);
	ck_assert_uint_eq(p.counts.cancelled, 3);
	ck_assert_int_eq(p.join_rc, ACT_EGROUP);
	end(&p);
}
END_TEST

START_TEST(no_child_outlives_a_killed_opener)
{
	struct plan p = {.n = 3, .child_ms = {300, 300, 300}};
	act_id id = begin(&p);
	world_run_for(&p.w, 10 * NS_PER_MS);
	act_kill(p.w.root, id);
	world_settle(&p.w);
	ck_assert(!p.is_over);
	end(&p);
}
END_TEST

static bool is_timeout(const act_err *e, void *ctx)
{
	(void)ctx;
	return e->code == ACT_ETIMEDOUT;
}

START_TEST(split_parts_the_leaves_and_keeps_the_structure)
{
	act_err *a = act_err_new(ACT_ETIMEDOUT, "t", "a", NULL);
	act_err *b = act_err_new(ACT_EDEAD, "t", "b", NULL);
	act_err *rest, *yes = act_err_split(a, is_timeout, NULL, &rest);
	ck_assert_ptr_eq(yes, a);
	ck_assert_ptr_null(rest);
	act_err_drop(yes);
	yes = act_err_split(b, is_timeout, NULL, &rest);
	ck_assert_ptr_null(yes);
	ck_assert_ptr_eq(rest, b);
	act_err_drop(rest);
	act_err_drop(a);
	act_err_drop(b);
}
END_TEST

START_TEST(json_without_room_is_still_valid_and_counts_what_is_missing)
{
	struct plan p = {.n = 8, .policy = ACT_FAIL_FAST, .child_ms = {1, 1, 1, 1, 1, 1, 1, 1}};
	for (int i = 0; i < 8; i++)
		p.child_rc[i] = -200;
	carry_out(&p);
	ck_assert_ptr_nonnull(strstr(bytes_cstr(&p.json), "\"truncated\":0"));
	act_err *e = act_err_new(-200, "x", "y", NULL);
	struct bytes out;
	bytes_init(&out, 0);
	ck_assert_int_eq(act_err_json(e, &out, 1), ERR_OK);
	ck_assert_uint_le(out.n, 256);
	bytes_fini(&out);
	act_err_drop(e);
	end(&p);
}
END_TEST

RUN_TESTS("group", the_first_failure_cancels_siblings_and_is_wrapped,
	  the_error_in_json_has_stable_keys_and_valid_text,
	  later_errors_join_the_first_and_never_hide_it, collect_cancels_nobody_and_joins_well,
	  a_child_that_ends_cancelled_by_itself_is_no_failure,
	  first_ok_cancels_the_rest_and_is_a_success, first_ok_fails_only_when_all_fail,
	  at_most_max_running_children_run_at_once,
	  children_come_one_by_one_in_the_order_they_finish,
	  a_cancelled_opener_waits_for_all_children, a_cancelled_opener_still_gets_every_child,
	  errors_win_over_an_outer_cancel, a_group_out_of_time_is_timed_out_unless_it_has_errors,
	  pending_children_of_a_cancelled_group_never_start, no_child_outlives_a_killed_opener,
	  split_parts_the_leaves_and_keeps_the_structure,
	  json_without_room_is_still_valid_and_counts_what_is_missing)
