/*
 * The roles of a control socket over byte pipes, with a clock that stands still: what every kind of
 * peer may do, byte by byte.
 */
#include "edge/ctlsock.h"
#include "edge/pipepair.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t fake_now;

static int64_t now_fn(void *ctx)
{
	(void)ctx;
	return fake_now;
}

static const struct clock fake_clock = {.mono_ns = now_fn, .boot_ns = now_fn, .wall_ns = now_fn};

struct rig {
	struct transport *t;
	struct ctlsock *cs;
	uint32_t n_rings, n_gone;
	uint32_t hidden_uid;
};

static void on_requests(void *ctx)
{
	((struct rig *)ctx)->n_rings++;
}

static void on_gone(void *ctx, ctlsock_conn_id conn)
{
	(void)conn;
	((struct rig *)ctx)->n_gone++;
}

static bool may_see(void *ctx, const struct peer *peer, uint32_t owner)
{
	(void)ctx;
	return peer->uid == owner;
}

static void rig_open(struct rig *r, enum ctlsock_role role, const struct ctlsock_limits *limits,
		     uint64_t seed)
{
	*r = (struct rig){.n_rings = 0};
	fake_now = 1000 * NS_PER_S;
	struct pipepair_options po = {.clock = &fake_clock, .seed = seed, .pipe_bytes = 4096};
	ck_assert_int_eq(pipepair_new(&po, &r->t), ERR_OK);
	struct ctlsock_owner owner = {.ctx = r,
				      .on_requests = on_requests,
				      .on_gone = on_gone,
				      .may_see = role == CTLSOCK_PUB ? may_see : NULL,
				      .too_large = SLICE_LIT("too large")};
	ck_assert_int_eq(ctlsock_new(role, r->t, &fake_clock, limits, &owner, &r->cs), ERR_OK);
	ck_assert_int_eq(ctlsock_listen(r->cs), ERR_OK);
}

static void rig_close(struct rig *r)
{
	ctlsock_free(r->cs);
	r->t->ops->free(r->t);
}

static void settle(struct rig *r)
{
	for (int i = 0; i < 100000 && pipepair_poll(r->t); i++)
		;
}

static void pass(struct rig *r, int64_t ns)
{
	for (int64_t end = fake_now + ns; fake_now < end;) {
		int64_t step = 100 * NS_PER_MS;
		fake_now += end - fake_now < step ? end - fake_now : step;
		settle(r);
	}
}

/* ---- a client ---- */

struct client {
	struct pipe_end *end;
	struct bytes in;
};

static void client_open(struct rig *r, struct client *c, enum sp_role role, uint32_t uid)
{
	struct peer peer = {.uid = uid, .gid = uid, .pid = 7};
	uint8_t hello[SP_HELLO_BYTES];
	*c = (struct client){.end = pipepair_dial(r->t, &peer)};
	ck_assert_ptr_nonnull(c->end);
	sp_hello_put(hello, role);
	pipe_end_send(c->end, hello, sizeof(hello));
	settle(r);
}

static void client_close(struct client *c)
{
	pipe_end_close(c->end);
	bytes_fini(&c->in);
	c->end = NULL;
}

static void client_request(struct client *c, uint32_t id, const char *body)
{
	struct bytes b = {.n = 0};
	sp_add_request(&b, id, slice_of(body));
	pipe_end_send(c->end, b.p, b.n);
	bytes_fini(&b);
}

static void client_raw(struct client *c, uint64_t length, const char *payload, size_t n)
{
	uint8_t head[SP_FRAME_HEAD_BYTES];
	sp_frame_put(head, length);
	pipe_end_send(c->end, head, sizeof(head));
	pipe_end_send(c->end, payload, n);
}

/* The next payload that has come, greeting skipped; false: none. */
static bool client_next(struct rig *r, struct client *c, struct bytes *out)
{
	struct sp_frame f;
	size_t need;
	settle(r);
	while (pipe_end_receive(c->end, &c->in) == ERR_OK) {
		size_t before = c->in.n;
		settle(r);
		pipe_end_receive(c->end, &c->in);
		if (c->in.n == before)
			break;
	}
	if (c->in.n >= SP_HELLO_BYTES && c->in.p[0] == 0)
		bytes_drop(&c->in, SP_HELLO_BYTES);
	if (sp_frame_parse(c->in.p, c->in.n, SP_REPLY_MAX_BYTES, &f, &need) != ERR_OK)
		return false;
	bytes_clear(out);
	bytes_add_slice(out, f.payload);
	bytes_drop(&c->in, f.n_total);
	return true;
}

static void reply(struct rig *r, const struct ctlsock_request *rq, const char *text)
{
	struct bytes b = {.n = 0};
	bytes_add_str(&b, text);
	ctlsock_reply(r->cs, &rq->token, &b);
}

/* Answers all that waits with its own text. */
static uint32_t echo_all(struct rig *r)
{
	struct ctlsock_request *rq;
	uint32_t n = 0;
	settle(r);
	while ((rq = ctlsock_take(r->cs)) != NULL) {
		reply(r, rq, rq->body);
		free(rq);
		n++;
		settle(r);
	}
	return n;
}

static struct ctlsock_limits small(void)
{
	struct ctlsock_limits l = ctlsock_limits_control;
	l.max_frame = 100000;
	l.max_inflight = 4;
	l.high_water = 8192;
	return l;
}

/* ---- promises ---- */

START_TEST(requests_cut_anywhere_are_answered_in_full)
{
	struct rig r;
	struct client c;
	struct bytes got = {.n = 0};
	for (uint64_t seed = 1; seed < 60; seed++) {
		rig_open(&r, CTLSOCK_REP, &ctlsock_limits_control, seed);
		client_open(&r, &c, SP_REQ, 5);
		for (uint32_t i = 0; i < 20; i++)
			client_request(&c, 100 + i, "hello");
		ck_assert_uint_eq(echo_all(&r), 20);
		for (uint32_t i = 0; i < 20; i++) {
			ck_assert(client_next(&r, &c, &got));
			ck_assert_uint_eq(got.n, 9);
			ck_assert_uint_eq((uint8_t)got.p[3], 100 + i);
			ck_assert_int_eq(memcmp(got.p + 4, "hello", 5), 0);
		}
		ck_assert(!client_next(&r, &c, &got));
		client_close(&c);
		rig_close(&r);
	}
	bytes_fini(&got);
}
END_TEST

START_TEST(the_doorbell_rings_once_for_many_requests)
{
	struct rig r;
	struct client c;
	rig_open(&r, CTLSOCK_REP, &ctlsock_limits_control, 0);
	client_open(&r, &c, SP_REQ, 5);
	for (uint32_t i = 0; i < 10; i++)
		client_request(&c, i, "x");
	settle(&r);
	ck_assert_uint_eq(r.n_rings, 1);
	echo_all(&r);
	client_request(&c, 11, "x");
	settle(&r);
	ck_assert_uint_eq(r.n_rings, 2);
	client_close(&c);
	rig_close(&r);
}
END_TEST

START_TEST(a_request_knows_its_peer_and_its_hops)
{
	struct rig r;
	struct client c;
	rig_open(&r, CTLSOCK_REP, &ctlsock_limits_control, 0);
	client_open(&r, &c, SP_REQ, 1234);
	client_raw(&c, 12, "\0\0\0\5\x80\0\0\7body", 12);
	settle(&r);
	struct ctlsock_request *rq = ctlsock_take(r.cs);
	ck_assert_ptr_nonnull(rq);
	ck_assert_uint_eq(rq->peer.uid, 1234);
	ck_assert_uint_eq(rq->n_hops, 1);
	ck_assert_str_eq(rq->body, "body");
	reply(&r, rq, "ok");
	free(rq);
	struct bytes got = {.n = 0};
	ck_assert(client_next(&r, &c, &got));
	ck_assert_uint_eq(got.n, 10);
	ck_assert_int_eq(memcmp(got.p, "\0\0\0\5\x80\0\0\7ok", 10), 0);
	bytes_fini(&got);
	client_close(&c);
	rig_close(&r);
}
END_TEST

START_TEST(at_its_bound_of_unanswered_requests_a_connection_is_not_read)
{
	struct rig r;
	struct client c, other;
	struct ctlsock_limits l = small();
	struct ctlsock_stats s;
	rig_open(&r, CTLSOCK_REP, &l, 0);
	client_open(&r, &c, SP_REQ, 5);
	client_open(&r, &other, SP_REQ, 5);
	for (uint32_t i = 0; i < 50; i++)
		client_request(&c, i, "x");
	settle(&r);
	ctlsock_stats(r.cs, &s);
	ck_assert_uint_eq(s.n_waiting, 4);
	client_request(&other, 1, "y"); /* others are not held up */
	settle(&r);
	ctlsock_stats(r.cs, &s);
	ck_assert_uint_eq(s.n_waiting, 5);
	ck_assert_uint_eq(echo_all(&r), 51);
	client_close(&c);
	client_close(&other);
	rig_close(&r);
}
END_TEST

START_TEST(a_peer_that_does_not_read_is_not_read_and_then_closed)
{
	struct rig r;
	struct client c;
	struct ctlsock_limits l = small();
	struct ctlsock_stats s;
	char big[3000];
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	rig_open(&r, CTLSOCK_REP, &l, 0);
	client_open(&r, &c, SP_REQ, 5);
	for (uint32_t i = 0; i < 50; i++)
		client_request(&c, i, big);
	uint32_t taken = 0;
	for (int i = 0; i < 20; i++)
		taken += echo_all(&r);
	ck_assert_uint_le(taken, 8);
	ctlsock_stats(r.cs, &s);
	ck_assert_uint_lt(s.output_bytes, l.high_water + 4 * sizeof(big));
	pass(&r, l.stall_ns - NS_PER_S);
	ck_assert(pipe_end_is_open(c.end));
	pass(&r, 2 * NS_PER_S);
	ck_assert(!pipe_end_is_open(c.end));
	ck_assert_uint_eq(r.n_gone, 1);
	ctlsock_stats(r.cs, &s);
	ck_assert_uint_eq(s.n_stalled, 1);
	ck_assert_uint_eq(s.output_bytes + s.input_bytes, 0);
	client_close(&c);
	rig_close(&r);
}
END_TEST

START_TEST(a_greeting_that_does_not_come_ends_the_connection)
{
	struct rig r;
	struct peer peer = {.uid = 1};
	rig_open(&r, CTLSOCK_REP, &ctlsock_limits_control, 0);
	struct pipe_end *e = pipepair_dial(r.t, &peer);
	pipe_end_send(e, "\0SP", 3);
	pass(&r, 9 * NS_PER_S);
	ck_assert(pipe_end_is_open(e));
	pass(&r, 2 * NS_PER_S);
	ck_assert(!pipe_end_is_open(e));
	pipe_end_close(e);
	rig_close(&r);
}
END_TEST

START_TEST(half_a_frame_is_kept_for_a_bounded_time)
{
	struct rig r;
	struct client c;
	rig_open(&r, CTLSOCK_REP, &ctlsock_limits_control, 0);
	client_open(&r, &c, SP_REQ, 5);
	client_raw(&c, 1000, "\x80\0\0\1abc", 7);
	pass(&r, 29 * NS_PER_S);
	ck_assert(pipe_end_is_open(c.end));
	pass(&r, 2 * NS_PER_S);
	ck_assert(!pipe_end_is_open(c.end));
	client_close(&c);
	rig_close(&r);
}
END_TEST

START_TEST(an_idle_connection_lives_for_ever_and_asks_for_no_ticks)
{
	struct rig r;
	struct client c;
	struct bytes got = {.n = 0};
	rig_open(&r, CTLSOCK_REP, &ctlsock_limits_control, 0);
	client_open(&r, &c, SP_REQ, 5);
	client_request(&c, 1, "x");
	echo_all(&r);
	ck_assert(client_next(&r, &c, &got));
	pass(&r, 2 * NS_PER_S);
	ck_assert_int_eq(pipepair_tick_ns(r.t), INT64_MAX);
	pass(&r, 100 * NS_PER_S);
	ck_assert(pipe_end_is_open(c.end));
	bytes_fini(&got);
	client_close(&c);
	rig_close(&r);
}
END_TEST

static const struct {
	const char *bytes;
	size_t n;
} strange[] = {
	{"GET / HTTP/1.1\r\n\r\n", 18},
	{"\0SP\0\0\x21\0\0", 8},			      /* a subscriber */
	{"\0SP\0\0\x30\0\1", 8},			      /* reserved bytes */
	{"\0SP\0\0\x30\0\0\x02________", 17},		      /* no such frame */
	{"\0SP\0\0\x30\0\0\x01\0\0\0\0\0\0\0\0", 17},	      /* length 0 */
	{"\0SP\0\0\x30\0\0\x01\0\0\0\0\0\0\0\3abc", 20},      /* length 3 */
	{"\0SP\0\0\x30\0\0\x01\0\0\0\0\0\0\0\4\0\0\0\1", 21}, /* no end bit */
};

START_TEST(what_is_not_the_protocol_ends_the_connection)
{
	struct rig r;
	struct peer peer = {.uid = 1};
	struct ctlsock_stats s;
	rig_open(&r, CTLSOCK_REP, &ctlsock_limits_control, 0);
	struct pipe_end *e = pipepair_dial(r.t, &peer);
	pipe_end_send(e, strange[_i].bytes, strange[_i].n);
	settle(&r);
	ck_assert(!pipe_end_is_open(e));
	ctlsock_stats(r.cs, &s);
	ck_assert_uint_eq(s.n_malformed, 1);
	ck_assert_uint_eq(s.n_conns, 0);
	pipe_end_close(e);
	rig_close(&r);
}
END_TEST

static const uint64_t lengths[] = {100001, 1ULL << 40, 1ULL << 63, UINT64_MAX - 39, UINT64_MAX};

START_TEST(a_frame_above_the_limit_is_answered_once_then_the_connection_ends)
{
	struct rig r;
	struct client c;
	struct ctlsock_limits l = small();
	struct bytes got = {.n = 0};
	rig_open(&r, CTLSOCK_REP, &l, 0);
	client_open(&r, &c, SP_REQ, 5);
	client_raw(&c, lengths[_i], "\x80\0\0\x09 the rest", 13);
	ck_assert(client_next(&r, &c, &got));
	ck_assert_uint_eq(got.n, 4 + strlen("too large"));
	ck_assert_int_eq(memcmp(got.p + 4, "too large", 9), 0);
	pass(&r, l.stall_ns + NS_PER_S);
	ck_assert(!pipe_end_is_open(c.end));
	ck_assert_ptr_null(ctlsock_take(r.cs));
	bytes_fini(&got);
	client_close(&c);
	rig_close(&r);
}
END_TEST

START_TEST(the_rest_of_a_frame_above_the_limit_is_swallowed)
{
	struct rig r;
	struct client c;
	struct ctlsock_limits l = small();
	struct bytes got = {.n = 0};
	char *junk = calloc(1, 200000);
	rig_open(&r, CTLSOCK_REP, &l, 3);
	client_open(&r, &c, SP_REQ, 5);
	client_raw(&c, 200004, "\x80\0\0\x09", 4);
	pipe_end_send(c.end, junk, 200000);
	ck_assert(client_next(&r, &c, &got));
	ck_assert_uint_eq(r.n_gone, 1); /* at the end of the frame, not before */
	bytes_fini(&got);
	free(junk);
	client_close(&c);
	rig_close(&r);
}
END_TEST

START_TEST(a_reply_to_the_gone_goes_nowhere)
{
	struct rig r;
	struct client c, next;
	struct ctlsock_stats s;
	struct bytes got = {.n = 0};
	rig_open(&r, CTLSOCK_REP, &ctlsock_limits_control, 0);
	client_open(&r, &c, SP_REQ, 5);
	client_request(&c, 1, "x");
	settle(&r);
	struct ctlsock_request *rq = ctlsock_take(r.cs);
	client_close(&c);
	settle(&r);
	ck_assert_uint_eq(r.n_gone, 1);
	ck_assert(!ctlsock_is_open(r.cs, rq->token.conn));
	client_open(&r, &next, SP_REQ, 5);
	reply(&r, rq, "late");
	ck_assert(!client_next(&r, &next, &got));
	ctlsock_stats(r.cs, &s);
	ck_assert_uint_eq(s.n_void_replies, 1);
	free(rq);
	bytes_fini(&got);
	client_close(&next);
	rig_close(&r);
}
END_TEST

START_TEST(connections_above_the_bound_are_refused_until_one_leaves)
{
	struct rig r;
	struct client c[4];
	struct ctlsock_limits l = small();
	l.max_conns = 3;
	rig_open(&r, CTLSOCK_REP, &l, 0);
	for (int i = 0; i < 4; i++)
		client_open(&r, &c[i], SP_REQ, 5);
	ck_assert(pipe_end_is_open(c[2].end));
	ck_assert(!pipe_end_is_open(c[3].end));
	client_close(&c[0]);
	client_close(&c[3]);
	settle(&r);
	client_open(&r, &c[0], SP_REQ, 5);
	ck_assert(pipe_end_is_open(c[0].end));
	for (int i = 0; i < 3; i++)
		client_close(&c[i]);
	rig_close(&r);
}
END_TEST

START_TEST(events_go_to_those_who_may_see_them)
{
	struct rig r;
	struct client a, b;
	struct bytes got = {.n = 0};
	rig_open(&r, CTLSOCK_PUB, &ctlsock_limits_events, 0);
	ck_assert(!ctlsock_has_subscribers(r.cs));
	client_open(&r, &a, SP_SUB, 1);
	client_open(&r, &b, SP_SUB, 2);
	ck_assert(ctlsock_has_subscribers(r.cs));
	ctlsock_publish(r.cs, 1, SLICE_LIT("job.j1.state"), SLICE_LIT("{}"));
	ck_assert(client_next(&r, &a, &got));
	ck_assert_int_eq(memcmp(got.p, "job.j1.state {}", got.n), 0);
	ck_assert(!client_next(&r, &b, &got));
	bytes_fini(&got);
	client_close(&a);
	client_close(&b);
	rig_close(&r);
}
END_TEST

START_TEST(a_slow_subscriber_loses_the_oldest_events_and_they_are_counted)
{
	struct rig r;
	struct client c;
	struct ctlsock_limits l = ctlsock_limits_events;
	struct ctlsock_stats s;
	struct bytes got = {.n = 0};
	char text[16], last[32] = "", first[32] = "";
	uint32_t n = 0;
	l.max_events = 10;
	rig_open(&r, CTLSOCK_PUB, &l, 0);
	client_open(&r, &c, SP_SUB, 1);
	for (int i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "%d", i);
		ctlsock_publish(r.cs, 1, SLICE_LIT("t"), slice_of(text));
	}
	ctlsock_stats(r.cs, &s);
	ck_assert_uint_eq(s.n_dropped_events, 90);
	while (client_next(&r, &c, &got)) {
		snprintf(last, sizeof(last), "%.*s", (int)got.n, got.p);
		if (n++ == 0)
			memcpy(first, last, sizeof(first));
	}
	ck_assert_uint_eq(n, 10);
	ck_assert_str_eq(first, "t 90");
	ck_assert_str_eq(last, "t 99");
	bytes_fini(&got);
	client_close(&c);
	rig_close(&r);
}
END_TEST

START_TEST(a_subscriber_that_speaks_is_closed)
{
	struct rig r;
	struct client c;
	rig_open(&r, CTLSOCK_PUB, &ctlsock_limits_events, 0);
	client_open(&r, &c, SP_SUB, 1);
	client_raw(&c, 4, "\x80\0\0\1", 4);
	settle(&r);
	ck_assert(!pipe_end_is_open(c.end));
	client_close(&c);
	rig_close(&r);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ctlsock");
	TCase *t = tcase_create("pipes");
	tcase_set_timeout(t, 20);
	tcase_add_test(t, requests_cut_anywhere_are_answered_in_full);
	tcase_add_test(t, the_doorbell_rings_once_for_many_requests);
	tcase_add_test(t, a_request_knows_its_peer_and_its_hops);
	tcase_add_test(t, at_its_bound_of_unanswered_requests_a_connection_is_not_read);
	tcase_add_test(t, a_peer_that_does_not_read_is_not_read_and_then_closed);
	tcase_add_test(t, a_greeting_that_does_not_come_ends_the_connection);
	tcase_add_test(t, half_a_frame_is_kept_for_a_bounded_time);
	tcase_add_test(t, an_idle_connection_lives_for_ever_and_asks_for_no_ticks);
	tcase_add_loop_test(t, what_is_not_the_protocol_ends_the_connection, 0,
			    sizeof(strange) / sizeof(strange[0]));
	tcase_add_loop_test(t, a_frame_above_the_limit_is_answered_once_then_the_connection_ends, 0,
			    sizeof(lengths) / sizeof(lengths[0]));
	tcase_add_test(t, the_rest_of_a_frame_above_the_limit_is_swallowed);
	tcase_add_test(t, a_reply_to_the_gone_goes_nowhere);
	tcase_add_test(t, connections_above_the_bound_are_refused_until_one_leaves);
	tcase_add_test(t, events_go_to_those_who_may_see_them);
	tcase_add_test(t, a_slow_subscriber_loses_the_oldest_events_and_they_are_counted);
	tcase_add_test(t, a_subscriber_that_speaks_is_closed);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
