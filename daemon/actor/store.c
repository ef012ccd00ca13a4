/*
 * actor/store -- see store.h.
 *
 * Orders stand in one line. A commit takes from its front what fits, runs on the writer, and comes
 * back as ACT_SIG_WORK; then its orders are answered and the next one may begin. Between commits
 * the writer tidies when the store asks for it. The memory store has no line: it is served on the
 * spot.
 *
 * While work is under way on another thread, that thread has only the batches (or readings) of its
 * struct; the orders stay here. If the actor ends meanwhile, the struct's dtor frees what it has.
 */
#include "actor/store_order.h"

#include "base/check.h"
#include "run/offload.h"

#include <stdlib.h>

#define READS_AT_ONCE	 16
#define RETRY_NS	 (100 * NS_PER_MS)
#define NOMEM_RETRIES	 50
#define PRUNE_NS	 (10 * NS_PER_S)
#define PRUNE_AFTER_DISK ((size_t)16 << 20) /* bytes of results added since the last time */
#define PRUNE_AFTER_MEM	 ((size_t)1 << 20)
#define MAILBOX_CAP	 16384

enum work_tag { WORK_WRITE, WORK_READ };

/* What the writer has while a commit or tidying is under way. */
struct commit {
	struct store *store;
	struct store_batch *batch[STORE_COMMIT_OPS];
	size_t n;
	bool is_tidying;
	enum err err;
};

struct reads {
	struct store *store;
	struct store_reading *reading[READS_AT_ONCE];
	size_t n;
};

struct front {
	struct store_actor_opts o;
	struct link line;	/* orders waiting to be committed */
	struct link committing; /* orders of the commit under way */
	struct link read_line, reading;
	struct commit *commit;
	struct reads *reads;
	bool is_writing, is_reading, has_failed;
	bool is_held;	   /* waits for the retry timer after a full disk or no memory */
	bool is_full;	   /* the last commit found the disk full */
	bool is_over_time; /* the first in the line has waited long enough */
	int n_nomem;
	size_t n_urgent, n_lines, n_bytes; /* of the line */
	size_t n_under_way_bytes;
	size_t n_added_bytes; /* results since the last pruning */
	bool is_prune_due, has_prune;
	struct act_timer flush_timer, retry_timer, prune_timer;
};

/* ---- failing ---- */

/* Nothing is answered from here on. */
static void fail(struct front *f, const char *why)
{
	if (f->has_failed)
		return;
	f->has_failed = true;
	log_error(f->o.log, "store.failed", kv_s("why", why));
	if (f->o.fatal != NULL)
		f->o.fatal(f->o.fatal_ctx, why);
}

/* ---- answering ---- */

/* Looks at its own work (pruning) before the order is gone. */
static void note_outcome(struct front *f, const struct order *o)
{
	if (o->is_prune) {
		f->has_prune = false;
		f->is_prune_due = o->batch->result == ERR_OK && o->batch->op[0].prune.ret_more;
	}
	if (o->is_new_work && o->batch->result == ERR_FULL)
		f->is_prune_due = true;
}

static void answer_all(act_self *self, struct front *f, struct link *orders)
{
	struct link *l;

	while ((l = list_pop_front(orders)) != NULL) {
		struct order *o = LIST_ENTRY(l, struct order, link);
		if (o->batch != NULL) {
			order_pass_faults(o, f->o.fault);
			note_outcome(f, o);
		}
		order_answer(self, o);
	}
}

/* ---- the line ---- */

static void measure(struct front *f, struct order *o)
{
	const struct store_batch *b = o->batch;

	o->n_bytes = store_batch_bytes(b);
	for (uint32_t i = 0; i < b->n; i++) {
		switch (b->op[i].kind) {
		case STORE_JOB_PUT:
		case STORE_FEED_ADD:
			o->is_new_work = true;
			break;
		case STORE_CHUNK_ADD:
			o->n_lines += b->op[i].chunk.n;
			f->n_added_bytes += b->op[i].chunk.lines.n;
			break;
		default:
			break;
		}
	}
	if (f->n_added_bytes >=
	    (store_is_immediate(f->o.store) ? PRUNE_AFTER_MEM : PRUNE_AFTER_DISK)) {
		f->n_added_bytes = 0;
		f->is_prune_due = true;
	}
}

static void line_push(struct front *f, struct order *o, bool at_front)
{
	if (at_front)
		list_push_front(&f->line, &o->link);
	else
		list_push_back(&f->line, &o->link);
	f->n_urgent += o->batch->is_urgent;
	f->n_lines += o->n_lines;
	f->n_bytes += o->n_bytes;
}

static void line_take(struct front *f, struct order *o)
{
	list_remove(&o->link);
	f->n_urgent -= o->batch->is_urgent;
	f->n_lines -= o->n_lines;
	f->n_bytes -= o->n_bytes;
}

static void prune_if_due(struct front *f)
{
	struct order *o;

	if (!f->is_prune_due || f->has_prune || f->has_failed)
		return;
	o = order_new_prune(&f->o);
	if (o == NULL)
		return;
	f->is_prune_due = false;
	f->has_prune = true;
	line_push(f, o, f->is_full);
}

/* ---- commits ---- */

static void commit_drop(void *arg)
{
	struct commit *c = arg;

	for (size_t i = 0; i < c->n; i++)
		store_batch_free(c->batch[i]);
	free(c);
}

static int commit_run(void *arg)
{
	struct commit *c = arg;

	c->err = c->is_tidying ? store_tidy(c->store) : store_apply(c->store, c->batch, c->n);
	return ACT_OK;
}

static void write_start(act_self *self, struct front *f)
{
	const struct act_work w = {
		.fn = commit_run, .arg = f->commit, .dtor = commit_drop, .cls = f->o.writer_class};

	if (act_offload_signal(self, &w, WORK_WRITE) == ACT_OK) {
		f->is_writing = true;
		return;
	}
	/* No room with the workers: what was taken goes back and waits. */
	while (!list_empty(&f->committing)) {
		struct order *o = LIST_ENTRY(f->committing.prev, struct order, link);
		list_remove(&o->link);
		line_push(f, o, true);
	}
	f->commit->n = 0;
	f->is_held = true;
	act_timer_set(self, &f->retry_timer, RETRY_NS);
}

/* Takes from the front of the line what one transaction may hold. */
static void commit_fill(struct front *f)
{
	struct commit *c = f->commit;
	size_t n_ops = 0, n_bytes = 0;

	c->n = 0;
	c->is_tidying = false;
	while (!list_empty(&f->line) && c->n < STORE_COMMIT_OPS) {
		struct order *o = LIST_ENTRY(list_first(&f->line), struct order, link);
		if (c->n > 0 && (n_ops + o->batch->n > STORE_COMMIT_OPS ||
				 n_bytes + o->n_bytes > STORE_COMMIT_BYTES))
			break;
		n_ops += o->batch->n;
		n_bytes += o->n_bytes;
		line_take(f, o);
		list_push_back(&f->committing, &o->link);
		c->batch[c->n++] = o->batch;
		if (o->is_prune && f->is_full)
			break;
	}
	f->n_under_way_bytes = n_bytes;
	f->is_over_time = !list_empty(&f->line);
}

static bool is_time(const struct front *f)
{
	return f->n_urgent > 0 || f->n_lines >= STORE_WAIT_LINES ||
	       f->n_bytes >= STORE_WAIT_BYTES || f->is_over_time;
}

/* Begins what is to be done next, if nothing is under way. */
static void write_next(act_self *self, struct front *f)
{
	if (f->is_writing || f->is_held || f->has_failed)
		return;
	if (store_is_untidy(f->o.store)) {
		f->commit->n = 0;
		f->commit->is_tidying = true;
		write_start(self, f);
		return;
	}
	prune_if_due(f);
	if (list_empty(&f->line))
		return;
	if (!is_time(f)) {
		if (!act_timer_is_set(&f->flush_timer))
			act_timer_set(self, &f->flush_timer, STORE_WAIT_NS);
		return;
	}
	act_timer_clear(self, &f->flush_timer);
	commit_fill(f);
	write_start(self, f);
}

/* On a full disk: new work is refused, the rest goes back to the front of the line. */
static void hold(act_self *self, struct front *f, enum err err)
{
	struct link back;

	list_init(&back);
	while (!list_empty(&f->committing)) {
		struct order *o = LIST_ENTRY(f->committing.prev, struct order, link);
		list_remove(&o->link);
		if (err == ERR_FULL && o->is_new_work) {
			o->batch->result = ERR_FULL;
			list_push_front(&back, &o->link);
		} else {
			line_push(f, o, true);
		}
	}
	answer_all(self, f, &back);
	f->is_full = err == ERR_FULL;
	if (f->is_full) {
		log_warn(f->o.log, "store.full", kv_i("waiting_bytes", (int64_t)f->n_bytes));
		f->is_prune_due = true;
	}
	f->is_held = true;
	act_timer_set(self, &f->retry_timer, RETRY_NS);
}

static void on_written(act_self *self, struct front *f, struct commit *c)
{
	f->is_writing = false;
	f->n_under_way_bytes = 0;
	c->n = 0;
	if (f->has_failed)
		return;
	if (c->err == ERR_NOMEM && ++f->n_nomem > NOMEM_RETRIES) {
		fail(f, "out of memory");
		return;
	}
	switch (c->err) {
	case ERR_OK:
		f->n_nomem = 0;
		f->is_full = false;
		answer_all(self, f, &f->committing);
		break;
	case ERR_FULL:
	case ERR_BUSY:
	case ERR_NOMEM:
		hold(self, f, c->err);
		break;
	default:
		fail(f, store_failure_text(f->o.store));
		return;
	}
	write_next(self, f);
}

/* ---- reads ---- */

static void reads_drop(void *arg)
{
	struct reads *r = arg;

	for (size_t i = 0; i < r->n; i++)
		store_reading_drop(r->reading[i]);
	free(r);
}

static int reads_run(void *arg)
{
	struct reads *r = arg;

	for (size_t i = 0; i < r->n; i++) {
		struct store_reading *one = r->reading[i];
		one->result = store_read(r->store, &one->query, &one->rows);
	}
	return ACT_OK;
}

static void read_next(act_self *self, struct front *f)
{
	const struct act_work w = {
		.fn = reads_run, .arg = f->reads, .dtor = reads_drop, .cls = f->o.reader_class};

	if (f->is_reading || f->has_failed || list_empty(&f->read_line))
		return;
	f->reads->n = 0;
	while (!list_empty(&f->read_line) && f->reads->n < READS_AT_ONCE) {
		struct link *l = list_pop_front(&f->read_line);
		list_push_back(&f->reading, l);
		f->reads->reading[f->reads->n++] = LIST_ENTRY(l, struct order, link)->reading;
	}
	if (act_offload_signal(self, &w, WORK_READ) == ACT_OK) {
		f->is_reading = true;
		return;
	}
	f->reads->n = 0;
	while (!list_empty(&f->reading)) {
		struct link *l = f->reading.prev;
		list_remove(l);
		list_push_front(&f->read_line, l);
	}
	act_timer_set(self, &f->retry_timer, RETRY_NS);
}

static void on_read(act_self *self, struct front *f)
{
	f->is_reading = false;
	f->reads->n = 0;
	if (store_failed(f->o.store) != ERR_OK) {
		fail(f, store_failure_text(f->o.store));
		return;
	}
	answer_all(self, f, &f->reading);
	read_next(self, f);
}

/* ---- messages ---- */

static bool apply_one(act_self *self, struct front *f, struct order *o)
{
	enum err e = store_apply(f->o.store, &o->batch, 1);

	if (e != ERR_OK) {
		order_free(self, o);
		fail(f, store_failure_text(f->o.store));
		return false;
	}
	order_pass_faults(o, f->o.fault);
	note_outcome(f, o);
	order_answer(self, o);
	return true;
}

/* Memory: at once, then what is to be forgotten. o may be NULL. */
static void apply_now(act_self *self, struct front *f, struct order *o)
{
	bool is_fine = o == NULL || apply_one(self, f, o);

	while (is_fine && f->is_prune_due) {
		o = order_new_prune(&f->o);
		f->is_prune_due = false;
		is_fine = o != NULL && apply_one(self, f, o);
	}
}

static void on_apply(act_self *self, struct front *f, struct order *o)
{
	measure(f, o);
	if (store_is_immediate(f->o.store)) {
		apply_now(self, f, o);
		return;
	}
	if (o->is_new_work && f->n_bytes + f->n_under_way_bytes > STORE_PENDING_BYTES) {
		o->batch->result = ERR_BUSY;
		order_answer(self, o);
		return;
	}
	line_push(f, o, false);
	if (!o->batch->is_urgent && !act_timer_is_set(&f->flush_timer))
		act_timer_set(self, &f->flush_timer, STORE_WAIT_NS);
	write_next(self, f);
}

static void on_ask_read(act_self *self, struct front *f, struct order *o)
{
	if (store_is_immediate(f->o.store)) {
		o->reading->result = store_read(f->o.store, &o->reading->query, &o->reading->rows);
		order_answer(self, o);
		return;
	}
	list_push_back(&f->read_line, &o->link);
	read_next(self, f);
}

static void prune_now(act_self *self, struct front *f)
{
	f->is_prune_due = f->is_over_time = true;
	if (f->has_failed)
		return;
	if (store_is_immediate(f->o.store))
		apply_now(self, f, NULL);
	else
		write_next(self, f);
}

static void on_settings(act_self *self, struct front *f, const struct store_settings *s)
{
	f->o.default_keep_ns = s->default_keep_ns;
	f->o.max_bytes = s->max_bytes;
	prune_now(self, f);
}

static int front_on_msg(act_self *self, void *state, act_msg *m)
{
	struct front *f = state;
	struct order *o;

	if (m->type == STORE_SETTINGS) {
		on_settings(self, f, act_data(m));
		return ACT_OK;
	}
	CHECK(m->type == STORE_APPLY || m->type == STORE_READ);
	CHECK((m->flags & ACT_MSG_OWNED) != 0);
	if (f->has_failed)
		return ACT_OK;
	o = order_new(self, m);
	if (o == NULL)
		fail(f, "out of memory");
	else if (o->batch != NULL)
		on_apply(self, f, o);
	else
		on_ask_read(self, f, o);
	return ACT_OK;
}

/* ---- signals ---- */

static void on_timer(act_self *self, struct front *f, const struct act_timer *t)
{
	if (t == &f->flush_timer) {
		f->is_over_time = true;
		write_next(self, f);
		return;
	}
	if (t == &f->retry_timer) {
		f->is_held = false;
		f->is_over_time = true;
		write_next(self, f);
		read_next(self, f);
		return;
	}
	act_timer_set(self, &f->prune_timer,
		      f->o.prune_every_ns > 0 ? f->o.prune_every_ns : PRUNE_NS);
	prune_now(self, f);
}

static int front_on_signal(act_self *self, void *state, const struct act_sig *sig)
{
	struct front *f = state;

	switch (sig->kind) {
	case ACT_SIG_WORK:
		if (sig->ref == WORK_WRITE)
			on_written(self, f, sig->ptr);
		else
			on_read(self, f);
		return ACT_OK;
	case ACT_SIG_TIMER:
		on_timer(self, f, sig->ptr);
		return ACT_OK;
	case ACT_SIG_CANCEL:
		return ACT_EXIT;
	default:
		return ACT_OK;
	}
}

/* ---- life ---- */

static int front_init(act_self *self, void *state, const void *arg)
{
	struct front *f = state;

	f->o = *(const struct store_actor_opts *)arg;
	list_init(&f->line);
	list_init(&f->committing);
	list_init(&f->read_line);
	list_init(&f->reading);
	f->commit = calloc(1, sizeof(*f->commit));
	f->reads = calloc(1, sizeof(*f->reads));
	if (f->commit == NULL || f->reads == NULL) {
		free(f->commit);
		free(f->reads);
		return ACT_ENOMEM;
	}
	f->commit->store = f->reads->store = f->o.store;
	act_timer_set(self, &f->prune_timer,
		      f->o.prune_every_ns > 0 ? f->o.prune_every_ns : PRUNE_NS);
	return ACT_OK;
}

static void orders_free(act_self *self, struct link *orders, bool keep_objects)
{
	struct link *l;

	while ((l = list_pop_front(orders)) != NULL) {
		struct order *o = LIST_ENTRY(l, struct order, link);
		if (keep_objects) {
			o->batch = NULL;
			o->reading = NULL;
		}
		order_free(self, o);
	}
}

static void front_fini(act_self *self, void *state, int why)
{
	struct front *f = state;

	(void)why;
	orders_free(self, &f->line, false);
	orders_free(self, &f->read_line, false);
	orders_free(self, &f->committing, f->is_writing);
	orders_free(self, &f->reading, f->is_reading);
	if (!f->is_writing)
		free(f->commit);
	if (!f->is_reading)
		free(f->reads);
}

static void front_dump(struct bytes *out, const void *state)
{
	const struct front *f = state;

	bytes_printf(out,
		     "\"waiting_bytes\":%zu,\"waiting_lines\":%zu,\"writing\":%s,\"reading\":%s,"
		     "\"held\":%s",
		     f->n_bytes, f->n_lines, f->is_writing ? "true" : "false",
		     f->is_reading ? "true" : "false", f->is_held ? "true" : "false");
}

act_id store_actor_spawn(act_self *parent, const struct store_actor_opts *opts)
{
	static const struct act_class cls = {
		.name = "store",
		.state_size = sizeof(struct front),
		.init = front_init,
		.on_msg = front_on_msg,
		.on_signal = front_on_signal,
		.fini = front_fini,
		.dump = front_dump,
	};
	const struct act_opts o = {
		.name = store_is_immediate(opts->store) ? "store.volatile" : "store.durable",
		.cap = MAILBOX_CAP,
		.high = true,
	};

	return act_spawn(parent, &cls, opts, &o);
}
