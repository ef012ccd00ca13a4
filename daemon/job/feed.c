#include "job/feed.h"

#include "base/check.h"
#include "edge/store.h"
#include "job/results.h"
#include "proto/jsonscan.h"

#include <stdlib.h>
#include <string.h>

struct feed_chunk {
	struct link link;
	uint64_t first;
	uint32_t n;
	size_t n_bytes;
	char *text;	/* NULL: in the store only */
	uint32_t at;	/* lines taken so far */
	size_t at_byte; /* where the next one begins */
};

struct feed {
	struct jobenv *env;
	struct slice path;	    /* owned */
	struct link chunks;	    /* committed, by first */
	struct feed_chunk *pending; /* the client's, handed to the store */
	struct link put;	    /* a task's, in commits to come, by first */
	uint64_t next_put;
	struct feed_chunk *wanted; /* to be read back */
	uint64_t next;		   /* committed items */
	uint64_t taken;		   /* items below it have been taken */
	uint64_t dropped;	   /* the store has forgotten those below */
	size_t memory, unconsumed;
	bool is_ended, pending_end, is_open;
	uint64_t leaves_late; /* of each item that comes when nobody takes any more */
	act_event *more, *hungry, *moved;
};

static void chunk_free(struct feed_chunk *c)
{
	if (c == NULL)
		return;
	list_remove(&c->link);
	free(c->text);
	free(c);
}

static void event_free(act_event *e)
{
	if (e != NULL)
		act_event_free(e);
}

void feed_free(struct feed *f)
{
	if (f == NULL)
		return;
	while (!list_empty(&f->chunks))
		chunk_free(LIST_ENTRY(f->chunks.next, struct feed_chunk, link));
	while (!list_empty(&f->put))
		chunk_free(LIST_ENTRY(f->put.next, struct feed_chunk, link));
	chunk_free(f->pending);
	event_free(f->more);
	event_free(f->hungry);
	event_free(f->moved);
	free((void *)(uintptr_t)f->path.p);
	free(f);
}

struct feed *feed_new(struct jobenv *env, struct slice path)
{
	struct feed *f = calloc(1, sizeof(*f));
	char *copy = malloc(path.n + 1);
	if (f == NULL || copy == NULL) {
		free(f);
		free(copy);
		return NULL;
	}
	memcpy(copy, path.p, path.n);
	f->env = env;
	f->path = (struct slice){copy, path.n};
	list_init(&f->chunks);
	list_init(&f->put);
	f->more = act_event_new(env->shard);
	f->hungry = act_event_new(env->shard);
	f->moved = act_event_new(env->shard);
	if (f->more == NULL || f->hungry == NULL || f->moved == NULL) {
		feed_free(f);
		return NULL;
	}
	return f;
}

/* ---- in ---- */

/* One item a line: newlines of JSON are white space between its tokens. */
static void add_line(struct bytes *out, struct slice item)
{
	size_t start = out->n;
	if (bytes_add_slice(out, item) != ERR_OK)
		return;
	for (char *p = out->p + start, *end = out->p + out->n; p < end; p++)
		if (*p == '\n' || *p == '\r')
			*p = ' ';
	bytes_add_byte(out, '\n');
}

static enum err read_items(struct slice items, uint64_t skip, struct bytes *out, uint32_t *ret_n)
{
	struct jsonscan_iter it;
	struct slice item;
	uint32_t n = 0;
	if (jsonscan_items(items, &it) != ERR_OK)
		return ERR_INVALID;
	for (uint64_t i = 0; jsonscan_next_item(&it, &item); i++) {
		if (i < skip)
			continue;
		add_line(out, item);
		n++;
	}
	*ret_n = n;
	return out->err;
}

static struct store_batch *feed_batch(const struct feed *f, struct feed_chunk *c, bool is_end)
{
	struct store_batch *b = store_batch_new();
	struct store_op *op = b != NULL ? store_batch_add(b, STORE_FEED_ADD) : NULL;
	if (op == NULL) {
		store_batch_free(b);
		return NULL;
	}
	op->feed = (struct store_feed){.job = f->env->number,
				       .path = FEED_CLIENT,
				       .first = c->first,
				       .n = c->n,
				       .is_eof = is_end};
	if (store_batch_copy(b, (struct slice){c->text, c->n_bytes}, &op->feed.lines) != ERR_OK) {
		store_batch_free(b);
		return NULL;
	}
	b->is_urgent = true;
	return b;
}

static enum err chunk_of(struct feed *f, uint64_t skip, struct slice items, struct feed_chunk **ret)
{
	struct bytes text = BYTES_LIMIT(STORE_TEXT_MAX);
	struct feed_chunk *c = calloc(1, sizeof(*c));
	enum err e = c == NULL ? ERR_NOMEM : read_items(items, skip, &text, &c->n);
	if (e != ERR_OK) {
		bytes_fini(&text);
		free(c);
		return e;
	}
	list_init(&c->link);
	c->first = f->next;
	c->text = bytes_steal(&text, &c->n_bytes);
	*ret = c;
	return c->text != NULL ? ERR_OK : (chunk_free(c), ERR_NOMEM);
}

enum err feed_add(struct feed *f, uint64_t offset, struct slice items, bool is_end,
		  struct store_batch **ret_batch, uint64_t *ret_next)
{
	struct feed_chunk *c;
	CHECK(f->pending == NULL);
	if (offset > f->next)
		return ERR_INVALID;
	enum err e = chunk_of(f, f->next - offset, items, &c);
	if (e != ERR_OK)
		return e;
	*ret_next = f->next + c->n;
	*ret_batch = NULL;
	if (f->is_ended || (c->n == 0 && !is_end)) {
		e = f->is_ended && c->n > 0 ? ERR_INVALID : ERR_OK;
		chunk_free(c);
		return e;
	}
	*ret_batch = feed_batch(f, c, is_end);
	if (*ret_batch == NULL) {
		chunk_free(c);
		return ERR_NOMEM;
	}
	f->pending = c;
	f->pending_end = is_end;
	return ERR_OK;
}

static void forget_text(struct feed *f, struct feed_chunk *c)
{
	if (c->text == NULL)
		return;
	free(c->text);
	c->text = NULL;
	f->memory -= c->n_bytes;
}

/* Committed: it may be taken. */
static void add_chunk(struct feed *f, struct feed_chunk *c)
{
	f->next += c->n;
	if (f->is_open)
		f->env->n_expected += c->n;
	f->env->tally.not_started += c->n * f->leaves_late;
	f->unconsumed += c->n_bytes;
	f->memory += c->n_bytes;
	list_push_back(&f->chunks, &c->link);
	if (f->memory > FEED_MEMORY)
		forget_text(f, c);
	act_event_set(f->more);
}

void feed_committed(struct feed *f, bool is_ok)
{
	struct feed_chunk *c = f->pending;
	f->pending = NULL;
	if (!is_ok) {
		chunk_free(c);
		return;
	}
	f->is_ended = f->pending_end;
	add_chunk(f, c);
}

/* ---- from a task ---- */

enum err feed_put(struct feed *f, struct bytes *lines, uint32_t n, uint64_t *ret_next)
{
	struct results *r = f->env->results;
	struct feed_chunk *c = calloc(1, sizeof(*c));
	struct store_op *op = c != NULL ? results_op(r, STORE_FEED_ADD) : NULL;
	if (op == NULL) {
		free(c);
		return ERR_NOMEM;
	}
	list_init(&c->link);
	c->first = f->next_put;
	c->n = n;
	op->feed = (struct store_feed){.job = f->env->number,
				       .path = results_text(r, f->path),
				       .first = c->first,
				       .n = n,
				       .is_inner = true,
				       .lines = results_text(r, bytes_slice(lines))};
	c->text = bytes_steal(lines, &c->n_bytes);
	if (op->feed.lines.p == NULL || op->feed.path.p == NULL || c->text == NULL) {
		*op = (struct store_op){.kind = STORE_FEED_DROP,
					.range = {.job = f->env->number, .path = SLICE_LIT("")}};
		chunk_free(c);
		return ERR_NOMEM;
	}
	list_push_back(&f->put, &c->link);
	*ret_next = f->next_put += n;
	return ERR_OK;
}

void feed_settle(struct feed *f, uint64_t next)
{
	struct link *l;
	while ((l = list_first(&f->put)) != NULL) {
		struct feed_chunk *c = LIST_ENTRY(l, struct feed_chunk, link);
		if (c->first + c->n > next)
			break;
		list_remove(l);
		add_chunk(f, c);
		act_event_clear(f->hungry);
	}
}

void feed_end(struct feed *f)
{
	f->is_ended = true;
	act_event_set(f->more);
}

act_event *feed_wanted(struct feed *f)
{
	return f->hungry;
}

bool feed_is_taken(const struct feed *f, uint64_t index)
{
	return f->taken > index;
}

int feed_await_taken(act_self *self, struct feed *f)
{
	act_event_clear(f->moved);
	return act_event_wait(self, f->moved);
}

enum err feed_resume(struct feed *f, uint64_t first, uint32_t n, size_t n_bytes, bool is_eof)
{
	struct feed_chunk *c = calloc(1, sizeof(*c));
	if (c == NULL)
		return ERR_NOMEM;
	*c = (struct feed_chunk){.first = first, .n = n, .n_bytes = n_bytes};
	list_push_back(&f->chunks, &c->link);
	f->next = f->next_put = first + n;
	f->unconsumed += n_bytes;
	f->is_ended = is_eof;
	act_event_set(f->more);
	return ERR_OK;
}

/* ---- out ---- */

uint64_t feed_open(struct feed *f)
{
	f->is_open = true;
	return f->next;
}

void feed_close(struct feed *f, uint64_t n_leaves)
{
	f->is_open = false;
	f->leaves_late = n_leaves;
}

void feed_watermark(struct feed *f, uint64_t done_below)
{
	uint64_t drop = 0;
	while (!list_empty(&f->chunks)) {
		struct feed_chunk *c = LIST_ENTRY(f->chunks.next, struct feed_chunk, link);
		if (c->first + c->n > done_below || c->n == 0 || f->taken < c->first + c->n)
			break;
		if (c->link.next == &f->chunks)
			break; /* the newest tells the next life where the client goes on */
		drop = c->first + c->n;
		forget_text(f, c);
		chunk_free(c);
	}
	struct store_op *op = drop > 0 ? results_op(f->env->results, STORE_FEED_DROP) : NULL;
	if (op != NULL)
		op->range = (struct store_range_op){.job = f->env->number,
						    .path = results_text(f->env->results, f->path),
						    .n = drop};
}

uint64_t feed_unconsumed(const struct feed *f)
{
	return f->unconsumed;
}

uint64_t feed_next(const struct feed *f)
{
	return f->next;
}

bool feed_is_ended(const struct feed *f)
{
	return f->is_ended;
}

static struct feed_chunk *holding(struct feed *f, uint64_t index)
{
	LIST_EACH (l, &f->chunks) {
		struct feed_chunk *c = LIST_ENTRY(l, struct feed_chunk, link);
		if (index < c->first + c->n)
			return index >= c->first ? c : NULL;
	}
	return NULL;
}

static struct slice next_line(struct feed_chunk *c)
{
	const char *p = c->text + c->at_byte;
	const char *nl = memchr(p, '\n', c->n_bytes - c->at_byte);
	CHECK(nl != NULL);
	c->at++;
	c->at_byte = (size_t)(nl - c->text) + 1;
	return (struct slice){p, (size_t)(nl - p)};
}

/* The text of chunks that have been taken whole is not needed any more. */
static void forget_taken(struct feed *f, uint64_t index)
{
	LIST_EACH (l, &f->chunks) {
		struct feed_chunk *c = LIST_ENTRY(l, struct feed_chunk, link);
		if (c->first + c->n > index)
			break;
		forget_text(f, c);
	}
}

enum feed_got feed_take(struct feed *f, uint64_t index, struct slice *ret_line)
{
	struct feed_chunk *c = holding(f, index);
	if (c == NULL) {
		act_event_clear(f->more);
		if (!f->is_ended)
			act_event_set(f->hungry);
		return f->is_ended ? FEED_END : FEED_EMPTY;
	}
	if (c->text == NULL) {
		f->wanted = c;
		return FEED_LOAD;
	}
	if (c->at == 0)
		forget_taken(f, index);
	while (c->first + c->at <= index) {
		*ret_line = next_line(c);
		f->unconsumed -= ret_line->n + 1;
	}
	if (f->taken <= index) {
		f->taken = index + 1;
		act_event_set(f->moved);
	}
	return FEED_ITEM;
}

act_event *feed_more(struct feed *f)
{
	return f->more;
}

static void loaded(struct feed *f, const struct store_rows *rows)
{
	struct feed_chunk *c = f->wanted;
	if (rows == NULL || rows->n == 0 || rows->row[0].feed.first != c->first)
		return;
	struct slice lines = rows->row[0].feed.lines;
	c->text = lines.n == c->n_bytes ? malloc(lines.n + 1) : NULL;
	if (c->text == NULL)
		return;
	memcpy(c->text, lines.p, lines.n);
	f->memory += c->n_bytes;
}

int feed_load(act_self *self, void *frame)
{
	struct feed_load *l = frame;
	struct leaf_port *port = &l->f->env->port;
	CO_BEGIN(&l->co);
	struct store_query q = {.kind = STORE_Q_FEED,
				.job = l->f->env->number,
				.path = l->f->path,
				.after = l->f->wanted->first,
				.max_rows = 1};
	CO_AWAIT(&l->co, l->rc, port->read(self, port->ctx, &q, &l->m));
	if (l->rc != ACT_OK)
		return l->rc;
	loaded(l->f, port->rows(l->m));
	act_drop(self, l->m);
	if (l->f->wanted->text == NULL) {
		CO_AWAIT(&l->co, l->rc, act_sleep(self, 100 * NS_PER_MS));
		if (l->rc != ACT_OK)
			return l->rc;
	}
	CO_END(&l->co);
}

static int ask_chunks(act_self *self, struct feed_recall *r)
{
	struct leaf_port *port = &r->f->env->port;
	struct store_query q = {.kind = STORE_Q_FEED,
				.job = r->f->env->number,
				.path = r->f->path,
				.after = r->f->next};
	return port->read(self, port->ctx, &q, &r->m);
}

static void take_chunks(struct feed_recall *r)
{
	const struct store_rows *rows = r->f->env->port.rows(r->m);
	r->more = rows != NULL && rows->more && rows->n > 0;
	for (uint32_t i = 0; rows != NULL && i < rows->n; i++) {
		const struct store_feed *c = &rows->row[i].feed;
		if (c->n > 0)
			feed_resume(r->f, c->first, c->n, c->lines.n, c->is_eof);
	}
}

int feed_recall(act_self *self, void *frame)
{
	struct feed_recall *r = frame;
	CO_BEGIN(&r->co);
	do {
		CO_AWAIT(&r->co, r->rc, ask_chunks(self, r));
		if (r->rc != ACT_OK)
			return r->rc;
		take_chunks(r);
		act_drop(self, r->m);
	} while (r->more);
	CO_END(&r->co);
}
