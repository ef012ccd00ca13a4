#include "job/results.h"

#include "base/check.h"
#include "job/jobenv.h"
#include "job/recall.h"
#include "job/results_fill.h"
#include "job/task.h"
#include "run/shard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fill *fill_new(struct results *r)
{
	struct fill *f = calloc(1, sizeof(*f));
	if (f == NULL)
		return NULL;
	f->committed = act_event_new(r->env->shard);
	if (f->committed == NULL) {
		free(f);
		return NULL;
	}
	bytes_init(&f->lines, STORE_TEXT_MAX);
	list_init(&f->link);
	f->no = r->next_no++;
	f->first_seq = r->next_seq;
	return f;
}

void fill_free(struct fill *f)
{
	if (f == NULL)
		return;
	act_event_free(f->committed);
	bytes_fini(&f->lines);
	done_fini(&f->done);
	store_batch_free(f->batch);
	free(f);
}

struct results *results_new(const struct results_opts *opts)
{
	struct results *r = calloc(1, sizeof(*r));
	if (r == NULL)
		return NULL;
	*r = (struct results){.env = opts->env,
			      .is_attached = opts->is_attached,
			      .is_ordered = opts->is_ordered,
			      .next_no = 1,
			      .next_seq = 1,
			      .line_bytes = 1024};
	tail_init(&r->tail);
	list_init(&r->held);
	list_init(&r->full);
	list_init(&r->cursors);
	cursor_init(&r->over);
	r->some = act_event_new(opts->env->shard);
	r->ready = act_event_new(opts->env->shard);
	r->room = act_event_new(opts->env->shard);
	r->fill = r->some && r->ready && r->room ? fill_new(r) : NULL;
	if (r->fill == NULL) {
		results_free(r);
		return NULL;
	}
	act_event_set(r->room);
	return r;
}

static void free_event(act_event *e)
{
	if (e != NULL)
		act_event_free(e);
}

void results_free(struct results *r)
{
	if (r == NULL)
		return;
	fill_free(r->fill);
	fill_free(r->under_way);
	for (struct link *l; (l = list_pop_front(&r->full)) != NULL;)
		fill_free(LIST_ENTRY(l, struct fill, link));
	tail_fini(&r->tail);
	for (struct link *l; (l = list_pop_front(&r->held)) != NULL;)
		free(LIST_ENTRY(l, struct held, link));
	cursor_fini(&r->over);
	free_event(r->some);
	free_event(r->ready);
	free_event(r->room);
	free(r);
}

void results_resume(struct results *r, uint64_t last_seq, uint64_t acked, uint64_t n_bytes,
		    const uint64_t counted[3])
{
	r->next_seq = last_seq + 1;
	r->last_seq = last_seq;
	r->fill->first_seq = r->next_seq;
	memcpy(r->counted, counted, sizeof(r->counted));
	tail_resume(&r->tail, last_seq, acked, n_bytes);
	results_check_room(r);
}

/* ---- writing ---- */

struct fill *results_fill_now(struct results *r)
{
	struct fill *f = r->fill;
	if (f->is_used)
		return f;
	f->is_used = true;
	f->since_ns = act_shard_now_ns(r->env->shard);
	act_event_set(r->some);
	return f;
}

/* All who hold a slot wait: nobody is served by waiting longer. So many lines are worth a commit.
 */
bool results_is_ready(const struct results *r)
{
	const struct fill *f = r->fill;
	return !list_empty(&r->full) || f->is_hurried || r->is_closed ||
	       f->n_lines >= RESULTS_FILL_LINES || f->lines.n >= RESULTS_FILL_BYTES ||
	       (f->batch != NULL && f->batch->n >= RESULTS_FILL_OPS) ||
	       f->n_parked >= RESULTS_FILL_WORTH || (int)f->n_parked >= r->n_holding;
}

void results_stir(struct results *r)
{
	if ((r->fill->is_used || !list_empty(&r->full)) && results_is_ready(r))
		act_event_set(r->ready);
}

static bool is_full(const struct fill *f)
{
	return f->lines.n >= RESULTS_FULL_BYTES || f->n_text >= RESULTS_FULL_BYTES ||
	       (f->batch != NULL && f->batch->n >= RESULTS_FULL_OPS);
}

void results_make_room(struct results *r)
{
	struct fill *f = is_full(r->fill) ? results_turn_over(r) : NULL;
	if (f == NULL)
		return;
	list_push_back(&r->full, &f->link);
	act_event_set(r->some);
	act_event_set(r->ready);
}

void results_hurry(struct results *r)
{
	results_fill_now(r)->is_hurried = true;
	act_event_set(r->ready);
}

void results_hold(struct results *r, int by)
{
	r->n_holding += by;
	CHECK(r->n_holding >= 0);
}

bool results_is_ahead(const struct results *r, struct results_turn turn)
{
	return r->is_ordered && turn.has_turn && turn.index != r->turn;
}

enum err results_begin(struct results *r, struct results_turn turn, struct results_line *ret)
{
	struct fill *f = results_fill_now(r);
	*ret = (struct results_line){.out = &f->lines,
				     .seq = r->next_seq,
				     .start = f->lines.n,
				     .turn = turn,
				     .is_held = results_is_ahead(r, turn)};
	if (ret->is_held)
		ret->seq = 0;
	return ERR_OK;
}

/* After all lines of its turn or an earlier one. */
static void hold_line(struct results *r, struct held *h)
{
	struct link *at = r->held.prev;
	while (at != &r->held && LIST_ENTRY(at, struct held, link)->turn > h->turn)
		at = at->prev;
	list_insert_before(at->next, &h->link);
	r->held_bytes += h->n;
}

static struct held *held_new(uint64_t turn, uint64_t serial, enum results_class c,
			     struct slice line)
{
	struct held *h = malloc(sizeof(*h) + line.n);
	if (h == NULL)
		return NULL;
	*h = (struct held){.turn = turn, .serial = serial, .c = c, .n = line.n};
	memcpy(h->text, line.p, line.n);
	return h;
}

/* Data of its fact: `TURN CLASS LINE`. */
static bool put_held_fact(struct results *r, const struct held *h)
{
	struct bytes data = BYTES_LIMIT(STORE_TEXT_MAX);
	struct store_op *op = results_op(r, STORE_FACT_PUT);
	bytes_printf(&data, "%llu %d ", (unsigned long long)h->turn, (int)h->c);
	bytes_add(&data, h->text, h->n);
	if (op != NULL)
		op->fact = (struct store_fact){.job = r->env->number,
					       .path = SLICE_LIT("="),
					       .n = h->serial,
					       .kind = SLICE_LIT("line"),
					       .data = results_text(r, bytes_slice(&data))};
	bytes_fini(&data);
	return op != NULL && op->fact.data.p != NULL;
}

static enum err take_aside(struct results *r, struct results_line *line, enum results_class c)
{
	struct fill *f = r->fill;
	struct slice text = {f->lines.p + line->start, f->lines.n - line->start};
	struct held *h = held_new(line->turn.index, r->next_held, c, text);
	if (h == NULL || !put_held_fact(r, h)) {
		free(h);
		return ERR_NOMEM;
	}
	r->next_held++;
	hold_line(r, h);
	return ERR_OK;
}

void results_restore_held(struct results *r, uint64_t serial, struct slice data)
{
	unsigned long long turn = 0;
	int c = 0, at = 0;
	char head[64] = "";
	memcpy(head, data.p, data.n < sizeof(head) - 1 ? data.n : sizeof(head) - 1);
	if (sscanf(head, "%llu %d %n", &turn, &c, &at) < 2 || at == 0 || (size_t)at > data.n)
		return;
	if (c < RESULTS_OK || c > RESULTS_CANCELLED)
		return;
	struct slice text = {data.p + at, data.n - (size_t)at};
	struct held *h = held_new(turn, serial, (enum results_class)c, text);
	if (h == NULL)
		return;
	hold_line(r, h);
	/* No chunk has counted it yet. */
	uint64_t *of[] = {&r->env->tally.ok, &r->env->tally.failed, &r->env->tally.cancelled};
	++*of[c];
	if (serial >= r->next_held)
		r->next_held = serial + 1;
}

static void store_line(struct results *r, enum results_class c, size_t n)
{
	struct fill *f = r->fill;
	r->next_seq++;
	f->n_lines++;
	f->n[c]++;
	r->line_bytes += (n >> 5) - (r->line_bytes >> 5);
}

enum err results_end(struct results *r, struct results_line *line, enum results_class c)
{
	struct fill *f = r->fill;
	enum err e = bytes_add_byte(&f->lines, '\n');
	if (e == ERR_OK && line->is_held)
		e = take_aside(r, line, c);
	if (e != ERR_OK || line->is_held) {
		f->lines.n = line->start;
		f->lines.err = ERR_OK;
	} else {
		store_line(r, c, f->lines.n - line->start);
	}
	return e;
}

void results_count(struct results *r, enum results_class c)
{
	results_fill_now(r);
	r->dropped[c]++;
}

struct store_op *results_op(struct results *r, int kind)
{
	struct fill *f = results_fill_now(r);
	if (f->batch == NULL)
		f->batch = store_batch_new();
	return f->batch != NULL ? store_batch_add(f->batch, (enum store_op_kind)kind) : NULL;
}

struct slice results_text(struct results *r, struct slice text)
{
	struct slice copy = {NULL, 0};
	if (r->fill->batch != NULL)
		store_batch_copy(r->fill->batch, text, &copy);
	r->fill->n_text += text.n;
	return copy;
}

struct results_cursor *results_cursor_new(struct slice path)
{
	struct results_cursor *c = calloc(1, sizeof(*c));
	char *copy = malloc(path.n + 1);
	if (c == NULL || copy == NULL) {
		free(c);
		free(copy);
		return NULL;
	}
	memcpy(copy, path.p, path.n);
	c->path = (struct slice){copy, path.n};
	list_init(&c->link);
	cursor_init(&c->cursor);
	return c;
}

void results_cursor_free(struct results_cursor *c)
{
	if (c == NULL)
		return;
	list_remove(&c->link);
	cursor_fini(&c->cursor);
	free((void *)(uintptr_t)c->path.p);
	free(c);
}

void results_cursor_add(struct results *r, struct results_cursor *c)
{
	list_push_back(&r->cursors, &c->link);
}

/* The marks of the fill that is open are in it, and go with it. */
void results_cursor_ends(struct results *r, struct results_cursor *c)
{
	if (c->cursor.next > 0)
		results_cursor_put(r, c, RESULTS_CURSOR_OVER);
	results_cursor_free(c);
}

void results_mark(struct results *r, struct results_cursor *c, const struct done_mark *mark)
{
	if (!c->has_row)
		results_cursor_put(r, c, r->fill->first_seq - 1);
	done_add(&results_fill_now(r)->done, c->path, mark);
	cursor_done(&c->cursor, (struct cursor_range){mark->index, mark->index + 1});
	done_tally_add(&c->tally, 1, mark);
}

void results_cursor_write(const struct results_cursor *c, struct bytes *out)
{
	cursor_write(&c->cursor, out);
	bytes_add_byte(out, '|');
	done_tally_write(&c->tally, out);
}

enum err results_cursor_read(struct results_cursor *c, struct slice text)
{
	const char *bar = memchr(text.p, '|', text.n);
	if (bar == NULL)
		return ERR_INVALID;
	struct slice cursor = {text.p, (size_t)(bar - text.p)};
	enum err e = cursor_read(&c->cursor, cursor);
	if (e == ERR_OK)
		e = done_tally_read(&c->tally, (struct slice){bar + 1, text.n - cursor.n - 1});
	return e;
}

/* ---- turns ---- */

/* The number it has now, for a line that may replace it: at `~TASK`. */
static void put_seq(struct results *r, const struct held *h)
{
	static const char key[] = "\"task\":\"";
	char path[TASK_PATH_MAX];
	const char *at = memmem(h->text, h->n, key, sizeof(key) - 1);
	const char *begin = at != NULL ? at + sizeof(key) - 1 : NULL;
	const char *end = at != NULL ? memchr(begin, '"', h->n - (size_t)(begin - h->text)) : NULL;
	if (end == NULL)
		return;
	int n = snprintf(path, sizeof(path), "%c%.*s", RECALL_ITEMS, (int)(end - begin), begin);
	if ((size_t)n < sizeof(path))
		recall_put(r->env, (struct slice){path, (size_t)n}, RECALL_SEQ,
			   (int64_t)r->next_seq, SLICE_LIT(""));
}

/* `{"job":"j7","seq":0,…`: the 0 becomes the number. */
static void release_line(struct results *r, struct held *h)
{
	static const char key[] = "\"seq\":";
	struct fill *f = results_fill_now(r);
	size_t start = f->lines.n;
	const char *at = memmem(h->text, h->n, key, sizeof(key) - 1);
	CHECK(at != NULL);
	size_t head = (size_t)(at - h->text) + sizeof(key) - 1;
	bytes_add(&f->lines, h->text, head);
	bytes_add_u64(&f->lines, r->next_seq);
	bytes_add(&f->lines, h->text + head + 1, h->n - head - 1);
	if (f->lines.err != ERR_OK) {
		f->lines.n = start;
		f->lines.err = ERR_OK;
		return;
	}
	if (h->c != RESULTS_OK && r->env->keeps_failed)
		put_seq(r, h);
	store_line(r, h->c, f->lines.n - start);
}

static void drop_fact(struct results *r, uint64_t serial)
{
	struct store_op *op = results_op(r, STORE_FACT_DROP);
	if (op != NULL)
		op->range = (struct store_range_op){
			.job = r->env->number, .path = SLICE_LIT("="), .n = serial};
}

static void release_turn(struct results *r)
{
	struct link *l;
	while ((l = list_first(&r->held)) != NULL) {
		struct held *h = LIST_ENTRY(l, struct held, link);
		if (h->turn > r->turn)
			break;
		list_remove(l);
		r->held_bytes -= h->n;
		results_make_room(r);
		release_line(r, h);
		drop_fact(r, h->serial);
		free(h);
	}
}

static void advance(struct results *r)
{
	release_turn(r);
	while (r->turn < cursor_watermark(&r->over)) {
		r->turn++;
		release_turn(r);
	}
	results_stir(r);
}

void results_turn_ends(struct results *r, uint64_t index)
{
	if (!r->is_ordered)
		return;
	if (cursor_done(&r->over, (struct cursor_range){index, index + 1}) == ERR_OK)
		advance(r);
}

void results_turns_over(struct results *r)
{
	if (!r->is_ordered)
		return;
	r->turn = UINT64_MAX;
	release_turn(r);
	r->turn = 0;
	cursor_fini(&r->over);
	cursor_init(&r->over);
	results_stir(r);
}

void results_turns_resume(struct results *r, const struct cursor *ended)
{
	struct bytes text = BYTES_LIMIT(0);
	if (!r->is_ordered)
		return;
	cursor_write(ended, &text);
	if (cursor_read(&r->over, bytes_slice(&text)) == ERR_OK)
		advance(r);
	bytes_fini(&text);
}

size_t results_held_bytes(const struct results *r)
{
	return r->held_bytes;
}

/* ---- waiting ---- */

uint64_t results_commit_no(const struct results *r)
{
	r->fill->n_parked++;
	results_stir((struct results *)(uintptr_t)r);
	return r->fill->no;
}

struct results_wait results_wait_for(struct results *r)
{
	uint64_t no = r->fill->is_used ? results_commit_no(r) : r->fill->no - 1;
	return (struct results_wait){.r = r, .no = no};
}

static act_event *event_of(struct results *r, uint64_t no)
{
	if (r->under_way != NULL && r->under_way->no == no)
		return r->under_way->committed;
	LIST_EACH (l, &r->full)
		if (LIST_ENTRY(l, struct fill, link)->no == no)
			return LIST_ENTRY(l, struct fill, link)->committed;
	return r->fill->committed;
}

int results_wait(act_self *self, void *frame)
{
	struct results_wait *w = frame;
	CO_BEGIN(&w->co);
	while (w->r->committed_no < w->no) {
		CO_AWAIT(&w->co, w->rc, act_event_wait(self, event_of(w->r, w->no)));
		if (w->rc == ACT_ECLOSED)
			return w->rc;
		if (w->rc == ACT_OK)
			continue;
		/* Cancelled: what was handed over stays handed over. */
		w->shield = act_scope_shield(self, 3600 * NS_PER_S);
		if (w->shield == NULL)
			return ACT_ENOMEM;
		CO_AWAIT(&w->co, w->rc, act_event_wait(self, event_of(w->r, w->no)));
		act_scope_close(self, w->shield, ACT_OK, NULL);
		if (w->rc == ACT_ECLOSED)
			return w->rc;
	}
	CO_END(&w->co);
}

/* ---- back-pressure ---- */

static uint64_t uncommitted_bytes(const struct results *r)
{
	uint64_t n = r->fill->lines.n + r->held_bytes;
	LIST_EACH (l, &r->full)
		n += LIST_ENTRY(l, struct fill, link)->lines.n;
	return n + (r->under_way != NULL ? r->under_way->lines.n : 0);
}

bool results_have_room(const struct results *r, uint32_t n_open)
{
	uint64_t most = r->env->is_volatile ? RESULTS_UNACKED_VOL : RESULTS_UNACKED;
	uint64_t reserved = (uint64_t)n_open * (r->line_bytes > 1024 ? r->line_bytes : 1024);
	/* Nobody acknowledges a detached durable job; the disk's low-water mark bounds it. */
	if (!r->is_attached && !r->env->is_volatile)
		return r->held_bytes < RESULTS_UNACKED_VOL;
	return tail_unacked(&r->tail) + uncommitted_bytes(r) + reserved < most;
}

void results_check_room(struct results *r)
{
	if (results_have_room(r, r->env->n_open))
		act_event_set(r->room);
	else
		act_event_clear(r->room);
}

act_event *results_room(struct results *r)
{
	return r->room;
}

void results_ack(struct results *r, uint64_t seq)
{
	tail_ack(&r->tail, seq);
	results_check_room(r);
}

/* ---- reading ---- */

struct tail *results_tail(struct results *r)
{
	return &r->tail;
}

uint64_t results_last_seq(const struct results *r)
{
	return r->last_seq;
}

void results_counted(const struct results *r, uint64_t ret[3])
{
	memcpy(ret, r->counted, sizeof(r->counted));
}

uint64_t results_bytes(const struct results *r)
{
	return r->all_bytes;
}

uint64_t results_waiting(const struct results *r, uint64_t n_open)
{
	return n_open > (uint64_t)r->n_holding ? n_open - (uint64_t)r->n_holding : 0;
}

uint64_t results_next_seq(const struct results *r)
{
	return r->next_seq;
}
