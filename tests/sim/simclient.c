#include "tests/sim/simclient.h"

#include "base/table.h"
#include "proto/jsonscan.h"
#include "proto/sp.h"
#include "tests/sim/simseed.h"

#include <stdlib.h>
#include <string.h>

enum { UID = 1000 };

static bool is_fed(const struct simclient *c)
{
	return jobtree_is_fed(c->job->root);
}

/* ---- asking ---- */

static void send_call(struct simclient *c, const char *method, struct bytes *params)
{
	struct bytes body = {.n = 0}, frame = {.n = 0};
	bytes_printf(&body, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":", method);
	bytes_add_slice(&body, bytes_slice(params));
	bytes_add_byte(&body, '}');
	simseed_show("ask", bytes_slice(&body));
	sp_add_request(&frame, ++c->id, bytes_slice(&body));
	pipe_end_send(c->end, frame.p, frame.n);
	c->is_waiting = true;
	bytes_fini(&body);
	bytes_fini(&frame);
	bytes_fini(params);
}

static void ask_submit(struct simclient *c)
{
	struct bytes p = {.n = 0};
	bytes_add_str(&p, "{\"op_id\":\"once\",\"spec\":");
	jobtree_spec(c->job, &p);
	bytes_add_byte(&p, '}');
	send_call(c, "job.submit", &p);
}

static void ask_feed(struct simclient *c)
{
	struct bytes p = {.n = 0};
	const struct jobtree *each = c->job->root;
	uint64_t n = rng_below(c->rng, each->n - c->fed + 1);
	bytes_printf(&p, "{\"job\":\"j1\",\"offset\":%llu,\"items\":[", (unsigned long long)c->fed);
	for (uint64_t i = 0; i < n; i++) {
		if (i > 0)
			bytes_add_byte(&p, ',');
		jobtree_item(each, (uint32_t)(c->fed + i), &p);
	}
	c->fed_all = c->fed + n == each->n;
	bytes_printf(&p, "],\"end\":%s}", c->fed_all ? "true" : "false");
	send_call(c, "job.feed", &p);
}

static void ask_results(struct simclient *c)
{
	struct bytes p = {.n = 0};
	unsigned long long next = c->next;
	bytes_printf(&p, "{\"job\":\"j1\",\"after\":%llu,\"max\":%u,\"wait_ms\":%u", next,
		     1 + (unsigned)rng_below(c->rng, 5), (unsigned)rng_below(c->rng, 2000));
	if (rng_below(c->rng, 2) == 0)
		bytes_printf(&p, ",\"ack\":%llu", next);
	bytes_add_byte(&p, '}');
	send_call(c, "job.results", &p);
}

static void ask_job(struct simclient *c, const char *method)
{
	struct bytes p = {.n = 0};
	bytes_add_str(&p, "{\"job\":\"j1\"}");
	send_call(c, method, &p);
}

static void ask_order(struct simclient *c)
{
	static const char *const method[] = {"job.pause", "job.resume", "job.cancel"};
	c->was_cancelled |= c->order == SIM_CANCEL;
	ask_job(c, method[c->order]);
}

static void ask_get(struct simclient *c)
{
	ask_job(c, "job.get");
}

/* Orders come between two looks at the results, in the order of their times. */
static void consider_order(struct simclient *c, int64_t now_ns)
{
	for (int o = 0; o < SIM_ORDERS && c->phase == SIM_RESULTS; o++) {
		if (c->order_at_ns[o] == 0 || now_ns < c->order_at_ns[o])
			continue;
		c->order = (enum simclient_order)o;
		c->phase = SIM_ORDER;
	}
}

static void ask(struct simclient *c, int64_t now_ns)
{
	static void (*const by_phase[])(struct simclient *) = {
		[SIM_SUBMIT] = ask_submit, [SIM_FEED] = ask_feed, [SIM_RESULTS] = ask_results,
		[SIM_ORDER] = ask_order,   [SIM_GET] = ask_get,
	};
	consider_order(c, now_ns);
	by_phase[c->phase](c);
}

/* ---- lines ---- */

uint64_t simclient_number(struct slice object, const char *name)
{
	struct slice raw;
	uint64_t v = 0;
	SIM_EXPECT(jsonscan_member(object, name, &raw));
	SIM_EXPECT(jsonscan_u64(raw, &v) == ERR_OK);
	return v;
}

static void check_repeats(struct simclient *c, uint64_t seq, struct slice task)
{
	uint64_t hash = siphash13((uint64_t[]){3, 4}, task.p, task.n);
	uint32_t n = 1;
	for (uint64_t i = 1; i < seq; i++)
		n += c->task_hash[i] == hash;
	SIM_EXPECT(n <= c->repeats);
	c->task_hash[seq] = hash;
}

/* `"0.3.1"`: item 3 comes after all of item 2. */
static void check_turn(struct simclient *c, struct slice task)
{
	if (!c->job->is_ordered || task.n < 5 || task.p[3] < '0' || task.p[3] > '9')
		return;
	uint64_t turn = strtoull(task.p + 3, NULL, 10);
	SIM_EXPECT(turn >= c->turn);
	c->turn = turn;
}

static void take_line(struct simclient *c, struct slice line)
{
	struct slice raw, kind;
	bool ok = false;
	uint64_t seq = simclient_number(line, "seq");
	SIM_EXPECT(seq == c->next + 1); /* unbroken, nothing twice */
	SIM_EXPECT(seq < SIMCLIENT_LINES);
	c->next = seq;
	SIM_EXPECT(jsonscan_member(line, "ok", &raw) && jsonscan_bool(raw, &ok) == ERR_OK);
	SIM_EXPECT(jsonscan_member(line, "task", &raw));
	check_repeats(c, seq, raw);
	check_turn(c, raw);
	bool is_cancelled = jsonscan_member(line, "error", &raw) &&
			    jsonscan_member(raw, "kind", &kind) && slice_is(kind, "\"cancelled\"");
	if (ok)
		c->n_ok++;
	else if (is_cancelled)
		c->n_cancelled++;
	else
		c->n_failed++;
}

/* ---- answers ---- */

static void take_results(struct simclient *c, struct slice result)
{
	struct slice raw, line;
	struct jsonscan_iter it;
	bool done = false;
	SIM_EXPECT(jsonscan_member(result, "results", &raw));
	SIM_EXPECT(jsonscan_items(raw, &it) == ERR_OK);
	while (jsonscan_next_item(&it, &line))
		take_line(c, line);
	SIM_EXPECT(simclient_number(result, "next") == c->next);
	SIM_EXPECT(jsonscan_member(result, "done", &raw) && jsonscan_bool(raw, &done) == ERR_OK);
	if (is_fed(c) && !c->fed_all)
		c->phase = SIM_FEED;
	else if (done)
		c->phase = SIM_GET;
}

/* An order that comes too late is refused by name. */
static bool take_refusal(struct simclient *c, struct slice body)
{
	bool is_late = memmem(body.p, body.n, "\"conflict\"", 10) != NULL;
	if (c->phase == SIM_FEED && memmem(body.p, body.n, "\"closed\"", 8) != NULL) {
		c->fed_all = true; /* it has ended meanwhile: what came of it is told by results */
		c->phase = SIM_RESULTS;
		return true;
	}
	if (c->phase != SIM_ORDER || !is_late)
		return false;
	c->order_at_ns[c->order] = 0;
	c->phase = SIM_RESULTS;
	return true;
}

static void take_done(struct simclient *c)
{
	c->order_at_ns[c->order] = 0;
	c->phase = SIM_RESULTS;
}

static void take_answer(struct simclient *c, struct slice body)
{
	struct slice result, raw;
	c->is_waiting = false;
	simseed_show("told", body);
	if (!jsonscan_member(body, "result", &result)) {
		if (!take_refusal(c, body))
			simseed_abort("refused", body);
		return;
	}
	switch (c->phase) {
	case SIM_SUBMIT:
		SIM_EXPECT(jsonscan_member(result, "job", &raw) && slice_is(raw, "\"j1\""));
		c->phase = is_fed(c) ? SIM_FEED : SIM_RESULTS;
		break;
	case SIM_FEED:
		c->fed = simclient_number(result, "next");
		c->phase = SIM_RESULTS;
		break;
	case SIM_RESULTS:
		take_results(c, result);
		break;
	case SIM_ORDER:
		take_done(c);
		break;
	case SIM_GET:
		bytes_add_slice(&c->final, result);
		c->phase = SIM_DONE;
		break;
	case SIM_DONE:
		break;
	}
}

/* ---- turns ---- */

static void dial(struct simclient *c, struct transport *to)
{
	struct peer peer = {.uid = UID, .gid = UID, .pid = 1};
	uint8_t hello[SP_HELLO_BYTES];
	c->end = pipepair_dial(to, &peer);
	if (c->end == NULL)
		return; /* it does not listen yet */
	sp_hello_put(hello, SP_REQ);
	pipe_end_send(c->end, hello, sizeof(hello));
}

void simclient_hang_up(struct simclient *c)
{
	if (c->end != NULL)
		pipe_end_close(c->end);
	c->end = NULL;
	c->is_waiting = false;
	bytes_clear(&c->in);
}

void simclient_turn(struct simclient *c, struct transport *to, int64_t now_ns)
{
	struct sp_frame f;
	size_t need;
	if (c->phase == SIM_DONE)
		return;
	if (c->end == NULL)
		dial(c, to);
	if (c->end == NULL)
		return;
	size_t before = c->in.n;
	pipe_end_receive(c->end, &c->in);
	c->heard(c->ctx, (struct slice){c->in.p + before, c->in.n - before});
	if (c->in.n >= SP_HELLO_BYTES && c->in.p[0] == 0)
		bytes_drop(&c->in, SP_HELLO_BYTES);
	if (sp_frame_parse(c->in.p, c->in.n, SP_REPLY_MAX_BYTES, &f, &need) == ERR_OK) {
		take_answer(c, (struct slice){f.payload.p + 4, f.payload.n - 4});
		bytes_drop(&c->in, f.n_total);
	}
	if (c->phase != SIM_DONE && !c->is_waiting)
		ask(c, now_ns);
	else if (rng_below(c->rng, 500) == 0)
		simclient_hang_up(c); /* and comes back */
}

void simclient_fini(struct simclient *c)
{
	bytes_fini(&c->in);
	bytes_fini(&c->final);
}
