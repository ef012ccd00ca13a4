/*
 * store_memory_ops -- what each op does to the memory store: conditions of a whole batch first, as
 * store_sqlite_ops does.
 */
#include "edge/store_memory.h"

#include "base/check.h"
#include "edge/bodyfile.h"

#include <stdlib.h>

#define N_OF(a) (sizeof(a) / sizeof((a)[0]))

/* ---- conditions ---- */

struct check {
	struct mem_store *s;
	struct store_batch *b;
	uint32_t i;
	const struct store_op *op;
};

static enum err check_there(const struct check *c, uint64_t job)
{
	return mem_job_find(c->s, job) != NULL || store_batch_puts_job(c->b, c->i, job)
		       ? ERR_OK
		       : ERR_NOT_FOUND;
}

static bool is_full(const struct mem_store *s)
{
	return s->base.max_bytes != 0 && s->used_bytes >= s->base.max_bytes;
}

static enum err check_job_put(const struct check *c)
{
	const struct store_job *put = &c->op->job;
	const struct mem_job *j;

	j = put->idem.n == 0 ? NULL : mem_job_by_idem(c->s, put->uid, put->idem);
	if (j != NULL) {
		c->b->ret_job = j->job.id;
		return slice_eq(j->job.spec, put->spec) && slice_eq(j->job.vars, put->vars)
			       ? ERR_EXISTS
			       : ERR_CONFLICT;
	}
	if (ordered_get(&c->s->job, mem_cmp_job, &put->id) != NULL)
		return ERR_EXISTS;
	return is_full(c->s) ? ERR_FULL : ERR_OK;
}

static enum err check_owner(const struct check *c)
{
	return check_there(c, store_op_owner(c->op));
}

static enum err check_command(const struct check *c)
{
	const struct mem_job *j = mem_job_find(c->s, c->op->command.job);

	if (j == NULL)
		return check_there(c, c->op->command.job);
	return store_command_fits(c->op->command.command, j->job.state) ? ERR_OK : ERR_CONFLICT;
}

static enum err check_chunk(const struct check *c)
{
	const struct mem_job *j = mem_job_find(c->s, c->op->chunk.job);

	if (j == NULL)
		return check_there(c, c->op->chunk.job);
	bool is_old = c->op->chunk.n > 0 && c->op->chunk.first_seq <= j->job.last_seq;
	return is_old ? ERR_EXISTS : ERR_OK;
}

static enum err check_opid(const struct check *c)
{
	const struct store_opid *o = ordered_get(&c->s->opid, mem_cmp_opid, &c->op->opid);

	if (o == NULL)
		return ERR_OK;
	return store_batch_copy(c->b, o->answer, &c->b->ret_answer) == ERR_OK ? ERR_EXISTS
									      : ERR_NOMEM;
}

static enum err (*const check_op[STORE_OP_KINDS])(const struct check *) = {
	[STORE_JOB_PUT] = check_job_put,     [STORE_JOB_STATE] = check_owner,
	[STORE_JOB_COMMAND] = check_command, [STORE_JOB_FORGET] = check_owner,
	[STORE_CHUNK_ADD] = check_chunk,     [STORE_ACK] = check_owner,
	[STORE_OPID_PUT] = check_opid,	     [STORE_FEED_ADD] = check_owner,
	[STORE_FACT_PUT] = check_owner,	     [STORE_CURSOR_PUT] = check_owner,
	[STORE_BODY_PUT] = check_owner,	     [STORE_BODY_SEQ] = check_owner,
};

/* ---- effects ---- */

/* Puts a copy of the record at its place, over the one with the same key if replace. */
static enum err put(struct ordered *o, ordered_cmp cmp, const void *key, void *record, bool replace)
{
	size_t i = ordered_find(o, cmp, key);

	if (record == NULL)
		return ERR_NOMEM;
	if (i < o->n && cmp(o->at[i], key) == 0) {
		if (replace) {
			free(o->at[i]);
			o->at[i] = record;
		} else {
			free(record);
		}
		return ERR_OK;
	}
	if (ordered_insert(o, i, record) != ERR_OK) {
		free(record);
		return ERR_NOMEM;
	}
	return ERR_OK;
}

static void drop(struct ordered *o, ordered_cmp cmp, const void *key)
{
	size_t i = ordered_find(o, cmp, key);

	if (i == o->n || cmp(o->at[i], key) != 0)
		return;
	free(o->at[i]);
	ordered_remove(o, i, 1);
}

static enum err raise_counter(struct mem_store *s, struct slice name, uint64_t value)
{
	struct store_counter c = {.name = name, .value = value};
	struct store_counter *old = ordered_get(&s->counter, mem_cmp_counter, &name);
	struct slice *const texts[] = {&c.name};

	if (old != NULL) {
		if (old->value < value)
			old->value = value;
		return ERR_OK;
	}
	return put(&s->counter, mem_cmp_counter, &name, mem_record(&c, sizeof(c), texts, 1), true);
}

static enum err do_job_put(struct mem_store *s, struct store_op *op)
{
	struct mem_job *j = calloc(1, sizeof(*j));
	struct slice *const texts[] = {&j->job.name, &j->job.idem, &j->job.spec, &j->job.vars};
	const struct slice none = {"", 0};
	enum err e = ERR_OK;

	if (j == NULL)
		return ERR_NOMEM;
	j->job = op->job;
	j->job.error = j->job.scopes = none;
	j->job.was_started = j->job.wall_started_ns != 0;
	j->job.last_seq = j->job.acked_seq = j->job.n_bytes = 0;
	for (size_t i = 0; e == ERR_OK && i < N_OF(texts); i++)
		e = store_mem_copy(&j->texts, *texts[i], texts[i]);
	if (e == ERR_OK)
		e = ordered_insert(&s->job, ordered_find(&s->job, mem_cmp_job, &j->job.id), j);
	if (e != ERR_OK) {
		mem_job_free(j);
		return e;
	}
	return raise_counter(s, slice_of("job"), j->job.id);
}

static void set_state(struct store_job *j, struct mem_job *m, enum store_job_state state,
		      int64_t wall_at_ns)
{
	j->state = state;
	if (state == STORE_JOB_RUNNING && wall_at_ns != 0 && j->wall_started_ns == 0)
		j->wall_started_ns = wall_at_ns;
	j->was_started = j->wall_started_ns != 0;
	j->wall_ended_ns = store_job_has_ended(state) ? wall_at_ns : 0;
	m->wall_expires_ns =
		j->wall_ended_ns != 0 && j->keep_ns > 0 ? j->wall_ended_ns + j->keep_ns : 0;
}

static enum err do_state(struct mem_store *s, struct store_op *op)
{
	const struct store_state_op *o = &op->state;
	struct mem_job *j = mem_job_find(s, o->job);
	enum err e = ERR_OK;

	set_state(&j->job, j, o->state, o->wall_at_ns);
	if (o->has_totals)
		j->job.totals = o->totals;
	if (o->error.n > 0)
		e = store_mem_copy(&j->texts, o->error, &j->job.error);
	if (e == ERR_OK && o->scopes.n > 0)
		e = store_mem_copy(&j->texts, o->scopes, &j->job.scopes);
	s->must_prune |= store_job_has_ended(o->state);
	return e;
}

static enum err do_fact_put(struct mem_store *s, struct store_op *op)
{
	struct store_fact f = op->fact;
	struct slice *const texts[] = {&f.path, &f.kind, &f.data};
	struct mem_job *j = mem_job_find(s, f.job);

	return put(&j->fact, mem_cmp_fact, &op->fact, mem_record(&f, sizeof(f), texts, 3), true);
}

static enum err do_command(struct mem_store *s, struct store_op *op)
{
	const struct store_command_op *o = &op->command;
	struct mem_job *j = mem_job_find(s, o->job);
	const struct slice none = {"", 0};
	struct store_op fact = {.kind = STORE_FACT_PUT,
				.fact = {.job = o->job,
					 .path = none,
					 .n = o->command,
					 .kind = slice_of(store_command_text(o->command)),
					 .wall_at_ns = o->wall_at_ns,
					 .data = o->why}};

	set_state(&j->job, j, store_command_state(o->command, j->job.was_started), 0);
	if (o->command == STORE_COMMAND_RETRY)
		j->job.error = j->job.scopes = none;
	return do_fact_put(s, &fact);
}

static enum err do_forget(struct mem_store *s, struct store_op *op)
{
	mem_job_find(s, op->ref.job)->job.state = STORE_JOB_FORGOTTEN;
	s->must_prune = true;
	return ERR_OK;
}

static enum err do_feed_add(struct mem_store *s, struct store_op *op)
{
	struct store_feed f = op->feed;
	struct slice *const texts[] = {&f.path, &f.lines};
	struct mem_job *j = mem_job_find(s, f.job);

	return put(&j->feed, mem_cmp_feed, &op->feed, mem_record(&f, sizeof(f), texts, 2), false);
}

static enum err do_feed_drop(struct mem_store *s, struct store_op *op)
{
	struct mem_job *j = mem_job_find(s, op->range.job);
	const struct store_feed first = {.path = op->range.path};
	size_t i, n = 0;

	if (j == NULL)
		return ERR_OK;
	i = ordered_find(&j->feed, mem_cmp_feed, &first);
	for (; i + n < j->feed.n; n++) {
		struct store_feed *f = j->feed.at[i + n];
		if (!slice_eq(f->path, op->range.path) || f->first + f->n > op->range.n ||
		    f->first >= op->range.n || f->is_eof)
			break;
		free(f);
	}
	ordered_remove(&j->feed, i, n);
	return ERR_OK;
}

static enum err do_fact_drop(struct mem_store *s, struct store_op *op)
{
	struct mem_job *j = mem_job_find(s, op->range.job);
	const struct store_fact key = {.path = op->range.path, .n = op->range.n};

	if (j != NULL)
		drop(&j->fact, mem_cmp_fact, &key);
	return ERR_OK;
}

static bool is_in_tree(struct slice path, struct slice root)
{
	return slice_eq(path, root) || (path.n > root.n && path.p[root.n] == '.' &&
					slice_eq((struct slice){path.p, root.n}, root));
}

/* All three kinds of record begin with job and path. */
struct with_path {
	uint64_t job;
	struct slice path;
};
_Static_assert(offsetof(struct store_feed, path) == offsetof(struct with_path, path), "feed");
_Static_assert(offsetof(struct store_fact, path) == offsetof(struct with_path, path), "fact");
_Static_assert(offsetof(struct store_cursor, path) == offsetof(struct with_path, path), "cursor");

static void drop_tree(struct ordered *o, struct slice root)
{
	size_t kept = 0;

	for (size_t i = 0; i < o->n; i++) {
		struct with_path *r = o->at[i];
		if (is_in_tree(r->path, root))
			free(r);
		else
			o->at[kept++] = r;
	}
	o->n = kept;
}

static enum err do_tree_drop(struct mem_store *s, struct store_op *op)
{
	struct mem_job *j = mem_job_find(s, op->range.job);

	if (j == NULL)
		return ERR_OK;
	drop_tree(&j->fact, op->range.path);
	drop_tree(&j->cursor, op->range.path);
	drop_tree(&j->feed, op->range.path);
	return ERR_OK;
}

static enum err put_chunk(struct mem_job *j, struct store_chunk c)
{
	struct slice *const texts[] = {&c.done, &c.lines};
	void *record = mem_record(&c, sizeof(c), texts, 2);

	if (record == NULL)
		return ERR_NOMEM;
	if (ordered_insert(&j->chunk, j->chunk.n, record) != ERR_OK) {
		free(record);
		return ERR_NOMEM;
	}
	j->job.last_seq = c.first_seq + c.n - 1;
	return ERR_OK;
}

static enum err do_chunk_add(struct mem_store *s, struct store_op *op)
{
	const struct store_chunk *c = &op->chunk;
	struct mem_job *j = mem_job_find(s, c->job);
	enum err e = c->n > 0 ? put_chunk(j, *c) : ERR_OK;

	if (e != ERR_OK)
		return e;
	j->job.totals.ok += c->n_ok;
	j->job.totals.failed += c->n_failed;
	j->job.totals.cancelled += c->n_cancelled;
	j->job.n_bytes += c->lines.n;
	s->used_bytes += c->lines.n;
	return ERR_OK;
}

static enum err do_ack(struct mem_store *s, struct store_op *op)
{
	struct mem_job *j = mem_job_find(s, op->ack.job);

	if (j->job.acked_seq < op->ack.seq)
		j->job.acked_seq = op->ack.seq;
	s->must_prune = true;
	return ERR_OK;
}

static enum err do_cursor_put(struct mem_store *s, struct store_op *op)
{
	struct store_cursor c = op->cursor;
	struct slice *const texts[] = {&c.path, &c.gaps};
	struct mem_job *j = mem_job_find(s, c.job);

	return put(&j->cursor, mem_cmp_cursor, &op->cursor.path,
		   mem_record(&c, sizeof(c), texts, 2), true);
}

static enum err do_key_put(struct mem_store *s, struct store_op *op)
{
	struct store_key k = op->key;
	struct slice *const texts[] = {&k.name, &k.quota, &k.learned};

	return put(&s->key, mem_cmp_key, &op->key.name, mem_record(&k, sizeof(k), texts, 3), true);
}

static enum err do_key_drop(struct mem_store *s, struct store_op *op)
{
	drop(&s->key, mem_cmp_key, &op->counter.name);
	return ERR_OK;
}

static enum err do_body_put(struct mem_store *s, struct store_op *op)
{
	struct mem_job *j = mem_job_find(s, op->body.job);
	enum err e;

	e = put(&j->body, mem_cmp_body, &op->body.id,
		mem_record(&op->body, sizeof(op->body), NULL, 0), true);
	if (e != ERR_OK)
		return e;
	j->job.n_bytes += op->body.size;
	s->used_bytes += op->body.size;
	return raise_counter(s, slice_of("body"), op->body.id);
}

static enum err do_body_seq(struct mem_store *s, struct store_op *op)
{
	struct mem_job *j = mem_job_find(s, op->body.job);
	size_t i = ordered_find(&j->body, mem_cmp_body, &op->body.id);

	if (i < j->body.n && mem_cmp_body(j->body.at[i], &op->body.id) == 0)
		((struct store_body *)j->body.at[i])->seq = op->body.seq;
	return ERR_OK;
}

static enum err do_hold_put(struct mem_store *s, struct store_op *op)
{
	struct store_hold h = op->hold;
	struct slice *const texts[] = {&h.name, &h.session, &h.data};

	return put(&s->hold, mem_cmp_hold, &op->hold, mem_record(&h, sizeof(h), texts, 3), true);
}

static enum err do_hold_drop(struct mem_store *s, struct store_op *op)
{
	drop(&s->hold, mem_cmp_hold, &op->hold);
	return ERR_OK;
}

static enum err do_opid_put(struct mem_store *s, struct store_op *op)
{
	struct store_opid o = op->opid;
	struct slice *const texts[] = {&o.op_id, &o.answer};

	return put(&s->opid, mem_cmp_opid, &op->opid, mem_record(&o, sizeof(o), texts, 2), true);
}

static enum err do_counter_put(struct mem_store *s, struct store_op *op)
{
	return raise_counter(s, op->counter.name, op->counter.value);
}

static enum err do_prune(struct mem_store *s, struct store_op *op)
{
	if (op->prune.full_bytes != 0)
		s->base.max_bytes = op->prune.full_bytes;
	return mem_prune(s, &op->prune);
}

static enum err (*const do_op[STORE_OP_KINDS])(struct mem_store *, struct store_op *) = {
	[STORE_JOB_PUT] = do_job_put,
	[STORE_JOB_STATE] = do_state,
	[STORE_JOB_COMMAND] = do_command,
	[STORE_JOB_FORGET] = do_forget,
	[STORE_FEED_ADD] = do_feed_add,
	[STORE_FEED_DROP] = do_feed_drop,
	[STORE_FACT_PUT] = do_fact_put,
	[STORE_FACT_DROP] = do_fact_drop,
	[STORE_TREE_DROP] = do_tree_drop,
	[STORE_CHUNK_ADD] = do_chunk_add,
	[STORE_ACK] = do_ack,
	[STORE_CURSOR_PUT] = do_cursor_put,
	[STORE_KEY_PUT] = do_key_put,
	[STORE_KEY_DROP] = do_key_drop,
	[STORE_BODY_PUT] = do_body_put,
	[STORE_BODY_SEQ] = do_body_seq,
	[STORE_HOLD_PUT] = do_hold_put,
	[STORE_HOLD_DROP] = do_hold_drop,
	[STORE_NAMED_PUT] = mem_named_put,
	[STORE_NAMED_HOLD] = mem_named_hold,
	[STORE_NAMED_DROP] = mem_named_drop,
	[STORE_VALIDATOR_PUT] = mem_validator_put,
	[STORE_OPID_PUT] = do_opid_put,
	[STORE_COUNTER_PUT] = do_counter_put,
	[STORE_PRUNE] = do_prune,
};

enum err mem_batch(struct mem_store *s, struct store_batch *b)
{
	enum err e = ERR_OK;

	for (uint32_t i = 0; i < b->n; i++) {
		const struct check c = {.s = s, .b = b, .i = i, .op = &b->op[i]};
		CHECK(b->op[i].kind < STORE_OP_KINDS);
		b->result = check_op[b->op[i].kind] == NULL ? ERR_OK : check_op[b->op[i].kind](&c);
		if (b->result != ERR_OK)
			return ERR_OK;
	}
	for (uint32_t i = 0; e == ERR_OK && i < b->n; i++)
		e = do_op[b->op[i].kind](s, &b->op[i]);
	return e;
}
