/*
 * limiter_ticket -- tickets as those who ask see them. A ticket belongs to the asker until it asks,
 * to the limiter while it waits, to the asker while it is granted, and to the limiter once more
 * when it is released; pointers move, memory does not. One whose holder died without a release
 * comes back by its destructor, over the limiter's list of the lost.
 */
#include "actor/limiter_state.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

const char *limit_why_text(enum limit_why w)
{
	static const char *const text[] = {
		[LIMIT_WHY_CONCURRENCY] = "concurrency",
		[LIMIT_WHY_RATE] = "rate",
		[LIMIT_WHY_QUOTA] = "quota",
		[LIMIT_WHY_BLOCKED] = "blocked",
		[LIMIT_WHY_CIRCUIT] = "circuit",
		[LIMIT_WHY_STORE] = "store",
	};
	return (unsigned)w < LIMIT_WHYS ? text[w] : "unknown";
}

static struct slice copy_text(char **at, struct slice s)
{
	char *p = *at;
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	*at = p + s.n;
	return (struct slice){p, s.n};
}

/* Values of the headers that rules look at; returns their bytes. */
static size_t ask_headers(const struct limit_ask *ask, struct slice header[RULES_HEADERS_MAX])
{
	size_t n = 0;
	uint32_t count = ask->rules != NULL ? rules_headers(ask->rules) : 0;
	for (uint32_t i = 0; i < count; i++) {
		header[i] = (struct slice){NULL, 0};
		if (ask->header != NULL)
			header[i] = ask->header(ask->header_ctx, rules_header(ask->rules, i));
		n += header[i].n;
	}
	return n;
}

static void copy_numbers(struct limit_ticket *t, const struct limit_ask *ask)
{
	t->state = TICKET_NEW;
	t->job = ask->job;
	t->leaf = ask->leaf;
	t->uid = ask->uid;
	t->attempt = ask->attempt;
	t->priority = ask->priority < 1 ? 5 : ask->priority > 9 ? 9 : ask->priority;
	t->is_durable = ask->is_durable;
	t->is_front = ask->is_front;
	t->deadline_ns = ask->deadline_ns > 0 ? ask->deadline_ns : INT64_MAX;
	t->port = ask->port;
	t->cost = ask->cost > 0 ? ask->cost : 1;
	CHECK(ask->n_own <= LIMIT_OWN_MAX);
	t->n_own = ask->n_own;
	memcpy(t->own, ask->own, ask->n_own * sizeof(t->own[0]));
}

struct limit_ticket *limit_ticket_new(const struct limit_ask *ask)
{
	struct slice header[RULES_HEADERS_MAX];
	size_t n = ask_headers(ask, header);
	n += ask->key.n + ask->origin.n + ask->host.n + ask->domain.n + ask->path.n + ask->method.n;
	struct limit_ticket *t = malloc(sizeof(*t) + n);
	if (t == NULL)
		return NULL;
	memset(t, 0, offsetof(struct limit_ticket, use));
	list_init(&t->link);
	copy_numbers(t, ask);
	char *at = t->text;
	t->key = copy_text(&at, ask->key);
	t->origin = copy_text(&at, ask->origin);
	t->host = copy_text(&at, ask->host);
	t->domain = copy_text(&at, ask->domain);
	t->path = copy_text(&at, ask->path);
	t->method = copy_text(&at, ask->method);
	t->rules = NULL;
	uint32_t count = ask->rules != NULL ? rules_headers(ask->rules) : 0;
	if (count == 0)
		return t;
	t->rules = rules_ref((struct rules *)ask->rules);
	for (uint32_t i = 0; i < count; i++) {
		bool is_there = header[i].p != NULL;
		t->header[i] = copy_text(&at, header[i]);
		if (!is_there)
			t->header[i].p = NULL;
	}
	return t;
}

void limit_ticket_free(struct limit_ticket *t)
{
	rules_unref(t->rules);
	free(t);
}

/* Runs where a message with the ticket is dropped: it may be granted, and the limiter alive. */
void limit_ticket_drop(void *ticket)
{
	struct limit_ticket *t = ticket;
	if (t->state == TICKET_GRANTED)
		limit_abandon(t);
	else
		limit_ticket_free(t);
}

void limit_abandon(struct limit_ticket *t)
{
	if (t == NULL)
		return;
	struct limiter *l = t->limiter;
	if (!l->is_closed) {
		t->outcome = (struct limit_outcome){.use = LIMIT_USED, .retry_after_ms = -1};
		list_push_back(&l->lost, &t->link);
		return;
	}
	limit_keys_drop(l, t);
	limit_ticket_free(t);
	if (--l->n_granted == 0)
		free(l);
}

int limit_acquire(act_self *self, act_id limiter, struct limit_ticket *t, act_msg **ret_m)
{
	if (t == NULL)
		return ACT_ENOMEM;
	return act_ask_buf_patient(self, limiter, LIMIT_ACQUIRE, t, sizeof(*t), limit_ticket_drop,
				   ret_m);
}

struct limit_ticket *limit_granted(act_msg *m)
{
	if (m->type != LIMIT_GRANTED)
		return NULL;
	struct limit_ticket *t = m->buf.ptr;
	m->buf.dtor = NULL; /* the asker's from now on */
	m->buf.ptr = NULL;
	return t;
}

const struct limit_refusal *limit_refused(const act_msg *m)
{
	return m->type == LIMIT_REFUSED ? m->buf.ptr : NULL;
}

void limit_release(act_self *self, act_id limiter, struct limit_ticket *t,
		   const struct limit_outcome *o)
{
	if (t == NULL)
		return;
	CHECK(t->state == TICKET_GRANTED);
	act_msg *m = act_prepare(self, LIMIT_RELEASE, NULL, 0);
	if (m == NULL) {
		limit_abandon(t);
		return;
	}
	t->outcome = *o;
	m->flags |= ACT_MSG_OWNED; /* dropped on the way, it is abandoned */
	m->buf.ptr = t;
	m->buf.len = sizeof(*t);
	m->buf.dtor = limit_ticket_drop;
	act_deliver(self, limiter, m);
}

void limit_job_ended(act_self *self, act_id limiter, uint64_t job)
{
	struct limit_job_end end = {job};
	act_msg *m = act_prepare(self, LIMIT_JOB_END, &end, sizeof(end));
	if (m != NULL)
		act_deliver(self, limiter, m);
}

int64_t limit_ticket_waited_ns(const struct limit_ticket *t)
{
	return t->granted_ns - t->since_ns;
}

int64_t limit_ticket_use_before_ns(const struct limit_ticket *t)
{
	return t->use_before_ns;
}

int64_t limit_ticket_bandwidth(const struct limit_ticket *t)
{
	return t->bandwidth;
}
