/*
 * limiter_line -- who waits at a key, and who is next.
 *
 * At a key stand users, under them jobs, under them lanes. Users take turns; jobs of a user share
 * by weight (stride scheduling, Waldspurger 1995): the priority, plus one for every AGE_NS its
 * oldest request has waited. A job's lanes are in the order of their heads' numbers, so that a job
 * is served first in, first out.
 */
#include "actor/limiter_state.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

#define AGE_NS	   (10 * NS_PER_S)
#define WEIGHT_MAX 9

struct line_user {
	struct link link;
	uint32_t uid;
	double time;	 /* turns it has had */
	double job_time; /* of the job served last */
	struct link jobs;
};

struct line_job {
	struct link link;
	struct line_user *user;
	struct limit_key *key;
	struct limit_job *job;
	double time;
	struct link lanes;
};

/* ---- tokens of waiting tickets ---- */

static struct limit_ticket **bucket(struct limiter *l, uint64_t token)
{
	uint64_t h = (token ^ l->seed) * 0x9e3779b97f4a7c15u;
	return &l->by_token[(h >> 32) & (l->cap_by_token - 1)];
}

static enum err token_grow(struct limiter *l)
{
	uint32_t old_cap = l->cap_by_token, cap = old_cap == 0 ? 256 : old_cap * 2;
	struct limit_ticket **old = l->by_token;
	struct limit_ticket **grown = calloc(cap, sizeof(*grown));
	if (grown == NULL)
		return ERR_NOMEM;
	l->by_token = grown;
	l->cap_by_token = cap;
	for (uint32_t i = 0; i < old_cap; i++) {
		for (struct limit_ticket *t = old[i], *next; t != NULL; t = next) {
			next = t->next_of_token;
			struct limit_ticket **b = bucket(l, t->token);
			t->next_of_token = *b;
			*b = t;
		}
	}
	free(old);
	return ERR_OK;
}

static enum err token_add(struct limiter *l, struct limit_ticket *t)
{
	if (l->n_by_token >= l->cap_by_token) {
		enum err e = token_grow(l);
		if (e != ERR_OK)
			return e;
	}
	struct limit_ticket **b = bucket(l, t->token);
	t->next_of_token = *b;
	*b = t;
	l->n_by_token++;
	return ERR_OK;
}

static void token_remove(struct limiter *l, struct limit_ticket *t)
{
	struct limit_ticket **at = bucket(l, t->token);
	while (*at != t)
		at = &(*at)->next_of_token;
	*at = t->next_of_token;
	l->n_by_token--;
}

struct limit_ticket *limit_token_find(struct limiter *l, uint64_t token)
{
	if (l->cap_by_token == 0)
		return NULL;
	struct limit_ticket *t = *bucket(l, token);
	while (t != NULL && t->token != token)
		t = t->next_of_token;
	return t;
}

/* ---- standing at a key ---- */

struct limit_ticket *limit_lane_head(const struct limit_lane *lane)
{
	return LIST_ENTRY(lane->tickets.next, struct limit_ticket, link);
}

static struct line_user *user_at(struct limit_key *k, uint32_t uid)
{
	LIST_EACH (it, &k->users) {
		struct line_user *u = LIST_ENTRY(it, struct line_user, link);
		if (u->uid == uid)
			return u;
	}
	struct line_user *u = calloc(1, sizeof(*u));
	if (u == NULL)
		return NULL;
	u->uid = uid;
	u->time = k->user_time;
	list_init(&u->jobs);
	list_push_back(&k->users, &u->link);
	return u;
}

static void user_leave(struct line_user *u)
{
	if (!list_empty(&u->jobs))
		return;
	list_remove(&u->link);
	free(u);
}

static struct line_job *job_at(struct limit_key *k, struct limit_job *job)
{
	struct line_user *u = user_at(k, job->uid);
	if (u == NULL)
		return NULL;
	LIST_EACH (it, &u->jobs) {
		struct line_job *j = LIST_ENTRY(it, struct line_job, link);
		if (j->job == job)
			return j;
	}
	struct line_job *j = calloc(1, sizeof(*j));
	if (j == NULL) {
		user_leave(u);
		return NULL;
	}
	j->user = u;
	j->key = k;
	j->job = job;
	j->time = u->job_time;
	list_init(&j->lanes);
	list_push_back(&u->jobs, &j->link);
	return j;
}

static void job_leave(struct line_job *j)
{
	struct line_user *u = j->user;
	if (!list_empty(&j->lanes))
		return;
	list_remove(&j->link);
	free(j);
	user_leave(u);
}

/* Into its job's line, in the order of the heads. */
static void stand(struct limit_lane *lane, struct line_job *j)
{
	uint64_t number = limit_lane_head(lane)->number;
	struct link *at = &j->lanes;
	while (at->prev != &j->lanes) {
		struct limit_lane *before = LIST_ENTRY(at->prev, struct limit_lane, in_line);
		if (limit_lane_head(before)->number < number)
			break;
		at = at->prev;
	}
	list_insert_before(at, &lane->in_line);
	lane->line = j;
}

static void head_changed(struct limit_lane *lane)
{
	list_remove(&lane->in_line);
	stand(lane, lane->line);
}

enum err limit_line_move(struct limiter *l, struct limit_lane *lane, struct limit_key *to,
			 enum limit_why why)
{
	lane->why = why;
	if (to == lane->at)
		return ERR_OK;
	struct line_job *j = job_at(to, lane->job);
	if (j == NULL)
		return ERR_NOMEM;
	struct line_job *old = lane->line;
	list_remove(&lane->in_line);
	lane->at->n_waiting -= lane->n;
	lane->at = to;
	to->n_waiting += lane->n;
	lane->since_ns = l->now_ns;
	stand(lane, j);
	job_leave(old);
	return ERR_OK;
}

/* ---- lanes ---- */

static uint32_t lane_name(const struct limit_ticket *t, uint64_t id[LIMIT_KEYS_OF_ONE + 1])
{
	id[0] = t->job;
	for (uint32_t i = 0; i < t->n_use; i++)
		id[i + 1] = t->use[i].key->serial;
	return t->n_use + 1;
}

static struct limit_lane *lane_new(struct limiter *l, const struct limit_ticket *t,
				   struct limit_key *at)
{
	struct limit_job *job = limit_job_get(l, t);
	struct limit_lane *lane = job != NULL ? calloc(1, sizeof(*lane)) : NULL;
	if (lane == NULL)
		goto no_lane;
	lane->id_n = lane_name(t, lane->id);
	lane->job = job;
	lane->at = at;
	lane->since_ns = l->now_ns;
	list_init(&lane->in_line);
	list_init(&lane->tickets);
	lane->line = job_at(at, job);
	if (lane->line == NULL)
		goto no_line;
	struct slice name = {(const char *)lane->id, lane->id_n * sizeof(lane->id[0])};
	if (table_put(&l->lanes, name, lane, NULL) != ERR_OK)
		goto no_name;
	list_push_back(&job->lanes, &lane->of_job);
	return lane;
no_name:
	job_leave(lane->line);
no_line:
	free(lane);
no_lane:
	if (job != NULL)
		limit_job_unref(l, job);
	return NULL;
}

static void lane_free(struct limiter *l, struct limit_lane *lane)
{
	struct slice name = {(const char *)lane->id, lane->id_n * sizeof(lane->id[0])};
	CHECK(table_remove(&l->lanes, name) == lane);
	list_remove(&lane->in_line);
	job_leave(lane->line);
	list_remove(&lane->of_job);
	limit_job_unref(l, lane->job);
	free(lane);
}

/* By number; nearly always at the end. */
static void insert_ticket(struct limit_lane *lane, struct limit_ticket *t)
{
	struct link *at = &lane->tickets;
	while (at->prev != &lane->tickets &&
	       LIST_ENTRY(at->prev, struct limit_ticket, link)->number > t->number)
		at = at->prev;
	list_insert_before(at, &t->link);
	lane->n++;
	lane->at->n_waiting++;
	t->lane = lane;
}

enum err limit_line_add(struct limiter *l, struct limit_ticket *t, struct limit_key *at,
			enum limit_why why)
{
	uint64_t id[LIMIT_KEYS_OF_ONE + 1];
	struct slice name = {(const char *)id, lane_name(t, id) * sizeof(id[0])};
	if (token_add(l, t) != ERR_OK)
		return ERR_NOMEM;
	struct limit_lane *lane = table_get(&l->lanes, name);
	if (lane == NULL) {
		lane = lane_new(l, t, at);
		if (lane == NULL) {
			token_remove(l, t);
			return ERR_NOMEM;
		}
		lane->why = why;
		insert_ticket(lane, t);
		stand(lane, lane->line);
		return ERR_OK;
	}
	insert_ticket(lane, t);
	if (limit_lane_head(lane) == t)
		head_changed(lane);
	return ERR_OK;
}

void limit_line_remove(struct limiter *l, struct limit_ticket *t)
{
	struct limit_lane *lane = t->lane;
	bool was_head = limit_lane_head(lane) == t;
	token_remove(l, t);
	list_remove(&t->link);
	t->lane = NULL;
	lane->n--;
	lane->at->n_waiting--;
	if (lane->n == 0)
		lane_free(l, lane);
	else if (was_head)
		head_changed(lane);
}

/* ---- turns ---- */

static double weight(const struct limiter *l, const struct line_job *j)
{
	const struct limit_lane *first = LIST_ENTRY(j->lanes.next, struct limit_lane, in_line);
	int64_t waited = l->now_ns - limit_lane_head(first)->since_ns;
	int64_t w = j->job->priority + (waited > 0 ? waited / AGE_NS : 0);
	return (double)(w < WEIGHT_MAX ? w : WEIGHT_MAX);
}

struct limit_lane *limit_line_next(struct limiter *l, struct limit_key *k)
{
	(void)l;
	struct line_user *user = NULL;
	LIST_EACH (it, &k->users) {
		struct line_user *u = LIST_ENTRY(it, struct line_user, link);
		if (user == NULL || u->time < user->time)
			user = u;
	}
	if (user == NULL)
		return NULL;
	struct line_job *job = NULL;
	LIST_EACH (it, &user->jobs) {
		struct line_job *j = LIST_ENTRY(it, struct line_job, link);
		if (job == NULL || j->time < job->time)
			job = j;
	}
	return LIST_ENTRY(job->lanes.next, struct limit_lane, in_line);
}

void limit_line_charge(struct limiter *l, struct limit_lane *lane)
{
	struct line_job *j = lane->line;
	struct line_user *u = j->user;
	lane->at->user_time = u->time;
	u->job_time = j->time;
	u->time += 1.0;
	j->time += 1.0 / weight(l, j);
}
