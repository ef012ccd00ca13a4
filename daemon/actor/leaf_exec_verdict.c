/*
 * leaf_exec_verdict -- what the end of a program means, and its line.
 */
#include "actor/leaf_exec_state.h"
#include "job/results.h"
#include "proto/utf8.h"

#include <stdlib.h>
#include <string.h>

#define LAST_LINE_BYTES 240
#define VALUE_BYTES	(48u << 20)

/* ---- the attempt ---- */

/* The last line of stderr that says something, its end if it is long. */
static struct slice last_line(const struct bytes *err)
{
	const char *p = err->p, *end = p + err->n, *begin;
	while (end > p && strchr("\r\n\t ", end[-1]) != NULL)
		end--;
	for (begin = end; begin > p && begin[-1] != '\n' && end - begin < LAST_LINE_BYTES;)
		begin--;
	while (begin < end && ((unsigned char)*begin & 0xc0) == 0x80)
		begin++; /* not in the middle of a character */
	return (struct slice){begin, (size_t)(end - begin)};
}

static void ended_badly(struct exec *x, const char *how, uint32_t number, const char *name)
{
	struct slice line = x->err.n > 0 ? last_line(&x->err) : (struct slice){"", 0};
	exec_says(x, KIND_OFFLOAD_FAILED, "%.160s %s %u%s%s%s%s%.*s", x->list[0], how, number,
		  name[0] != '\0' ? " (SIG" : "", name, name[0] != '\0' ? ")" : "",
		  line.n > 0 ? ": " : "", (int)line.n, line.n > 0 ? line.p : "");
}

static const char *signal_name(uint32_t number)
{
	const char *name = number < 65 ? sigabbrev_np((int)number) : NULL;
	return name != NULL ? name : "";
}

void exec_judge(struct exec *x)
{
	if (x->is_lost) {
		exec_says(x, KIND_OFFLOAD_FAILED, "%s", x->why);
		return;
	}
	switch (x->has_ended ? x->ended.how : RUNNERWIRE_TIMED_OUT) {
	case RUNNERWIRE_EXITED:
		if (x->ended.number != 0)
			ended_badly(x, "ended with status", x->ended.number, "");
		break;
	case RUNNERWIRE_SIGNALED:
		ended_badly(x, "was ended by signal", x->ended.number,
			    signal_name(x->ended.number));
		break;
	case RUNNERWIRE_CANCELLED: /* by nobody but the guard of its timeout */
	case RUNNERWIRE_TIMED_OUT:
		exec_says(x, KIND_ATTEMPT_TIMEOUT, "not done within %lld ms",
			  (long long)x->timeout_ms);
		break;
	case RUNNERWIRE_NOT_STARTED:
		exec_says(x, KIND_OFFLOAD_FAILED, "%.200s cannot be started: %s", x->list[0],
			  strerrordesc_np((int)x->ended.number) != NULL
				  ? strerrordesc_np((int)x->ended.number)
				  : "unknown error");
		break;
	}
}

bool exec_retries(act_self *self, struct exec *x)
{
	if (x->tries >= x->policy.attempts ||
	    (!x->retries_all && !kindset_has(x->policy.kinds, x->kind)))
		return false;
	x->until_ns = act_now_ns(self) +
		      retry_backoff_ms(&x->policy, x->tries, act_rng(self)) * NS_PER_MS;
	return x->until_ns < act_deadline(self);
}

void exec_remember_attempt(act_self *self, struct exec *x)
{
	x->waited_ns += x->attempt_waited_ns;
	if (x->history == NULL && x->kind == KIND_NONE)
		return; /* good at once: nothing to remember */
	if (x->history == NULL)
		x->history = calloc(EXEC_HISTORY_MAX, sizeof(*x->history));
	if (x->history == NULL || x->n_history == EXEC_HISTORY_MAX)
		return;
	x->history[x->n_history++] = (struct result_attempt){
		.kind = x->kind,
		.waited_ms = x->attempt_waited_ns / NS_PER_MS,
		.took_ms = (act_now_ns(self) - x->attempt_ns - x->attempt_waited_ns) / NS_PER_MS,
	};
}

/* ---- the value ---- */

/* A text that was cut may end, or begin, within a character: that part goes. */
static struct slice whole_characters(struct slice s, bool cut_at_end)
{
	for (int i = 0; i < 3 && s.n > 0 && !utf8_valid(s); i++) {
		if (!cut_at_end)
			s.p++;
		s.n--;
	}
	return s;
}

static void add_stream(struct bytes *out, const char *name, struct slice s, bool is_cut,
		       bool cut_at_end)
{
	struct slice text = is_cut ? whole_characters(s, cut_at_end) : s;
	bool is_text = utf8_valid(text) && (text.n == 0 || memchr(text.p, 0, text.n) == NULL);
	bytes_printf(out, "%s\"%s%s\":", out->n > 1 ? "," : "", name, is_text ? "" : "_base64");
	if (is_text) {
		result_add_string(out, text.n > 0 ? text : SLICE_LIT(""));
	} else {
		bytes_add_byte(out, '"');
		result_add_base64(out, s);
		bytes_add_byte(out, '"');
	}
}

static void add_cut(struct bytes *out, const struct runnerwire_ended *d)
{
	if (!d->out_cut && !d->err_cut)
		return;
	bytes_printf(out, ",\"truncated\":[%s%s%s]", d->out_cut ? "\"stdout\"" : "",
		     d->out_cut && d->err_cut ? "," : "", d->err_cut ? "\"stderr\"" : "");
}

/* {"exit":0,"stdout":"…","stderr":"…"}; a signal as the shell says it, and by name. */
static void make_value(struct exec *x)
{
	struct bytes *v = &x->value;
	const struct runnerwire_ended *d = &x->ended;
	if (!x->has_ended || x->is_lost || d->how == RUNNERWIRE_NOT_STARTED)
		return;
	bytes_init(v, VALUE_BYTES);
	bytes_add_byte(v, '{');
	if (d->how == RUNNERWIRE_EXITED)
		bytes_printf(v, "\"exit\":%u", d->number);
	else if (d->how == RUNNERWIRE_SIGNALED)
		bytes_printf(v, "\"exit\":%u,\"signal\":\"SIG%s\"", 128 + d->number,
			     signal_name(d->number));
	add_stream(v, "stdout", bytes_slice(&x->out), d->out_cut, true);
	add_stream(v, "stderr", bytes_slice(&x->err), d->err_cut, false);
	add_cut(v, d);
	bytes_add_byte(v, '}');
	if (v->err == ERR_OK)
		return;
	if (x->kind == KIND_NONE)
		exec_says(x, KIND_OFFLOAD_FAILED, "what it wrote does not fit into a result");
	bytes_fini(v);
}

/* ---- the line ---- */

static void set_outcome(act_self *self, struct exec *x)
{
	struct task *t = x->leaf.task;
	json_t *value = NULL;
	if (x->is_cancelled) {
		task_cancelled(self, t);
		return;
	}
	if (x->kind != KIND_NONE) {
		task_fail(t, x->kind, "%s", bytes_cstr(&x->message));
		return;
	}
	if (t->wants_value)
		value = json_loadb(x->value.p, x->value.n, 0, NULL);
	task_ok(t, value);
}

void exec_tell(act_self *self, struct exec *x)
{
	struct task *t = x->leaf.task;
	struct result_record rec = {.size = -1, .timing = RESULT_NO_TIMING};
	make_value(x);
	set_outcome(self, x);
	if (x->value.n > 0)
		rec.value = bytes_slice(&x->value);
	rec.attempts = x->tries;
	rec.history = x->history;
	rec.n_history = x->n_history;
	if (x->tries > 0) {
		rec.timing.wait_ms = x->waited_ns / NS_PER_MS;
		rec.timing.total_ms =
			(act_now_ns(self) - x->attempt_ns - x->attempt_waited_ns) / NS_PER_MS;
	}
	struct line_about about = {.rec = &rec};
	line_tell(self, t, &about, &x->wait);
	bytes_fini(&x->value);
	bytes_fini(&x->out);
	bytes_fini(&x->err);
}
