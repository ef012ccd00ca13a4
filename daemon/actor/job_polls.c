/*
 * job_polls -- those who follow the results of a job, or wait for its end.
 *
 * A reply is given at max lines, at max_bytes, at the end of the job, or JOB_RESULTS_LINGER_MS
 * after its first line. Lines come from the tail in memory, or from the store for who lags behind.
 */
#include "actor/job_state.h"
#include "actor/store.h"
#include "job/feed.h"
#include "job/results.h"
#include "job/task.h"

#include <stdlib.h>

struct poll {
	struct link link;
	struct job_call *call;
	int64_t until_ns;     /* wait_ms is over */
	int64_t line_ns;      /* its first line was there; 0: none yet */
	uint64_t lines_bytes; /* results_bytes when it was measured last */
	size_t bytes;	      /* that it would get */
	uint64_t tag;	      /* != 0: a reading is on its way */
};

static uint32_t max_bytes(const struct job_call *c)
{
	uint32_t n = c->results.max_bytes;
	return n == 0 || n > JOB_RESULTS_BYTES ? JOB_RESULTS_BYTES : n;
}

static uint64_t last_seq(const struct job *j)
{
	return results_last_seq(j->env->results);
}

static void drop(struct poll *p)
{
	list_remove(&p->link);
	free(p);
}

/* ---- replies ---- */

/* Waiting for limits or between attempts; not those in flight. */
static uint64_t n_waiting(const struct job *j)
{
	return results_waiting(j->env->results, j->env->n_open);
}

/* `{"next":N,…,"results":[\n`, then lines, then `\n]}`. */
static void add_head(const struct job *j, const struct tail_cut *cut, struct bytes *out)
{
	struct final_tasks t = job_tasks(j);
	uint64_t next = cut->after + cut->n;
	bool is_done = job_has_ended(j) && next >= last_seq(j);
	bytes_add_str(out, "{\"next\":");
	bytes_add_u64(out, next);
	bytes_add_str(out, is_done ? ",\"done\":true,\"total\":" : ",\"done\":false,\"total\":");
	bytes_add_u64(out, t.total);
	bytes_add_str(out, ",\"ok\":");
	bytes_add_u64(out, t.ok);
	bytes_add_str(out, ",\"failed\":");
	bytes_add_u64(out, t.failed);
	bytes_add_str(out, ",\"cancelled\":");
	bytes_add_u64(out, t.cancelled);
	bytes_add_str(out, ",\"waiting\":");
	bytes_add_u64(out, n_waiting(j));
	bytes_add_str(out, ",\"results\":[\n");
}

static void answer(act_self *self, struct job *j, struct poll *p, const struct tail_cut *cut)
{
	struct job_call *c = p->call;
	c->head.limit = 0;
	bytes_reserve(&c->head, cut->bytes + 512);
	add_head(j, cut, &c->head);
	tail_write(results_tail(j->env->results), cut, &c->head);
	struct bytes end = {.p = "\n]}", .n = 3};
	drop(p);
	job_call_done(self, c, &end);
}

static void answer_rows(act_self *self, struct job *j, struct poll *p,
			const struct store_rows *rows)
{
	struct job_call *c = p->call;
	uint64_t known = last_seq(j) - c->results.after;
	struct tail_cut cut = {
		.after = c->results.after, .max = c->results.max, .max_bytes = max_bytes(c)};
	bool is_first = true;
	/* The reader may see a commit before we hear of it: its lines come from the tail then. */
	if (cut.max == 0 || cut.max > known)
		cut.max = (uint32_t)(known < UINT32_MAX ? known : UINT32_MAX);
	for (uint32_t i = 0; i < rows->n; i++)
		tail_measure_text(rows->row[i].chunk.lines, rows->row[i].chunk.first_seq, &cut);
	c->head.limit = 0;
	bytes_reserve(&c->head, cut.bytes + 512);
	add_head(j, &cut, &c->head);
	for (uint32_t i = 0; i < rows->n; i++)
		if (rows->row[i].chunk.first_seq <= cut.after + cut.n)
			tail_write_text(rows->row[i].chunk.lines, rows->row[i].chunk.first_seq,
					&cut, &is_first, &c->head);
	struct bytes end = {.p = "\n]}", .n = 3};
	drop(p);
	job_call_done(self, c, &end);
}

/* ---- who lags behind ---- */

static bool read_behind(act_self *self, struct job *j, struct poll *p)
{
	struct store_query q = {.kind = STORE_Q_CHUNKS,
				.job = j->number,
				.after = p->call->results.after,
				.max_bytes = max_bytes(p->call)};
	struct store_reading *r = store_reading_new(&q);
	if (r == NULL)
		return false;
	r->tag = j->next_tag;
	if (act_send_buf(self, j->store, STORE_READ, r, sizeof(*r), store_reading_drop) != ACT_OK) {
		store_reading_drop(r);
		return false;
	}
	p->tag = j->next_tag++;
	return true;
}

static struct poll *by_tag(struct job *j, uint64_t tag)
{
	LIST_EACH (l, &j->polls) {
		struct poll *p = LIST_ENTRY(l, struct poll, link);
		if (p->tag == tag)
			return p;
	}
	return NULL;
}

/* What has been acknowledged before and is gone is skipped. */
static void skip_gone(struct job *j, struct poll *p, const struct store_rows *rows)
{
	uint64_t first = rows->n > 0 ? rows->row[0].chunk.first_seq : last_seq(j) + 1;
	if (first > p->call->results.after + 1)
		p->call->results.after = first - 1;
}

void job_polls_read(act_self *self, struct job *j, act_msg *m)
{
	struct store_reading *r = act_data(m);
	struct poll *p = by_tag(j, r->tag);
	if (p == NULL)
		return;
	p->tag = 0;
	if (r->result != ERR_OK && r->result != ERR_NOT_FOUND) {
		struct job_call *c = p->call;
		drop(p);
		job_call_refuse(self, c, KIND_STORE_CORRUPT, err_text(r->result));
		return;
	}
	skip_gone(j, p, &r->rows);
	if (r->rows.n > 0 && p->call->results.after < last_seq(j))
		answer_rows(self, j, p, &r->rows);
	else
		job_polls_run(self, j);
}

/* ---- who is up to date ---- */

/* Lines that came since it was measured add to what it would get. */
static bool is_due(const struct job *j, struct poll *p, int64_t now)
{
	const struct job_results_call *r = &p->call->results;
	uint64_t n = last_seq(j) - r->after;
	uint64_t bytes = results_bytes(j->env->results);
	p->bytes += bytes - p->lines_bytes;
	p->lines_bytes = bytes;
	if (job_has_ended(j) || now >= p->until_ns)
		return true;
	if (n == 0)
		return false;
	if (p->line_ns == 0)
		p->line_ns = now;
	return (r->max > 0 && n >= r->max) || p->bytes >= max_bytes(p->call) ||
	       now >= p->line_ns + JOB_RESULTS_LINGER_MS * NS_PER_MS;
}

static void run_results(act_self *self, struct job *j, struct poll *p, int64_t now)
{
	struct job_call *c = p->call;
	struct tail_cut cut = {
		.after = c->results.after, .max = c->results.max, .max_bytes = max_bytes(c)};
	if (p->tag != 0)
		return;
	if (c->results.after > last_seq(j))
		c->results.after = last_seq(j);
	if (!is_due(j, p, now))
		return;
	cut.after = c->results.after;
	if (tail_measure(results_tail(j->env->results), &cut))
		answer(self, j, p, &cut);
	else
		read_behind(self, j, p);
}

static void run_wait(act_self *self, struct job *j, struct poll *p, int64_t now)
{
	struct job_call *c = p->call;
	struct bytes body = BYTES_LIMIT(0);
	if (!job_has_ended(j) && now < p->until_ns)
		return;
	job_record(j, &body);
	drop(p);
	job_call_done(self, c, &body);
	bytes_fini(&body);
}

static int64_t next_time(const struct job *j, int64_t now)
{
	int64_t next = now + job_quiet_ns(j);
	LIST_EACH (l, (struct link *)(uintptr_t)&j->polls) {
		const struct poll *p = LIST_ENTRY(l, struct poll, link);
		int64_t linger = p->line_ns + JOB_RESULTS_LINGER_MS * NS_PER_MS;
		if (p->until_ns < next)
			next = p->until_ns;
		if (p->line_ns != 0 && linger < next)
			next = linger;
	}
	return next;
}

void job_polls_run(act_self *self, struct job *j)
{
	int64_t now = act_now_ns(self);
	if (!j->is_loaded || j->is_broken)
		return;
	LIST_EACH_SAFE (l, &j->polls) {
		struct poll *p = LIST_ENTRY(l, struct poll, link);
		if (p->call->kind == JOB_CALL_RESULTS)
			run_results(self, j, p, now);
		else
			run_wait(self, j, p, now);
	}
	job_arm(self, j, next_time(j, now));
}

/* ---- coming in ---- */

static void add(act_self *self, struct job *j, struct job_call *c, uint32_t wait_ms)
{
	struct poll *p = calloc(1, sizeof(*p));
	if (p == NULL) {
		job_call_refuse(self, c, KIND_MEMORY, "out of memory");
		return;
	}
	if (wait_ms > JOB_WAIT_MAX_MS)
		wait_ms = JOB_WAIT_MAX_MS;
	p->call = c;
	p->until_ns = act_now_ns(self) + wait_ms * NS_PER_MS;
	p->lines_bytes = results_bytes(j->env->results);
	list_push_back(&j->polls, &p->link);
	if (c->kind == JOB_CALL_RESULTS && c->results.after < last_seq(j)) {
		struct tail_cut cut = {.after = c->results.after,
				       .max = c->results.max,
				       .max_bytes = max_bytes(c)};
		p->line_ns = act_now_ns(self);
		/* Behind what memory holds: nothing is gained by waiting. */
		p->bytes = tail_measure(results_tail(j->env->results), &cut) ? cut.bytes
									     : SIZE_MAX / 2;
		if (cut.is_full)
			p->bytes = SIZE_MAX / 2;
	}
	job_polls_run(self, j);
}

/* The last line of an attached job is acknowledged: nobody will ask again. */
static void forget_attached(act_self *self, struct job *j, uint64_t ack)
{
	if (!j->is_attached || j->is_forgotten || !job_has_ended(j) || ack < last_seq(j))
		return;
	struct store_batch *b = store_batch_new();
	struct store_op *op = b != NULL ? store_batch_add(b, STORE_JOB_FORGET) : NULL;
	if (op == NULL) {
		store_batch_free(b);
		return;
	}
	op->ref.job = j->number;
	j->is_forgotten = job_apply(self, j, b);
}

static void acknowledge(act_self *self, struct job *j, uint64_t seq)
{
	if (seq > last_seq(j))
		seq = last_seq(j);
	if (seq > results_tail(j->env->results)->acked && !job_has_ended(j)) {
		struct store_batch *b = store_batch_new();
		struct store_op *op = b != NULL ? store_batch_add(b, STORE_ACK) : NULL;
		if (op != NULL)
			op->ack = (struct store_ack_op){.job = j->number, .seq = seq};
		if (op != NULL)
			job_apply(self, j, b);
		else
			store_batch_free(b);
	}
	results_ack(j->env->results, seq);
	forget_attached(self, j, seq);
}

void job_on_results(act_self *self, struct job *j, struct job_call *c)
{
	if (c->results.ack > 0 || (job_has_ended(j) && c->results.after >= last_seq(j)))
		acknowledge(self, j, c->results.ack);
	add(self, j, c, c->results.wait_ms);
}

void job_on_wait(act_self *self, struct job *j, struct job_call *c)
{
	add(self, j, c, c->wait_ms);
}

void job_polls_fini(struct job *j)
{
	while (!list_empty(&j->polls)) {
		struct poll *p = LIST_ENTRY(j->polls.next, struct poll, link);
		job_call_free(p->call);
		drop(p);
	}
}
