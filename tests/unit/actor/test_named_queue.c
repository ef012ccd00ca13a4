/* Promises of events and queues to the tasks of jobs: what is said once is heard once, what is
 * taken is done with or comes back, over failures, cancels and kills. */
#include "job/named.h"
#include "tests/unit/actor/job_world.h"

#define H "http://a.example"

static struct job_world jw;

static void open_world(void)
{
	job_world_open(&jw);
}

static void close_world(void)
{
	job_world_close(&jw);
}

static void order(uint64_t job, enum job_call_kind kind)
{
	struct asked *a = ask_job(&jw, call_of(job, kind));
	await_answer(&jw, a, 1000 * MS);
	ck_assert_msg(a->kind == KIND_NONE, "%s", bytes_cstr(&a->body));
	asked_free(a);
}

struct closer {
	act_co co;
	int rc;
	act_msg *m;
};

static bool is_closed;

static int closer_step(act_self *self, void *frame)
{
	struct closer *c = frame;
	struct named_ask *ask;
	CO_BEGIN(&c->co);
	ask = named_ask_new(NAMED_CLOSE, NAMED_QUEUE, SLICE_LIT("Q"), SLICE_LIT("test"),
			    (struct slice){NULL, 0});
	ask->uid = 1000;
	CO_AWAIT(&c->co, c->rc,
		 act_ask_buf(self, jw.peers.named, NAMED_ASK, ask, sizeof(*ask), named_ask_free,
			     &c->m));
	is_closed = c->rc == ACT_OK;
	if (is_closed)
		act_drop(self, c->m);
	CO_END(&c->co);
}

/* As a program would. */
static void close_queue(void)
{
	struct act_task_opts o = {.name = "closer"};
	is_closed = false;
	ck_assert(act_spawn_task(jw.w.root, closer_step, sizeof(struct closer), &o) != 0);
	world_run_for(&jw.w, 20 * MS);
	ck_assert(is_closed);
}

static bool was_seen(const char *path)
{
	return strstr(bytes_cstr(&jw.seen), path) != NULL;
}

static int times_seen(const char *path)
{
	int n = 0;
	for (const char *p = bytes_cstr(&jw.seen); (p = strstr(p, path)) != NULL; p++)
		n++;
	return n;
}

/* Values of the lines that bear one, as text, in their order. */
static void values_are(uint64_t job, const char *expected)
{
	struct bytes got = BYTES_LIMIT(0);
	json_t *all = all_results(&jw, job), *line;
	size_t i;
	json_array_foreach(all, i, line)
	{
		char *text = json_dumps(json_object_get(line, "value"), JSON_ENCODE_ANY);
		if (text != NULL)
			bytes_printf(&got, "%s ", text);
		free(text);
	}
	ck_assert_str_eq(bytes_cstr(&got), expected);
	bytes_fini(&got);
	json_decref(all);
}

/* All that is still in the queue, by taking it. */
static void queue_holds(const char *expected, int n)
{
	char text[200];
	if (n == 0) {
		uint64_t none = submit(&jw, "{\"run\":{\"take\":{\"queue\":\"Q\"},\"timeout\":"
					    "\"50ms\"}}");
		json_t *r = record(&jw, none);
		ck_assert_str_eq(text_at(r, "state"), "failed");
		json_decref(r);
		return;
	}
	snprintf(text, sizeof(text),
		 "{\"run\":{\"timeout\":\"5s\",\"each\":{\"in\":{\"range\":[0,%d]},\"concurrency\":"
		 "1,\"mode\":\"group\",\"do\":{\"take\":{\"queue\":\"Q\"}}}}}",
		 n);
	values_are(submit(&jw, text), expected);
}

#define PUT(v) "{\"put\":{\"queue\":\"Q\",\"value\":" v "}}"
#define TAKE   "{\"take\":{\"queue\":\"Q\"}}"
#define DRAIN(do_)                                                                                 \
	"{\"run\":{\"each\":{\"in\":{\"queue\":\"Q\"},\"concurrency\":2,\"do\":" do_ "}}}"

static uint64_t put_items(const char *values)
{
	char text[500];
	snprintf(text, sizeof(text),
		 "{\"run\":{\"each\":{\"in\":%s,\"concurrency\":1,\"mode\":\"group\",\"do\":" PUT(
			 "\"${item}\"") "}}}",
		 values);
	uint64_t job = submit(&jw, text);
	ended_as(&jw, job, "succeeded", 0, 0, 0, 0, 0);
	return job;
}

/* ---- events ---- */

START_TEST(an_event_stays_set_until_it_is_cleared)
{
	uint64_t a = submit(&jw, "{\"run\":{\"sequence\":[{\"wait\":\"E\"},\"" H "/a\"]}}");
	world_run_for(&jw.w, 100 * MS);
	ck_assert(!was_seen("/a"));
	uint64_t b = submit(&jw, "{\"run\":{\"set\":\"E\"}}");
	ended_as(&jw, b, "succeeded", 0, 0, 0, 0, 0);
	ended_as(&jw, a, "succeeded", 1, 0, 0, 0, 0);
	job_world_kill(&jw);
	uint64_t c = submit(&jw, "{\"run\":{\"sequence\":[{\"wait\":\"E\"},{\"clear\":\"E\"},{"
				 "\"wait\":\"E\",\"timeout\":\"100ms\"}]}}");
	json_t *r = record(&jw, c);
	ck_assert_str_eq(text_at(json_object_get(r, "error"), "kind"), "deadline");
	json_decref(r);
	job_world_kill(&jw);
	uint64_t d = submit(&jw, "{\"run\":{\"wait\":\"E\",\"timeout\":\"100ms\"}}");
	ended_as(&jw, d, "failed", 0, 0, 0, 0, 0);
}
END_TEST

START_TEST(a_wait_that_was_over_stays_over_a_kill)
{
	submit(&jw, "{\"run\":{\"set\":\"E\"}}");
	uint64_t a = submit(&jw, "{\"run\":{\"sequence\":[{\"wait\":\"E\"},{\"clear\":\"E\"},\"" H
				 "/slow/200\",{\"emit\":1}]}}");
	world_run_for(&jw.w, 100 * MS);
	job_world_kill(&jw);
	ended_as(&jw, a, "succeeded", 2, 0, 0, 0, 0);
}
END_TEST

START_TEST(what_a_volatile_job_sets_goes_with_the_daemon)
{
	struct asked *s = submit_start(&jw, "{\"durable\":false,\"run\":{\"set\":\"E\"}}", false);
	await_answer(&jw, s, 1000 * MS);
	asked_free(s);
	uint64_t a = submit(&jw, "{\"run\":{\"wait\":\"E\"}}");
	ended_as(&jw, a, "succeeded", 0, 0, 0, 0, 0);
	job_world_kill(&jw);
	uint64_t b = submit(&jw, "{\"run\":{\"wait\":\"E\",\"timeout\":\"100ms\"}}");
	ended_as(&jw, b, "failed", 0, 0, 0, 0, 0);
}
END_TEST

/* ---- put and take ---- */

START_TEST(items_come_in_the_order_in_which_they_were_put)
{
	put_items("[1,2,{\"a\":\"x\"}]");
	job_world_kill(&jw);
	queue_holds("1 2 {\"a\": \"x\"} ", 3);
	queue_holds("", 0);
}
END_TEST

START_TEST(a_take_waits_for_an_item)
{
	uint64_t a =
		submit(&jw, "{\"run\":{\"sequence\":[{\"id\":\"x\",\"take\":{\"queue\":\"Q\"}},"
			    "\"" H "/got/${x}\"]}}");
	world_run_for(&jw.w, 100 * MS);
	put_items("[7]");
	ended_as(&jw, a, "succeeded", 2, 0, 0, 0, 0);
	ck_assert(was_seen("/got/7"));
	queue_holds("", 0);
}
END_TEST

START_TEST(a_failed_task_puts_back_what_it_took)
{
	put_items("[1,2]");
	uint64_t a = submit(&jw, "{\"run\":{\"sequence\":[" TAKE ",{\"fail\":\"no\"}]}}");
	ended_as(&jw, a, "failed", 1, 1, 0, 0, 0);
	queue_holds("1 2 ", 2);
}
END_TEST

START_TEST(what_a_handler_mended_is_done_with)
{
	put_items("[1,2]");
	uint64_t a = submit(&jw, "{\"run\":{\"sequence\":[" TAKE
				 ",{\"fail\":\"no\"}],\"catch\":[{\"do\":{\"emit\":0}}]}}");
	ended_as(&jw, a, "succeeded", 2, 0, 1, 0, 0);
	queue_holds("2 ", 1);
}
END_TEST

START_TEST(every_attempt_takes_afresh)
{
	put_items("[1,2]");
	uint64_t a =
		submit(&jw, "{\"run\":{\"sequence\":[" TAKE ",{\"fetch\":\"" H
			    "/flaky/1\",\"retry\":{\"attempts\":1}}],\"retry\":{\"attempts\":2,"
			    "\"backoff\":\"10ms\"}}}");
	json_t *r = record(&jw, a);
	ck_assert_str_eq(text_at(r, "state"), "succeeded");
	json_decref(r);
	values_are(a, "1 1 ");
	queue_holds("2 ", 1);
}
END_TEST

START_TEST(a_cancelled_take_loses_nothing)
{
	put_items("[1]");
	uint64_t a = submit(&jw, "{\"run\":{\"sequence\":[" TAKE ",\"" H "/hang\"]}}");
	uint64_t b = submit(&jw, "{\"run\":" TAKE "}");
	world_run_for(&jw.w, 100 * MS);
	order(b, JOB_CALL_CANCEL);
	order(a, JOB_CALL_CANCEL);
	ended_as(&jw, a, "cancelled", 1, 0, 0, 1, 0);
	ended_as(&jw, b, "cancelled", 0, 0, 0, 1, 0);
	queue_holds("1 ", 1);
}
END_TEST

START_TEST(a_full_queue_parks_who_puts)
{
	uint64_t a = submit(&jw, "{\"run\":{\"each\":{\"in\":{\"range\":[0,1002]},\"concurrency\":"
				 "1,\"do\":" PUT("1") "}}}");
	uint64_t late = submit(&jw, "{\"run\":{\"sequence\":[{\"sleep\":\"3s\"}," PUT("2") "]}}");
	world_run_for(&jw.w, 30000 * MS);
	struct asked *s = ask_job(&jw, call_of(a, JOB_CALL_EXPLAIN));
	await_answer(&jw, s, 1000 * MS);
	ck_assert_msg(strstr(bytes_cstr(&s->body), "waits for a named object") != NULL, "%s",
		      bytes_cstr(&s->body));
	asked_free(s);
	order(late, JOB_CALL_CANCEL);
	queue_holds("1 1 1 ", 3);
	ended_as(&jw, a, "succeeded", 0, 0, 0, 0, 0);
}
END_TEST

START_TEST(a_closed_queue_takes_nothing_and_gives_the_rest)
{
	put_items("[1]");
	close_queue();
	uint64_t a = submit(&jw, "{\"run\":" PUT("2") "}");
	json_t *r = record(&jw, a);
	ck_assert_str_eq(text_at(json_object_get(r, "error"), "kind"), "closed");
	json_decref(r);
	job_world_kill(&jw);
	queue_holds("1 ", 1);
	uint64_t b = submit(&jw, "{\"run\":" TAKE "}");
	r = record(&jw, b);
	ck_assert_str_eq(text_at(json_object_get(r, "error"), "kind"), "closed");
	json_decref(r);
	put_items("[3]");
	queue_holds("3 ", 1);
}
END_TEST

/* ---- queues as sources ---- */

START_TEST(an_each_goes_through_a_queue_until_it_is_closed)
{
	uint64_t a = submit(&jw, DRAIN("{\"fetch\":\"" H "/got/${item}\"}"));
	put_items("[1,2,3]");
	close_queue();
	ended_as(&jw, a, "succeeded", 3, 0, 0, 0, 0);
	for (int i = 1; i < 4; i++) {
		char path[20];
		snprintf(path, sizeof(path), "/got/%d\n", i);
		ck_assert_int_eq(times_seen(path), 1);
	}
}
END_TEST

START_TEST(an_item_whose_task_failed_comes_again)
{
	put_items("[1]");
	close_queue();
	uint64_t a = submit(
		&jw, DRAIN("{\"fetch\":\"" H "/flaky/2?${item}\",\"retry\":{\"attempts\":1}}"));
	ended_as(&jw, a, "succeeded", 1, 2, 0, 0, 0);
}
END_TEST

START_TEST(an_item_that_nobody_manages_is_put_aside)
{
	put_items("[1]");
	close_queue();
	uint64_t a = submit(&jw, DRAIN("{\"fail\":\"no\"}"));
	ended_as(&jw, a, "succeeded", 0, 5, 0, 0, 0);
	job_world_kill(&jw);
	values_are(submit(&jw, "{\"run\":{\"take\":{\"queue\":\"Q.dead\"}}}"), "1 ");
}
END_TEST

START_TEST(items_that_are_not_wanted_are_done_with)
{
	put_items("[1,2,3]");
	close_queue();
	uint64_t a = submit(&jw, "{\"run\":{\"each\":{\"in\":{\"queue\":\"Q\"},\"where\":{\"\":{"
				 "\"gt\":2}},\"do\":{\"emit\":\"${item}\"}}}}");
	values_are(a, "3 ");
	put_items("[4]");
	job_world_kill(&jw);
	queue_holds("4 ", 1);
}
END_TEST

START_TEST(a_cancelled_each_puts_back_what_it_had_taken)
{
	put_items("[1,2,3]");
	uint64_t a = submit(&jw, DRAIN("\"" H "/hang?${item}\""));
	world_run_for(&jw.w, 100 * MS);
	ck_assert_int_eq(times_seen("/hang"), 2);
	order(a, JOB_CALL_CANCEL);
	ended_as(&jw, a, "cancelled", 0, 0, 0, 2, 0);
	queue_holds("1 2 3 ", 3);
}
END_TEST

/* ---- over a kill at any step ---- */

START_TEST(every_item_is_put_once_and_done_with_once)
{
	uint64_t put = submit(&jw, "{\"run\":{\"each\":{\"in\":{\"range\":[0,6]},\"concurrency\":2,"
				   "\"do\":" PUT("\"${item}\"") "}}}");
	uint64_t take =
		submit(&jw, DRAIN("{\"sequence\":[\"" H "/ok?${item}\",{\"emit\":\"${item}\"}]}"));
	world_run_for(&jw.w, _i % 60 * MS);
	jw.shard.permute_seed = (uint64_t)_i;
	job_world_kill(&jw);
	world_run_for(&jw.w, (_i * 7 % 40) * MS);
	job_world_kill(&jw);
	ended_as(&jw, put, "succeeded", 0, 0, 0, 0, 0);
	close_queue();
	ended_as(&jw, take, "succeeded", 12, 0, 0, 0, 0);
	json_t *all = all_results(&jw, take), *line;
	size_t i;
	uint32_t seen = 0;
	json_array_foreach(all, i, line)
	{
		const json_t *v = json_object_get(line, "value");
		if (v == NULL)
			continue;
		uint32_t bit = 1u << json_integer_value(v);
		ck_assert_msg((seen & bit) == 0, "twice: %d", (int)json_integer_value(v));
		seen |= bit;
	}
	ck_assert_uint_eq(seen, 63);
	json_decref(all);
	queue_holds("", 0);
}
END_TEST

START_TEST(a_take_is_done_with_once_over_a_kill)
{
	put_items("[1,2,3]");
	uint64_t a = submit(&jw, "{\"run\":{\"each\":{\"in\":[0,1,2],\"concurrency\":1,\"do\":{"
				 "\"sequence\":[" TAKE ",\"" H "/ok\"]}}}}");
	world_run_for(&jw.w, _i % 60 * MS);
	jw.shard.permute_seed = (uint64_t)_i;
	job_world_kill(&jw);
	ended_as(&jw, a, "succeeded", 6, 0, 0, 0, 0);
	values_are(a, "1 2 3 ");
	queue_holds("", 0);
}
END_TEST

static void add_all(TCase *t)
{
	tcase_add_test(t, an_event_stays_set_until_it_is_cleared);
	tcase_add_test(t, a_wait_that_was_over_stays_over_a_kill);
	tcase_add_test(t, what_a_volatile_job_sets_goes_with_the_daemon);
	tcase_add_test(t, items_come_in_the_order_in_which_they_were_put);
	tcase_add_test(t, a_take_waits_for_an_item);
	tcase_add_test(t, a_failed_task_puts_back_what_it_took);
	tcase_add_test(t, what_a_handler_mended_is_done_with);
	tcase_add_test(t, every_attempt_takes_afresh);
	tcase_add_test(t, a_cancelled_take_loses_nothing);
	tcase_add_test(t, a_full_queue_parks_who_puts);
	tcase_add_test(t, a_closed_queue_takes_nothing_and_gives_the_rest);
	tcase_add_test(t, an_each_goes_through_a_queue_until_it_is_closed);
	tcase_add_test(t, an_item_whose_task_failed_comes_again);
	tcase_add_test(t, an_item_that_nobody_manages_is_put_aside);
	tcase_add_test(t, items_that_are_not_wanted_are_done_with);
	tcase_add_test(t, a_cancelled_each_puts_back_what_it_had_taken);
	tcase_add_loop_test(t, every_item_is_put_once_and_done_with_once, 0, 180);
	tcase_add_loop_test(t, a_take_is_done_with_once_over_a_kill, 0, 120);
}

int main(void)
{
	Suite *s = suite_create("named_queue");
	TCase *t = tcase_create("queues");
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, open_world, close_world);
	add_all(t);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
