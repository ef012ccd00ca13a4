/*
 * store -- what both keepers share: batches, rows, bounds, names of states. See store.h.
 */
#include "edge/store_keeper.h"

#include "base/check.h"
#include "base/table.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 4096

struct store_block {
	struct store_block *next;
	void *adopted;
	size_t n, cap;
	char data[];
};

/* ---- memory ---- */

static enum err block_new(struct store_mem *m, size_t cap, struct store_block **ret)
{
	struct store_block *b = malloc(sizeof(*b) + cap);

	if (b == NULL)
		return ERR_NOMEM;
	*b = (struct store_block){.next = m->block, .cap = cap};
	m->block = b;
	*ret = b;
	return ERR_OK;
}

enum err store_mem_copy(struct store_mem *m, struct slice text, struct slice *ret)
{
	struct store_block *b = m->block;

	if (text.n > STORE_TEXT_MAX)
		return ERR_TOO_LARGE;
	if (text.n == 0) {
		*ret = (struct slice){"", 0};
		return ERR_OK;
	}
	if (b == NULL || b->cap - b->n < text.n) {
		size_t cap = m->block == NULL ? 256 : BLOCK_BYTES;
		enum err e = block_new(m, text.n > cap ? text.n : cap, &b);
		if (e != ERR_OK)
			return e;
	}
	memcpy(b->data + b->n, text.p, text.n);
	*ret = (struct slice){b->data + b->n, text.n};
	b->n += text.n;
	return ERR_OK;
}

enum err store_mem_adopt(struct store_mem *m, void *p)
{
	struct store_block *b;
	enum err e;

	if (m->block != NULL && m->block->adopted == NULL) {
		m->block->adopted = p;
		return ERR_OK;
	}
	e = block_new(m, 0, &b);
	if (e == ERR_OK)
		b->adopted = p;
	return e;
}

void store_mem_free(struct store_mem *m)
{
	while (m->block != NULL) {
		struct store_block *b = m->block;
		m->block = b->next;
		free(b->adopted);
		free(b);
	}
}

/* ---- batches ---- */

struct store_batch *store_batch_new(void)
{
	return calloc(1, sizeof(struct store_batch));
}

void store_batch_free(struct store_batch *b)
{
	if (b == NULL)
		return;
	store_mem_free(&b->mem);
	free(b->op);
	free(b);
}

struct store_op *store_batch_add(struct store_batch *b, enum store_op_kind kind)
{
	if (b->n == STORE_BATCH_OPS)
		return NULL;
	if (b->n == b->cap) {
		uint32_t cap = b->cap == 0 ? 2 : b->cap * 2;
		struct store_op *op = realloc(b->op, cap * sizeof(*op));
		if (op == NULL)
			return NULL;
		b->op = op;
		b->cap = cap;
	}
	memset(&b->op[b->n], 0, sizeof(b->op[b->n]));
	b->op[b->n].kind = kind;
	return &b->op[b->n++];
}

enum err store_batch_copy(struct store_batch *b, struct slice text, struct slice *ret)
{
	return store_mem_copy(&b->mem, text, ret);
}

enum err store_batch_adopt(struct store_batch *b, void *p)
{
	return store_mem_adopt(&b->mem, p);
}

/* The texts of an op: where they are, and how long they may be. */
struct op_text {
	struct slice text;
	size_t max;
};

#define OP_TEXTS 6

static size_t job_texts(const struct store_job *j, struct op_text *t)
{
	t[0] = (struct op_text){j->name, STORE_NAME_MAX};
	t[1] = (struct op_text){j->idem, STORE_NAME_MAX};
	t[2] = (struct op_text){j->spec, STORE_TEXT_MAX};
	t[3] = (struct op_text){j->vars, STORE_TEXT_MAX};
	t[4] = (struct op_text){j->error, STORE_TEXT_MAX};
	t[5] = (struct op_text){j->scopes, STORE_TEXT_MAX};
	return 6;
}

static size_t pair(struct op_text *t, struct slice name, struct slice text)
{
	t[0] = (struct op_text){name, STORE_NAME_MAX};
	t[1] = (struct op_text){text, STORE_TEXT_MAX};
	return 2;
}

static size_t triple(struct op_text *t, struct slice name, struct slice a, struct slice b)
{
	t[2] = (struct op_text){b, STORE_TEXT_MAX};
	return pair(t, name, a) + 1;
}

static size_t op_texts(const struct store_op *op, struct op_text *t)
{
	const struct slice none = {"", 0};

	switch (op->kind) {
	case STORE_JOB_PUT:
		return job_texts(&op->job, t);
	case STORE_JOB_STATE:
		return triple(t, none, op->state.error, op->state.scopes);
	case STORE_JOB_COMMAND:
		return pair(t, none, op->command.why);
	case STORE_FEED_ADD:
		return pair(t, op->feed.path, op->feed.lines);
	case STORE_FEED_DROP:
	case STORE_FACT_DROP:
	case STORE_TREE_DROP:
		return pair(t, op->range.path, none);
	case STORE_FACT_PUT:
		t[2] = (struct op_text){op->fact.kind, STORE_NAME_MAX};
		return pair(t, op->fact.path, op->fact.data) + 1;
	case STORE_CHUNK_ADD:
		return triple(t, none, op->chunk.done, op->chunk.lines);
	case STORE_CURSOR_PUT:
		return pair(t, op->cursor.path, op->cursor.gaps);
	case STORE_KEY_PUT:
		return triple(t, op->key.name, op->key.quota, op->key.learned);
	case STORE_HOLD_PUT:
	case STORE_HOLD_DROP:
		t[2] = (struct op_text){op->hold.session, STORE_NAME_MAX};
		return pair(t, op->hold.name, op->hold.data) + 1;
	case STORE_NAMED_PUT:
	case STORE_NAMED_HOLD:
	case STORE_NAMED_DROP:
		t[2] = (struct op_text){op->named.holder, STORE_NAME_MAX};
		t[3] = (struct op_text){op->named.was, STORE_NAME_MAX};
		return pair(t, op->named.name, op->named.data) + 2;
	case STORE_VALIDATOR_PUT:
		t[2] = (struct op_text){op->validator.url, STORE_URL_MAX};
		return pair(t, op->validator.etag, op->validator.last_modified) + 1;
	case STORE_OPID_PUT:
		return pair(t, op->opid.op_id, op->opid.answer);
	case STORE_KEY_DROP:
	case STORE_COUNTER_PUT:
		return pair(t, op->counter.name, none);
	case STORE_JOB_FORGET:
	case STORE_ACK:
	case STORE_BODY_PUT:
	case STORE_BODY_SEQ:
	case STORE_PRUNE:
	case STORE_OP_KINDS:
		break;
	}
	return 0;
}

size_t store_batch_bytes(const struct store_batch *b)
{
	size_t n = b->n * sizeof(struct store_op);

	for (uint32_t i = 0; i < b->n; i++) {
		struct op_text t[OP_TEXTS];
		size_t n_texts = op_texts(&b->op[i], t);
		for (size_t k = 0; k < n_texts; k++)
			n += t[k].text.n;
	}
	return n;
}

/* After these the conditions of later ops in the batch would not hold any more. */
static bool is_last(const struct store_op *op)
{
	return op->kind == STORE_JOB_FORGET || op->kind == STORE_PRUNE;
}

static bool batch_fits(const struct store_batch *b)
{
	size_t total = 0;

	for (uint32_t i = 0; i < b->n; i++) {
		struct op_text t[OP_TEXTS];
		size_t n_texts = op_texts(&b->op[i], t);
		CHECK(b->op[i].kind < STORE_OP_KINDS && (i + 1 == b->n || !is_last(&b->op[i])));
		for (size_t k = 0; k < n_texts; k++) {
			total += t[k].text.n;
			if (t[k].text.n > t[k].max || total > STORE_BATCH_BYTES)
				return false;
		}
	}
	return true;
}

uint64_t store_op_owner(const struct store_op *op)
{
	switch (op->kind) {
	case STORE_JOB_STATE:
		return op->state.job;
	case STORE_JOB_FORGET:
		return op->ref.job;
	case STORE_FEED_ADD:
		return op->feed.job;
	case STORE_FACT_PUT:
		return op->fact.job;
	case STORE_CURSOR_PUT:
		return op->cursor.job;
	case STORE_BODY_PUT:
	case STORE_BODY_SEQ:
		return op->body.job;
	case STORE_ACK:
		return op->ack.job;
	default:
		CHECK(false);
	}
}

bool store_batch_puts_job(const struct store_batch *b, uint32_t i, uint64_t job)
{
	for (uint32_t k = 0; k < i; k++)
		if (b->op[k].kind == STORE_JOB_PUT && b->op[k].job.id == job)
			return true;
	return false;
}

/* ---- rows ---- */

enum err store_rows_add(struct store_rows *rows, const struct store_query *q, size_t n_bytes,
			struct store_row **ret_row)
{
	uint32_t max =
		q->max_rows == 0 || q->max_rows > STORE_ROWS_MAX ? STORE_ROWS_MAX : q->max_rows;
	size_t max_bytes = q->max_bytes == 0 || q->max_bytes > STORE_ROWS_BYTES_MAX
				   ? STORE_ROWS_BYTES_MAX
				   : q->max_bytes;

	if (rows->n == max || (rows->n > 0 && rows->n_bytes + n_bytes > max_bytes)) {
		rows->more = true;
		return ERR_END;
	}
	if (rows->n == rows->cap) {
		uint32_t cap = rows->cap == 0 ? 4 : rows->cap * 2;
		struct store_row *row = realloc(rows->row, cap * sizeof(*row));
		if (row == NULL)
			return ERR_NOMEM;
		rows->row = row;
		rows->cap = cap;
	}
	memset(&rows->row[rows->n], 0, sizeof(rows->row[rows->n]));
	rows->n_bytes += n_bytes;
	*ret_row = &rows->row[rows->n++];
	return ERR_OK;
}

enum err store_rows_copy(struct store_rows *rows, struct slice text, struct slice *ret)
{
	return store_mem_copy(&rows->mem, text, ret);
}

void store_rows_fini(struct store_rows *rows)
{
	store_mem_free(&rows->mem);
	free(rows->row);
	*rows = (struct store_rows){0};
}

/* ---- names ---- */

static const char *const state_text[STORE_JOB_STATES] = {
	[STORE_JOB_QUEUED] = "queued",	     [STORE_JOB_RUNNING] = "running",
	[STORE_JOB_PAUSED] = "paused",	     [STORE_JOB_CANCELLING] = "cancelling",
	[STORE_JOB_SUCCEEDED] = "succeeded", [STORE_JOB_FAILED] = "failed",
	[STORE_JOB_CANCELLED] = "cancelled", [STORE_JOB_EXPIRED] = "expired",
	[STORE_JOB_FORGOTTEN] = "forgotten",
};

const char *store_job_state_text(enum store_job_state s)
{
	CHECK(s < STORE_JOB_STATES);
	return state_text[s];
}

bool store_job_state_parse(struct slice text, enum store_job_state *ret_state)
{
	for (int i = 0; i < STORE_JOB_STATES; i++) {
		if (slice_is(text, state_text[i])) {
			*ret_state = (enum store_job_state)i;
			return true;
		}
	}
	return false;
}

bool store_command_fits(enum store_command c, enum store_job_state s)
{
	if (c == STORE_COMMAND_RETRY)
		return store_job_has_ended(s);
	if (store_job_has_ended(s))
		return false;
	return c == STORE_COMMAND_CANCEL || s != STORE_JOB_CANCELLING;
}

enum store_job_state store_command_state(enum store_command c, bool was_started)
{
	switch (c) {
	case STORE_COMMAND_PAUSE:
		return STORE_JOB_PAUSED;
	case STORE_COMMAND_RESUME:
		return was_started ? STORE_JOB_RUNNING : STORE_JOB_QUEUED;
	case STORE_COMMAND_CANCEL:
		return STORE_JOB_CANCELLING;
	case STORE_COMMAND_RETRY:
		return STORE_JOB_QUEUED;
	case STORE_COMMANDS:
		break;
	}
	CHECK(c < STORE_COMMANDS);
	return STORE_JOB_QUEUED;
}

const char *store_command_text(enum store_command c)
{
	static const char *const text[STORE_COMMANDS] = {
		[STORE_COMMAND_PAUSE] = "pause",
		[STORE_COMMAND_RESUME] = "resume",
		[STORE_COMMAND_CANCEL] = "cancel",
		[STORE_COMMAND_RETRY] = "retry",
	};
	CHECK(c < STORE_COMMANDS);
	return text[c];
}

uint64_t store_sum(struct slice text)
{
	static const uint64_t seed[2] = {0x6d7573746572UL, 0x73746f7265UL};

	return siphash13(seed, text.p, text.n);
}

/* ---- the store ---- */

enum err store_open(const struct store_options *o, struct store **ret_store)
{
	return o->kind == STORE_SQLITE ? store_sqlite_open(o, ret_store)
				       : store_memory_open(o, ret_store);
}

void store_close(struct store *s)
{
	if (s != NULL)
		s->keeper->close(s);
}

enum err store_apply(struct store *s, struct store_batch *const *batch, size_t n)
{
	enum err e = store_failed(s);

	if (e != ERR_OK)
		return e;
	for (size_t i = 0; i < n; i++)
		batch[i]->result = batch_fits(batch[i]) ? ERR_OK : ERR_TOO_LARGE;
	e = s->keeper->apply(s, batch, n);
	/* A body's sync may have failed on another thread meanwhile: then nothing is certain. */
	return e == ERR_OK ? store_failed(s) : e;
}

enum err store_read(struct store *s, const struct store_query *q, struct store_rows *rows)
{
	enum err e = store_failed(s);

	CHECK(rows->n == 0 && q->kind < STORE_QUERY_KINDS);
	if (e == ERR_OK)
		e = s->keeper->read(s, q, rows);
	if (e != ERR_OK)
		store_rows_fini(rows);
	return e;
}

bool store_is_untidy(const struct store *s)
{
	return s->keeper->is_untidy(s);
}

enum err store_tidy(struct store *s)
{
	enum err e = store_failed(s);

	return e == ERR_OK ? s->keeper->tidy(s) : e;
}

enum err store_failed(const struct store *s)
{
	return failure_err(&s->failure);
}

const char *store_failure_text(const struct store *s)
{
	return failure_text(&s->failure);
}

bool store_is_immediate(const struct store *s)
{
	return s->is_immediate;
}

struct bodydir *store_bodies(struct store *s)
{
	return s->bodies;
}
