/*
 * store_memory_read -- the queries on the memory store. Rows own copies of all texts, since what
 * they came from may be dropped before they are used.
 */
#include "edge/store_memory.h"

#include "base/check.h"

#define ROW_BYTES 64

struct read {
	const struct mem_store *s;
	const struct store_query *q;
	struct store_rows *rows;
};

/* Adds a row whose record is copied from `from`; its n texts are then copied too. */
static enum err add_row(const struct read *r, const struct store_row *from,
			const struct slice *const *text, size_t n, struct store_row **ret_row)
{
	size_t n_bytes = ROW_BYTES;
	enum err e;

	for (size_t i = 0; i < n; i++)
		n_bytes += text[i]->n;
	e = store_rows_add(r->rows, r->q, n_bytes, ret_row);
	if (e == ERR_OK)
		**ret_row = *from;
	return e;
}

static enum err copy(const struct read *r, struct slice *const *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		enum err e = store_rows_copy(r->rows, *text[i], text[i]);
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

/* `n` texts of the record kind `member`, named by its members, into the rows. */
#define ADD_ROW(r, member, record, n, ...)                                                         \
	do {                                                                                       \
		const struct store_row from_ = {.member = (record)};                               \
		struct store_row *row_;                                                            \
		const struct store_row *k_ = &from_;                                               \
		const struct slice *const in_[] = {TEXTS_##n(k_->member, __VA_ARGS__)};            \
		enum err e_ = add_row((r), &from_, in_, (n), &row_);                               \
		if (e_ != ERR_OK)                                                                  \
			return e_;                                                                 \
		struct slice *const out_[] = {TEXTS_##n(row_->member, __VA_ARGS__)};               \
		return copy((r), out_, (n));                                                       \
	} while (0)
#define TEXTS_2(rec, a, b)	       &(rec).a, &(rec).b
#define TEXTS_3(rec, a, b, c)	       &(rec).a, &(rec).b, &(rec).c
#define TEXTS_6(rec, a, b, c, d, e, f) &(rec).a, &(rec).b, &(rec).c, &(rec).d, &(rec).e, &(rec).f

static enum err add_job(const struct read *r, const struct store_job *record, bool with_texts)
{
	const struct slice none = {"", 0};
	struct store_job j = *record;

	if (!with_texts)
		j.spec = j.vars = j.error = j.scopes = none;
	ADD_ROW(r, job, j, 6, name, idem, spec, vars, error, scopes);
}

static enum err add_fact(const struct read *r, const struct store_fact *f)
{
	ADD_ROW(r, fact, *f, 3, path, kind, data);
}

static enum err add_feed(const struct read *r, const struct store_feed *f)
{
	ADD_ROW(r, feed, *f, 2, path, lines);
}

static enum err add_chunk(const struct read *r, const struct store_chunk *record, bool with_lines)
{
	struct store_chunk c = *record;

	if (!with_lines)
		c.lines = (struct slice){"", 0};
	ADD_ROW(r, chunk, c, 2, done, lines);
}

static enum err add_cursor(const struct read *r, const struct store_cursor *c)
{
	ADD_ROW(r, cursor, *c, 2, path, gaps);
}

static enum err add_key(const struct read *r, const struct store_key *k)
{
	ADD_ROW(r, key, *k, 3, name, quota, learned);
}

static enum err add_hold(const struct read *r, const struct store_hold *h)
{
	ADD_ROW(r, hold, *h, 3, name, session, data);
}

static enum err add_named(const struct read *r, const struct store_named *n)
{
	ADD_ROW(r, named, *n, 3, name, holder, data);
}

static enum err add_validator(const struct read *r, const struct store_validator *v)
{
	ADD_ROW(r, validator, *v, 3, url, etag, last_modified);
}

static enum err add_opid(const struct read *r, const struct store_opid *o)
{
	ADD_ROW(r, opid, *o, 2, op_id, answer);
}

static enum err add_plain(const struct read *r, const struct store_row *from)
{
	struct store_row *row;

	return add_row(r, from, NULL, 0, &row);
}

/* ---- one function per query; END means the rows are full ---- */

static enum err read_job(const struct read *r)
{
	const struct mem_job *j = mem_job_find(r->s, r->q->job);

	return j == NULL ? ERR_NOT_FOUND : add_job(r, &j->job, true);
}

static enum err read_job_idem(const struct read *r)
{
	const struct mem_job *j = mem_job_by_idem(r->s, r->q->uid, r->q->text);

	return j == NULL || r->q->text.n == 0 ? ERR_NOT_FOUND : add_job(r, &j->job, false);
}

static bool is_open(enum store_job_state s)
{
	return s == STORE_JOB_RUNNING || s == STORE_JOB_PAUSED || s == STORE_JOB_CANCELLING;
}

static bool wants_job(const struct store_query *q, const struct store_job *j)
{
	if (j->state == STORE_JOB_FORGOTTEN || j->id <= q->after)
		return false;
	if (q->kind == STORE_Q_OPEN)
		return is_open(j->state);
	return !q->has_uid || j->uid == q->uid;
}

static enum err read_jobs(const struct read *r)
{
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < r->s->job.n; i++) {
		const struct mem_job *j = r->s->job.at[i];
		if (wants_job(r->q, &j->job))
			e = add_job(r, &j->job, false);
	}
	return e;
}

static enum err read_queued(const struct read *r)
{
	uint64_t after = r->q->after;
	enum err e = ERR_OK;

	for (int p = r->q->priority; e == ERR_OK && p >= 0; p--) {
		for (size_t i = 0; e == ERR_OK && i < r->s->job.n; i++) {
			const struct mem_job *j = r->s->job.at[i];
			if (j->job.state == STORE_JOB_QUEUED && j->job.priority == p &&
			    j->job.id > after)
				e = add_job(r, &j->job, false);
		}
		after = 0;
	}
	return e;
}

static enum err read_facts(const struct read *r)
{
	const struct mem_job *j = mem_job_find(r->s, r->q->job);
	const struct store_fact key = {.path = r->q->after_path, .n = r->q->after_n};
	enum err e = ERR_OK;
	size_t i;

	if (j == NULL)
		return ERR_OK;
	i = r->q->has_after ? ordered_find(&j->fact, mem_cmp_fact, &key) : 0;
	if (r->q->has_after && i < j->fact.n && mem_cmp_fact(j->fact.at[i], &key) == 0)
		i++;
	for (; e == ERR_OK && i < j->fact.n; i++)
		e = add_fact(r, j->fact.at[i]);
	return e;
}

static enum err read_feed(const struct read *r)
{
	const struct mem_job *j = mem_job_find(r->s, r->q->job);
	enum err e = ERR_OK;

	for (size_t i = 0; j != NULL && e == ERR_OK && i < j->feed.n; i++) {
		const struct store_feed *f = j->feed.at[i];
		if (slice_eq(f->path, r->q->path) && (f->first + f->n > r->q->after || f->is_eof))
			e = add_feed(r, f);
	}
	return e;
}

static enum err read_chunks(const struct read *r)
{
	const struct mem_job *j = mem_job_find(r->s, r->q->job);
	const uint64_t next = r->q->after + 1;
	enum err e = ERR_OK;

	if (j == NULL)
		return ERR_OK;
	for (size_t i = ordered_find(&j->chunk, mem_cmp_chunk, &next);
	     e == ERR_OK && i < j->chunk.n; i++)
		e = add_chunk(r, j->chunk.at[i], r->q->kind == STORE_Q_CHUNKS);
	return e;
}

static enum err read_cursors(const struct read *r)
{
	const struct mem_job *j = mem_job_find(r->s, r->q->job);
	enum err e = ERR_OK;

	for (size_t i = 0; j != NULL && e == ERR_OK && i < j->cursor.n; i++) {
		const struct store_cursor *c = j->cursor.at[i];
		if (!r->q->has_after || mem_cmp_slice(c->path, r->q->after_path) > 0)
			e = add_cursor(r, c);
	}
	return e;
}

static enum err read_keys(const struct read *r)
{
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < r->s->key.n; i++) {
		const struct store_key *k = r->s->key.at[i];
		if (!r->q->has_after || mem_cmp_slice(k->name, r->q->text) > 0)
			e = add_key(r, k);
	}
	return e;
}

static enum err read_holds(const struct read *r)
{
	const struct store_hold after = {.name = r->q->text, .session = r->q->after_path};
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < r->s->hold.n; i++) {
		const struct store_hold *h = r->s->hold.at[i];
		if (!r->q->has_after || mem_cmp_hold(h, &after) > 0)
			e = add_hold(r, h);
	}
	return e;
}

static enum err read_named(const struct read *r)
{
	const struct store_named after = {.name = r->q->text, .n = r->q->after_n};
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < r->s->named.n; i++) {
		const struct store_named *n = r->s->named.at[i];
		if (!r->q->has_after || mem_cmp_named(n, &after) > 0)
			e = add_named(r, n);
	}
	return e;
}

static enum err read_validator(const struct read *r)
{
	const struct store_validator key = {.uid = r->q->uid, .url = r->q->text};
	const struct store_validator *v = ordered_get(&r->s->validator, mem_cmp_validator, &key);

	return v == NULL ? ERR_NOT_FOUND : add_validator(r, v);
}

static enum err read_opid(const struct read *r)
{
	const struct store_opid key = {.uid = r->q->uid, .op_id = r->q->text};
	const struct store_opid *o = ordered_get(&r->s->opid, mem_cmp_opid, &key);

	return o == NULL ? ERR_NOT_FOUND : add_opid(r, o);
}

static enum err read_bodies(const struct read *r)
{
	const struct mem_job *j = mem_job_find(r->s, r->q->job);
	bool is_one = r->q->kind == STORE_Q_BODY;
	enum err e = ERR_OK;

	for (size_t i = 0; j != NULL && e == ERR_OK && i < j->body.n; i++) {
		const struct store_body *b = j->body.at[i];
		const struct store_row row = {.body = *b};
		if (is_one ? b->seq == r->q->after : b->id > r->q->after)
			e = add_plain(r, &row);
	}
	return e == ERR_OK && is_one && r->rows->n == 0 ? ERR_NOT_FOUND : e;
}

static enum err read_counter(const struct read *r)
{
	const struct store_counter *c = ordered_get(&r->s->counter, mem_cmp_counter, &r->q->text);
	const struct store_row from = {.counter = {.value = c == NULL ? 0 : c->value}};
	struct store_row *row;
	enum err e = add_row(r, &from, NULL, 0, &row);

	return e == ERR_OK ? store_rows_copy(r->rows, r->q->text, &row->counter.name) : e;
}

static enum err read_usage(const struct read *r)
{
	struct store_row row = {.usage = {.n_bytes = r->s->used_bytes}};

	for (size_t i = 0; i < r->s->job.n; i++) {
		enum store_job_state state = ((const struct mem_job *)r->s->job.at[i])->job.state;
		row.usage.n_jobs += state != STORE_JOB_FORGOTTEN;
		row.usage.n_queued += state == STORE_JOB_QUEUED;
		row.usage.n_open += is_open(state);
	}
	return add_plain(r, &row);
}

static enum err (*const read_query[STORE_QUERY_KINDS])(const struct read *) = {
	[STORE_Q_JOB] = read_job,
	[STORE_Q_JOB_IDEM] = read_job_idem,
	[STORE_Q_JOBS] = read_jobs,
	[STORE_Q_OPEN] = read_jobs,
	[STORE_Q_QUEUED] = read_queued,
	[STORE_Q_FACTS] = read_facts,
	[STORE_Q_FEED] = read_feed,
	[STORE_Q_CHUNKS] = read_chunks,
	[STORE_Q_DONE] = read_chunks,
	[STORE_Q_CURSORS] = read_cursors,
	[STORE_Q_KEYS] = read_keys,
	[STORE_Q_HOLDS] = read_holds,
	[STORE_Q_NAMED] = read_named,
	[STORE_Q_OPID] = read_opid,
	[STORE_Q_BODY] = read_bodies,
	[STORE_Q_BODIES] = read_bodies,
	[STORE_Q_VALIDATOR] = read_validator,
	[STORE_Q_COUNTER] = read_counter,
	[STORE_Q_USAGE] = read_usage,
};

enum err mem_read(struct store *base, const struct store_query *q, struct store_rows *rows)
{
	const struct read r = {.s = (struct mem_store *)base, .q = q, .rows = rows};
	enum err e = read_query[q->kind](&r);

	return e == ERR_END ? ERR_OK : e;
}
