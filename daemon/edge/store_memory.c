/*
 * store_memory -- the volatile store: opening, closing, order of records. See store_memory.h.
 */
#include "edge/store_memory.h"

#include "base/check.h"
#include "edge/bodyfile.h"

#include <stdlib.h>
#include <string.h>

/* ---- order ---- */

static int cmp_u64(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

int mem_cmp_slice(struct slice a, struct slice b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n == 0 ? 0 : memcmp(a.p, b.p, n);

	return c != 0 ? c : cmp_u64(a.n, b.n);
}

int mem_cmp_job(const void *item, const void *id)
{
	return cmp_u64(((const struct mem_job *)item)->job.id, *(const uint64_t *)id);
}

int mem_cmp_feed(const void *item, const void *feed)
{
	const struct store_feed *a = item, *b = feed;
	int c = mem_cmp_slice(a->path, b->path);

	return c != 0 ? c : cmp_u64(a->first, b->first);
}

int mem_cmp_fact(const void *item, const void *fact)
{
	const struct store_fact *a = item, *b = fact;
	int c = mem_cmp_slice(a->path, b->path);

	return c != 0 ? c : cmp_u64(a->n, b->n);
}

/* By the last seq of the chunk, so that looking for a seq finds the chunk that holds it. */
int mem_cmp_chunk(const void *item, const void *seq)
{
	const struct store_chunk *c = item;

	return cmp_u64(c->first_seq + c->n - 1, *(const uint64_t *)seq);
}

int mem_cmp_cursor(const void *item, const void *path)
{
	return mem_cmp_slice(((const struct store_cursor *)item)->path,
			     *(const struct slice *)path);
}

int mem_cmp_body(const void *item, const void *id)
{
	return cmp_u64(((const struct store_body *)item)->id, *(const uint64_t *)id);
}

int mem_cmp_key(const void *item, const void *name)
{
	return mem_cmp_slice(((const struct store_key *)item)->name, *(const struct slice *)name);
}

int mem_cmp_hold(const void *item, const void *hold)
{
	const struct store_hold *a = item, *b = hold;
	int c = mem_cmp_slice(a->name, b->name);

	return c != 0 ? c : mem_cmp_slice(a->session, b->session);
}

int mem_cmp_named(const void *item, const void *named)
{
	const struct store_named *a = item, *b = named;
	int c = mem_cmp_slice(a->name, b->name);

	return c != 0 ? c : cmp_u64(a->n, b->n);
}

int mem_cmp_validator(const void *item, const void *validator)
{
	const struct store_validator *a = item, *b = validator;

	return a->uid != b->uid ? cmp_u64(a->uid, b->uid) : mem_cmp_slice(a->url, b->url);
}

int mem_cmp_opid(const void *item, const void *opid)
{
	const struct store_opid *a = item, *b = opid;
	int c = cmp_u64(a->uid, b->uid);

	return c != 0 ? c : mem_cmp_slice(a->op_id, b->op_id);
}

int mem_cmp_counter(const void *item, const void *name)
{
	return mem_cmp_slice(((const struct store_counter *)item)->name,
			     *(const struct slice *)name);
}

/* ---- records ---- */

void *mem_record(const void *record, size_t size, struct slice *const *text, size_t n)
{
	size_t total = size;
	char *p, *at;

	for (size_t i = 0; i < n; i++)
		total += text[i]->n;
	p = malloc(total);
	if (p == NULL)
		return NULL;
	at = p + size;
	for (size_t i = 0; i < n; i++) {
		if (text[i]->n > 0)
			memcpy(at, text[i]->p, text[i]->n);
		*text[i] = (struct slice){at, text[i]->n};
		at += text[i]->n;
	}
	memcpy(p, record, size);
	return p;
}

struct mem_job *mem_job_find(const struct mem_store *s, uint64_t id)
{
	struct mem_job *j = ordered_get(&s->job, mem_cmp_job, &id);

	return j == NULL || j->job.state == STORE_JOB_FORGOTTEN ? NULL : j;
}

struct mem_job *mem_job_by_idem(const struct mem_store *s, uint32_t uid, struct slice idem)
{
	for (size_t i = 0; i < s->job.n; i++) {
		struct mem_job *j = s->job.at[i];
		if (j->job.uid == uid && j->job.state != STORE_JOB_FORGOTTEN &&
		    slice_eq(j->job.idem, idem))
			return j;
	}
	return NULL;
}

void mem_list_free(struct ordered *o)
{
	for (size_t i = 0; i < o->n; i++)
		free(o->at[i]);
	ordered_fini(o);
}

void mem_job_free(struct mem_job *j)
{
	mem_list_free(&j->feed);
	mem_list_free(&j->fact);
	mem_list_free(&j->chunk);
	mem_list_free(&j->cursor);
	mem_list_free(&j->body);
	store_mem_free(&j->texts);
	free(j);
}

/* ---- the keeper ---- */

static enum err memory_apply(struct store *base, struct store_batch *const *batch, size_t n)
{
	struct mem_store *s = (struct mem_store *)base;

	for (size_t i = 0; i < n; i++) {
		enum err e = batch[i]->result == ERR_TOO_LARGE ? ERR_OK : mem_batch(s, batch[i]);
		if (e != ERR_OK)
			return failure_set(&base->failure, e, "memory store", err_text(e));
	}
	FAULT(base->fault, after_commit_before_ack);
	return ERR_OK;
}

static bool memory_is_untidy(const struct store *base)
{
	(void)base;
	return false;
}

static enum err memory_tidy(struct store *base)
{
	(void)base;
	return ERR_OK;
}

static void memory_close(struct store *base)
{
	struct mem_store *s = (struct mem_store *)base;

	for (size_t i = 0; i < s->job.n; i++)
		mem_job_free(s->job.at[i]);
	ordered_fini(&s->job);
	mem_list_free(&s->key);
	mem_list_free(&s->hold);
	mem_list_free(&s->named);
	mem_list_free(&s->validator);
	mem_list_free(&s->opid);
	mem_list_free(&s->counter);
	if (s->owns_bodies)
		bodydir_close(base->bodies);
	free(s);
}

static const struct store_keeper keeper = {
	.apply = memory_apply,
	.read = mem_read,
	.is_untidy = memory_is_untidy,
	.tidy = memory_tidy,
	.close = memory_close,
};

enum err store_memory_open(const struct store_options *o, struct store **ret_store)
{
	struct mem_store *s = calloc(1, sizeof(*s));
	const struct bodydir_options bodies = {.dir = o->dir,
					       .name = "volatile-bodies",
					       .failure = s == NULL ? NULL : &s->base.failure,
					       .fault = o->fault};
	enum err e = ERR_OK;

	if (s == NULL)
		return ERR_NOMEM;
	s->base = (struct store){.keeper = &keeper,
				 .is_immediate = !o->plays_disk,
				 .log = o->log,
				 .fault = o->fault,
				 .max_bytes = o->max_bytes};
	s->base.bodies = o->bodies;
	s->owns_bodies = o->dir != NULL;
	if (o->dir != NULL)
		e = bodydir_open(&bodies, &s->base.bodies);
	if (e != ERR_OK) {
		free(s);
		return e;
	}
	*ret_store = &s->base;
	return ERR_OK;
}
