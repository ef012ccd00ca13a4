/*
 * jobs_list -- the jobs a caller may see, by growing number, page by page.
 *
 * Durable and volatile jobs live in two stores and share their numbers. Both are asked for a page
 * behind the same number; of the two a page is merged, and as either may hold more behind its last
 * row, the page ends with the smaller last row of those that were full.
 */
#include "actor/jobs_state.h"
#include "actor/store.h"
#include "proto/result.h"
#include "run/task.h"

#include <stdlib.h>

enum { DURABLE, VOLATILE, N_STORES };

struct listing {
	struct keeper *k;
	struct jobs_list ask;
	uint64_t token;
	int which;
	struct store_reading *r[N_STORES]; /* what they answered; NULL: not asked */
};

struct list_frame {
	act_co co;
	int rc;
	act_msg *m;
};

/* Also of a task that is killed between its two questions. */
static void listing_free(void *p)
{
	struct listing *l = p;
	for (int w = 0; w < N_STORES; w++)
		store_reading_drop(l->r[w]);
	free(l);
}

static act_id store_of(const struct listing *l)
{
	return l->which == DURABLE ? l->k->peers->durable : l->k->peers->memory;
}

static int ask(act_self *self, const struct listing *l, act_msg **ret_m)
{
	struct store_query q = {.kind = STORE_Q_JOBS,
				.uid = l->ask.uid,
				.has_uid = !l->ask.is_admin,
				.after = l->ask.after,
				.max_rows = l->ask.max};
	struct store_reading *r = store_reading_new(&q);
	if (r == NULL)
		return ACT_ENOMEM;
	return act_ask_buf(self, store_of(l), STORE_READ, r, sizeof(*r), store_reading_drop, ret_m);
}

static void add_job(struct bytes *b, const struct store_job *j, bool is_volatile)
{
	bytes_add_str(b, "{\"job\":\"");
	job_id_add(b, j->id, is_volatile);
	bytes_printf(b, "\",\"state\":\"%s\"", store_job_state_text(j->state));
	if (j->name.n > 0) {
		bytes_add_str(b, ",\"name\":");
		result_add_string(b, j->name);
	}
	bytes_printf(b,
		     ",\"uid\":%u,\"priority\":%u,\"ok\":%llu,\"failed\":%llu,\"cancelled\":%llu",
		     j->uid, j->priority, (unsigned long long)j->totals.ok,
		     (unsigned long long)j->totals.failed, (unsigned long long)j->totals.cancelled);
	bytes_add_str(b, ",\"created\":");
	result_add_instant(b, j->wall_created_ns);
	bytes_add_byte(b, '}');
}

static const struct store_rows *rows_of(const struct listing *l, int which)
{
	const struct store_reading *r = l->r[which];
	return r != NULL && r->result == ERR_OK ? &r->rows : NULL;
}

static const struct store_job *row_at(const struct store_rows *rows, uint32_t i)
{
	return rows != NULL && i < rows->n ? &rows->row[i].job : NULL;
}

/* The number behind which this page cannot tell what there is; UINT64_MAX: there is no more. */
static uint64_t known_up_to(const struct listing *l)
{
	uint64_t up_to = UINT64_MAX;
	for (int w = 0; w < N_STORES; w++) {
		const struct store_rows *rows = rows_of(l, w);
		if (rows == NULL || rows->n == 0 || rows->n < l->ask.max)
			continue;
		uint64_t last = rows->row[rows->n - 1].job.id;
		up_to = last < up_to ? last : up_to;
	}
	return up_to;
}

/* The smaller of the next rows of both stores that is within the page; NULL: none. */
static const struct store_job *take_next(const struct listing *l, uint32_t at[N_STORES],
					 uint64_t up_to, int *ret_which)
{
	const struct store_job *best = NULL;
	for (int w = 0; w < N_STORES; w++) {
		const struct store_job *j = row_at(rows_of(l, w), at[w]);
		if (j == NULL || j->id > up_to || (best != NULL && best->id <= j->id))
			continue;
		best = j;
		*ret_which = w;
	}
	if (best != NULL)
		at[*ret_which]++;
	return best;
}

static void add_page(const struct listing *l, struct bytes *out)
{
	uint32_t at[N_STORES] = {0, 0}, n = 0;
	uint64_t up_to = known_up_to(l), last = 0;
	const struct store_job *j;
	int which = DURABLE;
	bytes_add_str(out, "{\"jobs\":[");
	while (n < l->ask.max && (j = take_next(l, at, up_to, &which)) != NULL) {
		if (n++ > 0)
			bytes_add_byte(out, ',');
		add_job(out, j, which == VOLATILE);
		last = j->id;
	}
	bool has_more = up_to != UINT64_MAX || take_next(l, at, up_to, &which) != NULL;
	bytes_add_byte(out, ']');
	if (has_more)
		bytes_printf(out, ",\"next\":%llu", (unsigned long long)last);
	bytes_add_byte(out, '}');
}

static void take_answer(act_self *self, struct listing *l, act_msg *m)
{
	l->r[l->which] = act_data(m);
	m->buf.dtor = NULL; /* ours now */
	act_drop(self, m);
}

static int list_step(act_self *self, void *frame)
{
	struct list_frame *f = frame;
	struct listing *l = act_arg(self);
	struct bytes head = BYTES_LIMIT(0), out = BYTES_LIMIT(0);
	CO_BEGIN(&f->co);
	for (l->which = 0; l->which < N_STORES; l->which++) {
		if (store_of(l) == 0)
			continue;
		CO_AWAIT(&f->co, f->rc, ask(self, l, &f->m));
		if (f->rc != ACT_OK)
			break;
		take_answer(self, l, f->m);
	}
	if (f->rc == ACT_OK) {
		add_page(l, &out);
		job_reply_send(self, l->token, JOBS_LIST, job_reply_new(&head, &out));
	} else {
		act_reply_error(self, l->token, f->rc);
	}
	bytes_fini(&out);
	CO_END(&f->co);
}

void keeper_list(act_self *self, struct keeper *k, const struct jobs_list *ask_for, uint64_t token)
{
	struct listing *l = calloc(1, sizeof(*l));
	struct act_task_opts o = {.name = "jobs.list", .arg = l, .arg_dtor = listing_free};
	if (l != NULL)
		*l = (struct listing){.k = k, .ask = *ask_for, .token = token};
	if (l == NULL || act_spawn_task(self, list_step, sizeof(struct list_frame), &o) == 0)
		act_reply_error(self, token, ACT_ENOMEM);
}
