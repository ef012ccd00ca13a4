/*
 * follow -- see follow.h. One loop: start what can be started, write what can be written, wait,
 * take what has come.
 */
#include "client/follow.h"

#include "client/outcome.h"
#include "client/progress.h"
#include "client/say.h"
#include "proto/jsonscan.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define POLL_WAIT_MS   20000
#define SILENCE_MAX_MS 60000
#define EXPLAIN_MS     1000

struct follow {
	struct session *s;
	const struct follow_options *o;
	struct sink sink;
	struct lines lines;
	struct progress progress;
	struct bytes params;
	uint32_t feed_id, results_id, cancel_id, explain_id; /* outstanding; 0 = none */
	int64_t explained_ms;
	unsigned generation; /* of the connection they were sent on */
	uint64_t after, acked;
	uint64_t mark_seq, mark_written; /* acked becomes mark_seq once that much is written */
	int64_t heard_ms;
	bool is_fed, is_done, is_over;
	bool wants_cancel, is_cancelled; /* is_cancelled: the daemon has answered */
	int signo;			 /* die of it in the end */
	enum status status;
};

enum { AT_DAEMON, AT_SIGNALS, AT_INPUT, AT_OUTPUT, N_AT };

/* ---- what can be started ---- */

static void lose(struct follow *f)
{
	enum status st = session_reconnect(f->s);
	f->heard_ms = session_now_ms();
	if (st == STATUS_OK)
		return;
	f->is_over = true;
	f->status = st;
	if (st == STATUS_CANCELLED && f->signo == 0)
		f->signo = f->s->signals->first;
}

static void send_request(struct follow *f, const char *method, uint32_t *ret_id)
{
	enum muster_status ms = muster_send(f->s->m, method, f->params.p, f->params.n, ret_id);
	if (ms == MUSTER_OK)
		return;
	*ret_id = 0;
	if (ms == MUSTER_LOST) {
		lose(f);
		return;
	}
	f->status = ask_failed(f->s->m, method, ms, NULL);
	f->is_over = true;
}

static void start_feed(struct follow *f)
{
	if (f->is_fed || f->feed_id != 0 || f->wants_cancel || !feed_has_chunk(f->o->feed))
		return;
	bytes_clear(&f->params);
	feed_add_params(f->o->feed, f->o->job, &f->params);
	send_request(f, "job.feed", &f->feed_id);
}

static void start_results(struct follow *f)
{
	if (f->o->until == FOLLOW_FED || f->is_done || f->results_id != 0 ||
	    lines_pending(&f->lines) > LINES_HIGH_BYTES)
		return;
	bytes_clear(&f->params);
	bytes_printf(&f->params, "{\"job\":\"%s\",\"after\":%llu,\"wait_ms\":%d", f->o->job,
		     (unsigned long long)f->after, f->o->until == FOLLOW_TO_END ? POLL_WAIT_MS : 0);
	/* An acknowledgement, even of nothing, is what claims an attached job after a reconnect. */
	if (f->o->acks)
		bytes_printf(&f->params, ",\"ack\":%llu", (unsigned long long)f->acked);
	bytes_add_byte(&f->params, '}');
	f->heard_ms = session_now_ms();
	send_request(f, "job.results", &f->results_id);
}

static void start_cancel(struct follow *f)
{
	if (!f->o->cancels || !f->wants_cancel || f->is_cancelled || f->cancel_id != 0)
		return;
	bytes_clear(&f->params);
	bytes_printf(&f->params, "{\"job\":\"%s\"}", f->o->job);
	send_request(f, "job.cancel", &f->cancel_id);
}

/* What the line of progress says it waits for. */
static void start_explain(struct follow *f)
{
	int64_t now = session_now_ms();
	if (!f->progress.is_on || f->is_done || f->explain_id != 0 ||
	    now - f->explained_ms < EXPLAIN_MS)
		return;
	f->explained_ms = now;
	bytes_clear(&f->params);
	bytes_printf(&f->params, "{\"job\":\"%s\",\"path\":\"0\"}", f->o->job);
	send_request(f, "job.explain", &f->explain_id);
}

/* Each step may find the connection gone and make a new one: then the next turn goes on. */
static void start_requests(struct follow *f)
{
	static void (*const step[])(struct follow *) = {start_cancel, start_feed, start_results,
							start_explain};
	if (f->generation != f->s->generation) {
		f->generation = f->s->generation;
		f->feed_id = f->results_id = f->cancel_id = f->explain_id = 0;
	}
	for (size_t i = 0; i < sizeof(step) / sizeof(step[0]); i++)
		if (!f->is_over && f->generation == f->s->generation)
			step[i](f);
}

/* ---- what has come ---- */

static void refuse(struct follow *f, const char *method, const struct muster_reply *r)
{
	f->status = ask_failed(f->s->m, method, MUSTER_REFUSED, r);
	f->is_over = true;
}

static void on_feed(struct follow *f, const struct muster_reply *r)
{
	struct slice raw;
	uint64_t next;
	f->feed_id = 0;
	bool is_harmless = f->o->feed->is_optional || f->wants_cancel;
	if (r->result == NULL && (strcmp(r->kind, "closed") == 0 || is_harmless)) {
		f->is_fed = true; /* it has ended, or is about to: its results say how */
		return;
	}
	if (r->result == NULL) {
		refuse(f, "job.feed", r);
		return;
	}
	if (!jsonscan_member((struct slice){r->result, r->n_result}, "next", &raw) ||
	    jsonscan_u64(raw, &next) != ERR_OK) {
		say("job.feed: the answer makes no sense");
		f->status = STATUS_NO_DAEMON;
		f->is_over = true;
		return;
	}
	f->is_fed = feed_done(f->o->feed, next);
	f->progress.is_total_known = f->is_fed;
}

static void on_results(struct follow *f, const struct muster_reply *r)
{
	struct lines_head head;
	f->results_id = 0;
	if (r->result == NULL) {
		if (strcmp(r->kind, "not_found") == 0 && f->generation != 0) {
			say("job %s was lost with the daemon", f->o->job);
			f->status = STATUS_NO_DAEMON;
			f->is_over = true;
		} else {
			refuse(f, "job.results", r);
		}
		return;
	}
	if (lines_take(&f->lines, (struct slice){r->result, r->n_result}, &head) != ERR_OK) {
		say("job.results: the answer makes no sense");
		f->status = STATUS_NO_DAEMON;
		f->is_over = true;
		return;
	}
	bool is_last = f->o->until == FOLLOW_TO_LAST && head.next == f->after;
	f->after = head.next;
	f->is_done = head.done || is_last;
	f->progress.head = head;
}

/* The key where most wait. A refusal (the job has just ended) changes nothing. */
static void on_explain(struct follow *f, const struct muster_reply *r)
{
	struct slice limits, row, key, n;
	struct jsonscan_iter it;
	struct bytes name = {.limit = 0};
	uint64_t most = 0, waiting = 0;
	f->explain_id = 0;
	f->progress.held_by[0] = '\0';
	if (r->result == NULL ||
	    !jsonscan_member((struct slice){r->result, r->n_result}, "limits", &limits) ||
	    jsonscan_items(limits, &it) != ERR_OK)
		return;
	while (jsonscan_next_item(&it, &row)) {
		if (!jsonscan_member(row, "waiting", &n) || jsonscan_u64(n, &waiting) != ERR_OK ||
		    waiting <= most || !jsonscan_member(row, "key", &key))
			continue;
		most = waiting;
		bytes_clear(&name);
		if (jsonscan_string(key, &name) == ERR_OK)
			snprintf(f->progress.held_by, sizeof(f->progress.held_by), "%s",
				 bytes_cstr(&name));
	}
	bytes_fini(&name);
}

static void take_replies(struct follow *f)
{
	struct muster_reply r;
	while (!f->is_over && muster_next(f->s->m, &r)) {
		f->heard_ms = session_now_ms();
		if (r.id == f->feed_id)
			on_feed(f, &r);
		else if (r.id == f->results_id)
			on_results(f, &r);
		else if (r.id == f->explain_id)
			on_explain(f, &r);
		else if (r.id == f->cancel_id)
			f->is_cancelled = true;
	}
}

/* ---- what can be written ---- */

/* Nobody reads our output: the job is cancelled and we die as a writer to a closed pipe does. */
static void on_closed_output(struct follow *f)
{
	f->lines.is_muted = true;
	bytes_clear(&f->sink.buf);
	f->sink.done = 0;
	f->wants_cancel = true;
	if (f->signo == 0)
		f->signo = SIGPIPE;
}

static void write_lines(struct follow *f)
{
	enum status st = lines_work(&f->lines);
	if (st != STATUS_OK)
		f->status = st;
	if (st != STATUS_OK && st != STATUS_FAILED)
		f->is_over = true;
	enum err e = sink_flush(&f->sink);
	if (e == ERR_CLOSED) {
		on_closed_output(f);
	} else if (e == ERR_IO) {
		say("cannot write to standard output: %s", strerror(f->sink.error));
		f->status = STATUS_FAILED;
		f->wants_cancel = true;
		f->lines.is_muted = true;
	}
	bool is_queue_empty = lines_pending(&f->lines) == sink_pending(&f->sink);
	if (f->mark_seq <= f->acked && is_queue_empty) {
		f->mark_seq = f->after;
		f->mark_written = f->sink.written + sink_pending(&f->sink);
	}
	if (f->sink.written >= f->mark_written)
		f->acked = f->mark_seq;
}

/* ---- waiting ---- */

static int wait_ms(const struct follow *f)
{
	int64_t now = session_now_ms(), left = f->heard_ms + SILENCE_MAX_MS - now;
	int draw = progress_wait_ms(&f->progress, now);
	if (lines_are_ready(&f->lines))
		return 0; /* the sink took what was in their way */
	if (f->results_id == 0)
		return draw;
	left = left < 0 ? 0 : left;
	return draw >= 0 && draw < left ? draw : (int)left;
}

/* A poll is answered within POLL_WAIT_MS; a parked feed may take for ever. */
static bool is_silent(const struct follow *f)
{
	return f->results_id != 0 && session_now_ms() - f->heard_ms > SILENCE_MAX_MS;
}

static void fill_polls(const struct follow *f, struct pollfd p[N_AT])
{
	bool reads = !f->is_fed && !f->wants_cancel;
	p[AT_DAEMON] = (struct pollfd){muster_fd(f->s->m), muster_events(f->s->m), 0};
	p[AT_SIGNALS] = (struct pollfd){f->s->signals->fd, POLLIN, 0};
	p[AT_INPUT] = (struct pollfd){reads ? feed_fd(f->o->feed) : -1, POLLIN, 0};
	/* Without POLLOUT a closed pipe still shows as POLLERR. */
	p[AT_OUTPUT] = (struct pollfd){f->lines.is_muted ? -1 : f->sink.fd,
				       sink_pending(&f->sink) != 0 ? POLLOUT : 0, 0};
}

static void take_signal(struct follow *f)
{
	bool had_one = f->s->signals->first != 0;
	int signo = signals_take(f->s->signals);
	if (signo == 0)
		return;
	f->signo = signo;
	f->wants_cancel = true;
	if (had_one || !f->o->cancels)
		f->is_over = true; /* the second one leaves at once */
}

static void take_input(struct follow *f)
{
	if (feed_read(f->o->feed) == ERR_OK)
		return;
	say("cannot read the input: %s", strerror(errno));
	f->status = STATUS_FAILED;
	f->wants_cancel = true;
}

static void wait_and_take(struct follow *f)
{
	struct pollfd p[N_AT];
	fill_polls(f, p);
	int n = poll(p, N_AT, wait_ms(f));
	if (n < 0)
		return; /* EINTR: nothing has come */
	if (p[AT_SIGNALS].revents != 0)
		take_signal(f);
	if ((p[AT_OUTPUT].revents & (POLLERR | POLLNVAL)) != 0)
		on_closed_output(f);
	if (p[AT_INPUT].revents != 0 && !f->is_over)
		take_input(f);
	if (f->is_over || (p[AT_DAEMON].revents == 0 && !is_silent(f)))
		return;
	if (is_silent(f) || muster_turn(f->s->m) != MUSTER_OK) {
		take_replies(f); /* what arrived before the end counts */
		if (!f->is_over)
			lose(f);
	}
	take_replies(f);
}

static bool is_finished(const struct follow *f)
{
	if (f->is_over)
		return true;
	if (f->o->until == FOLLOW_FED)
		return f->is_fed || f->is_cancelled;
	/* A job whose output nobody reads need not be followed to its end. */
	if (f->lines.is_muted && (f->is_cancelled || !f->o->cancels))
		return true;
	return f->is_done && lines_pending(&f->lines) == 0;
}

static void loop(struct follow *f)
{
	while (!is_finished(f)) {
		write_lines(f);
		start_requests(f);
		if (is_finished(f))
			break;
		if (f->generation != f->s->generation)
			continue; /* a new connection: nothing is outstanding on it yet */
		progress_draw(&f->progress, session_now_ms(), false);
		wait_and_take(f);
	}
}

/* ---- the end ---- */

static void acknowledge(struct follow *f)
{
	struct muster_reply r;
	enum status st;
	bytes_clear(&f->params);
	bytes_printf(&f->params, "{\"job\":\"%s\",\"after\":%llu,\"ack\":%llu,\"wait_ms\":0}",
		     f->o->job, (unsigned long long)f->after, (unsigned long long)f->after);
	session_call(f->s, "job.results", bytes_cstr(&f->params), &r, &st);
}

/* Blocks: there is nothing else left to do. */
static void drain_sink(struct follow *f)
{
	while (sink_flush(&f->sink) == ERR_AGAIN) {
		struct pollfd p[2] = {{f->sink.fd, POLLOUT, 0}, {f->s->signals->fd, POLLIN, 0}};
		poll(p, 2, -1);
		if (signals_take(f->s->signals) != 0) {
			f->signo = f->s->signals->first;
			return;
		}
	}
	if (f->sink.is_closed)
		f->signo = SIGPIPE;
}

static void tell(struct follow *f, const struct outcome *end)
{
	bool wants_text = f->o->summary == SUMMARY_TEXT;
	if (f->o->summary == SUMMARY_AUTO)
		wants_text = say_is_terminal(STDERR_FILENO) || outcome_status(end) != STATUS_OK;
	if (f->o->summary == SUMMARY_JSON) {
		bytes_add_slice(&f->sink.buf, bytes_slice(&end->text));
		bytes_add_byte(&f->sink.buf, '\n');
		drain_sink(f);
	} else if (wants_text) {
		struct bytes text = {.limit = 0};
		outcome_add_sentence(&text, end);
		say("%s", bytes_cstr(&text));
		bytes_fini(&text);
	}
}

static void finish(struct follow *f)
{
	struct outcome end;
	enum status st = outcome_get(f->s, f->o->job, &end);
	if (st != STATUS_OK) {
		f->status = st;
		return;
	}
	tell(f, &end);
	st = outcome_status(&end);
	if (f->status == STATUS_OK)
		f->status = st;
	if (f->o->acks && f->signo == 0)
		acknowledge(f);
	outcome_fini(&end);
}

int follow_run(struct session *s, const struct follow_options *o)
{
	int64_t now = session_now_ms();
	struct follow f = {.s = s,
			   .o = o,
			   .after = o->after,
			   .acked = o->after,
			   .mark_seq = o->after,
			   .generation = s->generation,
			   .heard_ms = now,
			   .explained_ms = now,
			   .is_fed = o->feed == NULL};
	sink_open(&f.sink, STDOUT_FILENO);
	f.lines = (struct lines){.mode = o->mode, .where = o->where, .session = s, .sink = &f.sink};
	progress_start(&f.progress, o->has_progress, now);
	f.progress.is_total_known = f.is_fed;
	loop(&f);
	progress_end(&f.progress, session_now_ms());
	if (f.is_done && !f.is_over && o->until == FOLLOW_TO_END && !f.lines.is_muted)
		finish(&f);
	lines_fini(&f.lines);
	sink_close(&f.sink);
	bytes_fini(&f.params);
	return f.signo != 0 ? -f.signo : (int)f.status;
}
