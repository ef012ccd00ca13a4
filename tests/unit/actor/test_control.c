/*
 * Control over byte pipes: JSON-RPC by the letter, who may do what, what waits and what is done
 * once.
 */
#include "control_rig.h"

static struct rig rig;
static struct client me, other;

static void open_all(void)
{
	rig_open(&rig);
	client_open(&rig, &me, SOME_UID);
}

static void close_all(void)
{
	client_close(&me);
	rig_close(&rig);
}

#define PING "\"method\":\"daemon.ping\""

/* ---- the letter of JSON-RPC ---- */

static const struct {
	const char *request, *answer_part;
} good[] = {
	{"{\"jsonrpc\":\"2.0\",\"id\":1," PING "}",
	 "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"pong\":true"},
	{" {\"id\":\"a\\\"b\"," PING ",\"jsonrpc\":\"2.0\"} ", "\"id\":\"a\\\"b\",\"result\""},
	{"{\"jsonrpc\":\"2.0\",\"id\":null," PING ",\"params\":{}}", "\"id\":null,\"result\""},
	{"{\"jsonrpc\":\"2.0\",\"id\":-2.5e3," PING "}", "\"id\":-2.5e3,\"result\""},
	{"[{\"jsonrpc\":\"2.0\",\"id\":1," PING "},{\"jsonrpc\":\"2.0\",\"id\":2," PING "}]",
	 "},{\"jsonrpc\":\"2.0\",\"id\":2,"},
	{"[{\"jsonrpc\":\"2.0\",\"id\":1," PING "},7]", "\"id\":null,\"error\":{\"code\":-32600"},
	{"[{\"jsonrpc\":\"2.0\"," PING "},{\"jsonrpc\":\"2.0\",\"id\":2," PING "}]",
	 "[{\"jsonrpc\":\"2.0\",\"id\":2,"},
};

START_TEST(a_request_gets_its_answer)
{
	open_all();
	const char *answer = client_ask(&me, good[_i].request);
	ck_assert_msg(has(answer, good[_i].answer_part), "%s: %s", good[_i].request, answer);
	close_all();
}
END_TEST

static const struct {
	const char *request;
	int code;
	const char *part;
} bad[] = {
	{"{", -32700, "\"line\":1"},
	{"", -32700, "\"kind\":\"request.invalid\""},
	{"\xff\xfe", -32700, "request.invalid"},
	{"{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2," PING "}", -32700, "request.invalid"},
	{"\"x\"", -32600, "\"id\":null"},
	{"[]", -32600, "\"id\":null"},
	{"{\"jsonrpc\":\"1.0\",\"id\":1," PING "}", -32600, "\"id\":1"},
	{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}", -32600, "\"id\":1"},
	{"{\"jsonrpc\":\"2.0\",\"id\":{}," PING "}", -32600, "\"id\":null"},
	{"{\"jsonrpc\":\"2.0\",\"id\":1," PING ",\"params\":[1]}", -32600, "an object"},
	{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.fly\"}", -32601, "not_found"},
	{"{\"jsonrpc\":\"2.0\",\"id\":1," PING ",\"params\":{\"x\":1}}", -32602, "\\\"x\\\""},
	{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.get\"}", -32602, "job"},
	{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.get\",\"params\":{\"job\":\"q7\"}}",
	 -32000, "not_found"},
	{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.results\",\"params\":{\"job\":\"j7\","
	 "\"wait_ms\":25001}}",
	 -32602, "wait_ms"},
	{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.submit\",\"params\":{\"spec\":{}}}",
	 -32602, "run"},
	{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.submit\",\"params\":{\"spec\":{},\"x\":1}"
	 "}",
	 -32602, "only spec"},
	{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.submit\",\"params\":{\"text\":\"{\\n "
	 "\\\"rum\\\":1}\"}}",
	 -32602, "\"line\":2"},
	{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.feed\",\"params\":{\"job\":\"j7\","
	 "\"items\":7}}",
	 -32602, "items"},
	{"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.wait\",\"params\":{\"job\":\"j7\"}}]",
	 -32602, "batch"},
	{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"daemon.drain\"}", -32000, "\"denied\""},
	{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"actor.dump\",\"params\":{\"id\":\"1\"}}",
	 -32000, "\"denied\""},
};

START_TEST(a_mistake_gets_its_code_and_place)
{
	char code[32];
	open_all();
	const char *answer = client_ask(&me, bad[_i].request);
	snprintf(code, sizeof(code), "\"code\":%d,", bad[_i].code);
	ck_assert_msg(has(answer, code) && has(answer, bad[_i].part), "%s: %s", bad[_i].request,
		      answer);
	ck_assert(has(client_ask(&me, good[0].request), "pong"));
	close_all();
}
END_TEST

START_TEST(a_notification_gets_an_empty_reply)
{
	open_all();
	ck_assert_str_eq(client_ask(&me, "{\"jsonrpc\":\"2.0\"," PING "}"), "");
	ck_assert_str_eq(client_ask(&me, "[{\"jsonrpc\":\"2.0\"," PING "}]"), "");
	ck_assert_str_eq(client_ask(&me, "{\"jsonrpc\":\"2.0\",\"method\":\"job.cancel\","
					 "\"params\":{\"job\":\"j7\"}}"),
			 "");
	ck_assert_uint_eq(rig.keeper.n_calls, 1);
	close_all();
}
END_TEST

START_TEST(json_too_deep_is_refused_before_it_is_parsed)
{
	char deep[400] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"params\":";
	open_all();
	memset(deep + strlen(deep), '[', 200);
	ck_assert(has(client_ask(&me, deep), "-32700"));
	close_all();
}
END_TEST

START_TEST(every_method_of_the_table_is_found_by_its_name)
{
	size_t n;
	const struct control_method *m = control_methods(&n);
	for (size_t i = 0; i < n; i++) {
		ck_assert_ptr_eq(control_method_find(m[i].name, strlen(m[i].name)), &m[i]);
		ck_assert_ptr_null(control_method_find(m[i].name, strlen(m[i].name) - 1));
		if (i > 0)
			ck_assert_int_lt(strcmp(m[i - 1].name, m[i].name), 0);
	}
	ck_assert_ptr_null(control_method_find("", 0));
}
END_TEST

START_TEST(a_long_request_is_scanned_by_a_worker_and_answered)
{
	open_all();
	struct bytes b = {.n = 0};
	bytes_add_str(&b, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.feed\",\"params\":{"
			  "\"job\":\"j7\",\"offset\":5,\"end\":true,\"items\":[");
	for (int i = 0; i < 10000; i++)
		bytes_printf(&b, "%s\"http://example.org/%d\"", i > 0 ? "," : "", i);
	bytes_add_str(&b, "]}}");
	client_send(&me, 1, bytes_cstr(&b));
	ck_assert(!client_hear(&me));
	ck_assert(has(client_ask(&me, good[0].request), "pong"));
	pass_ms(&rig, 20);
	ck_assert(client_hear(&me));
	ck_assert(has(me.text, "\"result\":{\"n\":1}"));
	ck_assert_int_eq(rig.keeper.last.kind, JOB_CALL_FEED);
	ck_assert_uint_eq(rig.keeper.last.feed.offset, 5);
	ck_assert(rig.keeper.last.feed.end);
	ck_assert_uint_eq(rig.pool.n_run, 1);
	bytes_fini(&b);
	close_all();
}
END_TEST

/* ---- who may ---- */

START_TEST(a_job_call_says_who_asks)
{
	struct client admin;
	open_all();
	client_open(&rig, &admin, ADMIN_UID);
	client_ask(&me, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.get\",\"params\":{\"job\":"
			"\"v9\"}}");
	ck_assert_uint_eq(rig.keeper.last.uid, SOME_UID);
	ck_assert(!rig.keeper.last.is_admin && rig.keeper.last.is_volatile);
	ck_assert_uint_eq(rig.keeper.last.job, 9);
	client_ask(&admin, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.get\",\"params\":{"
			   "\"job\":\"j9\"}}");
	ck_assert(rig.keeper.last.is_admin);
	client_close(&admin);
	client_open(&rig, &admin, OWN_UID);
	client_ask(&admin, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.get\",\"params\":{"
			   "\"job\":\"j9\"}}");
	ck_assert(rig.keeper.last.is_admin);
	client_close(&admin);
	close_all();
}
END_TEST

#define SUBMIT(more)                                                                               \
	"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.submit\",\"params\":{\"spec\":{\"run\":"   \
	"\"http://example.org/\"}" more "}}"

START_TEST(an_attached_job_is_denied_to_what_came_through_a_gateway)
{
	static const char body[] = SUBMIT(",\"attached\":true");
	uint8_t head[SP_FRAME_HEAD_BYTES];
	open_all();
	sp_frame_put(head, 8 + strlen(body));
	pipe_end_send(me.end, head, sizeof(head));
	pipe_end_send(me.end, "\0\0\0\1\x80\0\0\1", 8);
	pipe_end_send(me.end, body, strlen(body));
	ck_assert(client_hear(&me));
	ck_assert_ptr_nonnull(strstr(me.text + 4, "\"denied\"")); /* the words are repeated */
	ck_assert_ptr_nonnull(strstr(me.text + 4, "gateway"));
	ck_assert_uint_eq(rig.keeper.n_submits, 0);
	close_all();
}
END_TEST

/* ---- waiting ---- */

#define WAIT                                                                                       \
	"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.wait\",\"params\":{\"job\":\"j7\",\"wait_" \
	"ms\":25000}}"

START_TEST(a_parked_poll_does_not_hold_up_the_others)
{
	open_all();
	rig.keeper.hold = true;
	for (uint32_t i = 0; i < 10; i++)
		client_send(&me, 100 + i, WAIT);
	ck_assert(!client_hear(&me));
	ck_assert(has(client_ask(&me, good[0].request), "pong"));
	close_all();
}
END_TEST

START_TEST(what_waits_is_given_up_when_its_connection_ends)
{
	open_all();
	rig.keeper.hold = true;
	for (uint32_t i = 0; i < 10; i++)
		client_send(&me, 100 + i, WAIT);
	ck_assert_uint_eq(rig.keeper.n_tokens, 10);
	client_close(&me);
	ck_assert_uint_eq(rig.keeper.n_gone, 10);
	client_open(&rig, &me, SOME_UID);
	ck_assert(has(client_ask(&me, good[0].request), "pong"));
	close_all();
}
END_TEST

START_TEST(more_parked_polls_than_the_bound_are_busy)
{
	open_all();
	rig.keeper.hold = true;
	for (uint32_t i = 0; i < CONTROL_PARKED_PER_CONN; i++)
		client_send(&me, 100 + i, WAIT);
	ck_assert(!client_hear(&me));
	ck_assert(has(client_ask(&me, WAIT), "\"busy\""));
	client_open(&rig, &other, SOME_UID);
	client_send(&other, 1, WAIT);
	ck_assert(!client_hear(&other));
	client_close(&other);
	close_all();
}
END_TEST

START_TEST(closing_answers_what_is_parked)
{
	open_all();
	rig.keeper.hold = true;
	client_send(&me, 100, WAIT);
	act_send(act_shard_root(rig.house.shard), rig.house.control, CONTROL_CLOSE, NULL, 0);
	ck_assert(client_hear(&me));
	ck_assert(has(me.text, "\"closed\""));
	ck_assert(has(client_ask(&me, SUBMIT("")), "\"closed\""));
	close_all();
}
END_TEST

/* ---- once ---- */

#define CANCEL(op)                                                                                 \
	"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.cancel\",\"params\":{\"job\":\"j7\"" op "}}"

START_TEST(the_same_op_id_is_done_once_and_answered_alike)
{
	open_all();
	client_open(&rig, &other, SOME_UID);
	ck_assert(has(client_ask(&me, CANCEL(",\"op_id\":\"a\"")), "{\"n\":1}"));
	ck_assert(has(client_ask(&me, CANCEL(",\"op_id\":\"a\"")), "{\"n\":1}"));
	ck_assert(has(client_ask(&other, CANCEL(",\"op_id\":\"a\"")), "{\"n\":1}"));
	ck_assert(has(client_ask(&me, CANCEL(",\"op_id\":\"b\"")), "{\"n\":2}"));
	client_close(&other);
	client_open(&rig, &other, OTHER_UID);
	ck_assert(has(client_ask(&other, CANCEL(",\"op_id\":\"a\"")), "{\"n\":3}"));
	pass_ms(&rig, 601 * 1000);
	ck_assert(has(client_ask(&me, CANCEL(",\"op_id\":\"a\"")), "{\"n\":4}"));
	client_close(&other);
	close_all();
}
END_TEST

START_TEST(the_same_op_id_while_the_first_is_under_way_waits_for_it)
{
	open_all();
	client_open(&rig, &other, SOME_UID);
	rig.keeper.hold = true;
	client_send(&me, 5, CANCEL(",\"op_id\":\"a\""));
	client_send(&other, 5, CANCEL(",\"op_id\":\"a\""));
	ck_assert_uint_eq(rig.keeper.n_calls, 1);
	client_close(&me); /* its connection is lost: what it began goes on */
	ck_assert_uint_eq(rig.keeper.n_gone, 0);
	struct bytes head = {.n = 0};
	bytes_add_str(&head, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":");
	keeper_answer(act_shard_root(rig.house.shard), &rig, rig.keeper.token[0], &head, "7");
	ck_assert(client_hear(&other));
	ck_assert(has(other.text, "\"result\":7}"));
	bytes_fini(&head);
	client_close(&other);
	client_open(&rig, &me, SOME_UID);
	close_all();
}
END_TEST

START_TEST(an_op_id_is_remembered_across_a_restart)
{
	open_all();
	ck_assert(has(client_ask(&me, CANCEL(",\"op_id\":\"a\"")), "{\"n\":1}"));
	client_close(&me);
	rig_stop(&rig);
	rig_start(&rig);
	client_open(&rig, &me, SOME_UID);
	ck_assert(has(client_ask(&me, CANCEL(",\"op_id\":\"a\"")), "{\"n\":1}"));
	ck_assert_uint_eq(rig.keeper.n_calls, 1);
	ck_assert(has(client_ask(&me, CANCEL(",\"op_id\":\"c\"")), "{\"n\":2}"));
	close_all();
}
END_TEST

START_TEST(a_resent_message_without_op_id_is_done_once)
{
	open_all();
	client_send(&me, 9, CANCEL(""));
	ck_assert(client_hear(&me) && has(me.text, "{\"n\":1}"));
	client_send(&me, 9, CANCEL(""));
	ck_assert(client_hear(&me) && has(me.text, "{\"n\":1}"));
	client_send(&me, 10, CANCEL(""));
	ck_assert(client_hear(&me) && has(me.text, "{\"n\":2}"));
	client_send(&me, 9, CANCEL(",\"why\":\"x\""));
	ck_assert(client_hear(&me) && has(me.text, "{\"n\":3}"));
	close_all();
}
END_TEST

/* ---- attached jobs ---- */

START_TEST(an_attached_job_is_given_up_two_seconds_after_its_connection)
{
	open_all();
	ck_assert(has(client_ask(&me, SUBMIT(",\"attached\":true")), "\"job\":\"j1\""));
	ck_assert(rig.keeper.was_attached);
	client_close(&me);
	pass_ms(&rig, 1900);
	ck_assert_uint_eq(rig.keeper.n_lost, 0);
	pass_ms(&rig, 200);
	ck_assert_uint_eq(rig.keeper.n_lost, 1);
	client_open(&rig, &me, SOME_UID);
	close_all();
}
END_TEST

START_TEST(an_attached_job_that_is_taken_up_again_goes_on)
{
	open_all();
	client_ask(&me, SUBMIT(",\"attached\":true"));
	client_ask(&me, SUBMIT(""));
	client_close(&me);
	pass_ms(&rig, 1000);
	client_open(&rig, &me, SOME_UID);
	client_ask(&me, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.results\",\"params\":{"
			"\"job\":\"j1\",\"ack\":0}}");
	pass_ms(&rig, 5000);
	ck_assert_uint_eq(rig.keeper.n_lost, 0);
	client_close(&me);
	pass_ms(&rig, 2100);
	ck_assert_uint_eq(rig.keeper.n_lost, 1);
	client_open(&rig, &me, SOME_UID);
	close_all();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("control");
	TCase *t = tcase_create("pipes");
	tcase_set_timeout(t, 20);
	tcase_add_loop_test(t, a_request_gets_its_answer, 0, sizeof(good) / sizeof(good[0]));
	tcase_add_loop_test(t, a_mistake_gets_its_code_and_place, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(t, a_notification_gets_an_empty_reply);
	tcase_add_test(t, json_too_deep_is_refused_before_it_is_parsed);
	tcase_add_test(t, every_method_of_the_table_is_found_by_its_name);
	tcase_add_test(t, a_long_request_is_scanned_by_a_worker_and_answered);
	tcase_add_test(t, a_job_call_says_who_asks);
	tcase_add_test(t, an_attached_job_is_denied_to_what_came_through_a_gateway);
	tcase_add_test(t, a_parked_poll_does_not_hold_up_the_others);
	tcase_add_test(t, what_waits_is_given_up_when_its_connection_ends);
	tcase_add_test(t, more_parked_polls_than_the_bound_are_busy);
	tcase_add_test(t, closing_answers_what_is_parked);
	tcase_add_test(t, the_same_op_id_is_done_once_and_answered_alike);
	tcase_add_test(t, the_same_op_id_while_the_first_is_under_way_waits_for_it);
	tcase_add_test(t, an_op_id_is_remembered_across_a_restart);
	tcase_add_test(t, a_resent_message_without_op_id_is_done_once);
	tcase_add_test(t, an_attached_job_is_given_up_two_seconds_after_its_connection);
	tcase_add_test(t, an_attached_job_that_is_taken_up_again_goes_on);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
