#include "job/feed.h"

#include "base/check.h"
#include "edge/store.h"
#include "job/results.h"
#include "proto/jsonscan.h"

#include <stdlib.h>
#include <string.h>

#define FEED_PATH SLICE_LIT("feed")

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
	struct link chunks;	    /* committed, by first */
	struct feed_chunk *pending; /* handed to the store */
	struct feed_chunk *wanted;  /* to be read back */
	uint64_t next;		    /* committed items */
	uint64_t taken;		    /* items below it have been taken */
	uint64_t dropped;	    /* the store has forgotten those below */
	size_t memory, unconsumed;
	bool is_ended, pending_end, is_open;
	act_event *more;
};

struct feed *feed_new(struct jobenv *env)
{
	struct feed *f = calloc(1, sizeof(*f));
	if (f == NULL)
		return NULL;
	f->env = env;
	list_init(&f->chunks);
	f->more = act_event_new(env->shard);
	if (f->more == NULL) {
		free(f);
		return NULL;
	}
	return f;
}

static void chunk_free(struct feed_chunk *c)
{
	if (c == NULL)
		return;
	list_remove(&c->link);
	free(c->text);
	free(c);
}

void feed_free(struct feed *f)
{
	if (f == NULL)
		return;
	while (!list_empty(&f->chunks))
		chunk_free(LIST_ENTRY(f->chunks.next, struct feed_chunk, link));
	chunk_free(f->pending);
	act_event_free(f->more);
	free(f);
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
				       .path = FEED_PATH,
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

void feed_committed(struct feed *f, bool is_ok)
{
	struct feed_chunk *c = f->pending;
	f->pending = NULL;
	if (!is_ok) {
		chunk_free(c);
		return;
	}
	f->is_ended = f->pending_end;
	f->next += c->n;
	if (f->is_open)
		f->env->n_expected += c->n;
	f->unconsumed += c->n_bytes;
	f->memory += c->n_bytes;
	list_push_back(&f->chunks, &c->link);
	if (f->memory > FEED_MEMORY)
		forget_text(f, c);
	act_event_set(f->more);
}

enum err feed_resume(struct feed *f, uint64_t first, uint32_t n, size_t n_bytes, bool is_eof)
{
	struct feed_chunk *c = calloc(1, sizeof(*c));
	if (c == NULL)
		return ERR_NOMEM;
	*c = (struct feed_chunk){.first = first, .n = n, .n_bytes = n_bytes};
	list_push_back(&f->chunks, &c->link);
	f->next = first + n;
	f->unconsumed += n_bytes;
	f->is_ended = is_eof;
	act_event_set(f->more);
	return ERR_OK;
}

void feed_end(struct feed *f)
{
	f->is_ended = true;
	act_event_set(f->more);
}

/* ---- out ---- */

uint64_t feed_open(struct feed *f)
{
	f->is_open = true;
	return f->next;
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
		op->range = (struct store_range_op){
			.job = f->env->number, .path = FEED_PATH, .n = drop};
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
	f->taken = index + 1;
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
				.path = FEED_PATH,
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
