#include "actor/host.h"

#include "actor/host_state.h"
#include "base/check.h"

#include <stdlib.h>
#include <string.h>

/* Tags of offloads that no call waits for. */
enum { TAG_DISCARD = 0, TAG_REMOVE = 1 };

/* ---- one call ---- */

static void one_free(struct host_one *c)
{
	list_remove(&c->link);
	c->host->n_calls--;
	c->host->hosts->n_calls--;
	host_done_free(c->done);
	host_spill_free(c->spill);
	host_upload_free(c->upload);
	host_held_fini(c->host->hosts, &c->held, true);
	EVP_MD_CTX_free(c->md);
	host_call_free(c->call);
	free(c);
}

/* Nothing outside holds a pointer to it any more. */
static bool is_loose(const struct host_one *c)
{
	bool is_reading = c->upload != NULL && c->upload->is_reading;
	return (c->event != NULL || c->is_mute) && c->spill_state != SPILL_WRITING && !is_reading;
}

static void let_go(act_self *self, struct host_one *c)
{
	c->is_gone = true;
	if (!is_loose(c))
		return;
	act_timer_clear(self, &c->timer);
	if (c->event != NULL)
		act_unprepare(self, c->event);
	host_partial_put(c);
	host_body_discard(self, c);
	one_free(c);
}

static void finish_hash(struct host_one *c)
{
	unsigned n = 0;
	if (c->md == NULL || c->done->has_sha256)
		return;
	c->done->has_sha256 =
		EVP_DigestFinal_ex(c->md, c->done->sha256, &n) == 1 && n == sizeof(c->done->sha256);
}

static void answer(act_self *self, struct host_one *c)
{
	host_partial_put(c);
	finish_hash(c);
	struct host_done *d = c->done;
	c->done = NULL;
	act_reply_buf(self, c->token, HOST_DONE, d, sizeof(*d), host_done_free);
	let_go(self, c);
}

static enum kind kind_of(enum err e)
{
	return e == ERR_FULL ? KIND_STORE_FULL : e == ERR_NOMEM ? KIND_MEMORY : KIND_LOCAL_RESOURCE;
}

/* The body has nowhere to go. */
static void fail(act_self *self, struct host_one *c)
{
	struct host_done *d = c->done;
	if (!c->has_ended)
		exchange_abort(c->host->hosts->opts.exchange, c->id);
	c->has_ended = true;
	d->end.request_sent = true;
	host_done_fail(d, kind_of(d->body.err), "the body could not be kept");
	bytes_fini(&d->body);
	answer(self, c);
}

/* Goes on with a call as far as it can. */
static void step(act_self *self, struct host_one *c)
{
	if (c->is_gone) {
		let_go(self, c);
		return;
	}
	if (c->done->body.err != ERR_OK && c->spill_state != SPILL_WRITING) {
		fail(self, c);
		return;
	}
	host_upload_step(self, c);
	host_body_step(self, c);
	if (host_body_is_whole(c))
		answer(self, c);
}

/* ---- events of the exchange: not actor code ---- */

void host_wake(struct host_one *c)
{
	act_msg *m = c->event;
	if (m == NULL)
		return;
	c->event = NULL;
	memcpy(m->p, &c, sizeof(c));
	act_deliver_local(c->host->shard, c->host->id, m);
}

static void on_head(void *ctx, xcall_id id, const struct xhead *head)
{
	struct host_one *c = ctx;
	(void)id;
	host_done_head(c->done, head);
	if (!host_partial_judge(c))
		return;
	exchange_abort(c->host->hosts->opts.exchange, c->id);
	c->has_ended = true;
	host_wake(c);
}

static void on_data(void *ctx, xcall_id id, struct slice bytes)
{
	struct host_one *c = ctx;
	(void)id;
	if (host_body_data(c, bytes))
		host_wake(c);
}

static void on_end(void *ctx, xcall_id id, const struct xend *end)
{
	struct host_one *c = ctx;
	(void)id;
	host_done_end(c->done, end);
	host_partial_check(c);
	c->has_ended = true;
	host_wake(c);
}

static const struct xevents events = {on_head, on_data, on_end};

/* ---- what it hears ---- */

static struct host_one *one_new(act_self *self, struct host *h, act_msg *m)
{
	struct host_one *c = calloc(1, sizeof(*c));
	void *none = NULL;
	if (c == NULL)
		return NULL;
	c->event = act_prepare(self, HOST_EVENT, &none, sizeof(none));
	c->done = c->event != NULL ? host_done_new(h->hosts) : NULL;
	if (c->done == NULL) {
		if (c->event != NULL)
			act_unprepare(self, c->event);
		free(c);
		return NULL;
	}
	c->host = h;
	c->token = m->token;
	c->call = m->buf.ptr;
	m->buf.ptr = NULL;
	m->buf.dtor = NULL;
	list_push_back(&h->calls, &c->link);
	h->n_calls++;
	h->hosts->n_calls++;
	return c;
}

static void refuse(act_self *self, struct host_one *c, enum err e)
{
	enum kind kind = e == ERR_INVALID ? KIND_REQUEST_INVALID
			 : e == ERR_FULL  ? KIND_LOCAL_RESOURCE
					  : KIND_MEMORY;
	c->has_ended = true;
	c->done->end.phase = "connect";
	host_done_fail(c->done, kind,
		       e == ERR_INVALID ? "the request may not be sent as it is"
		       : e == ERR_FULL	? "too many requests are under way"
					: "out of memory for the request");
	answer(self, c);
}

static void on_fetch(act_self *self, struct host *h, act_msg *m)
{
	struct host_one *c = one_new(self, h, m);
	act_timer_clear(self, &h->idle);
	if (c == NULL) {
		act_reply_error(self, m->token, ACT_ENOMEM);
		return;
	}
	if (c->call->want_sha256) {
		c->md = EVP_MD_CTX_new();
		if (c->md == NULL || EVP_DigestInit_ex(c->md, EVP_sha256(), NULL) != 1) {
			refuse(self, c, ERR_NOMEM);
			return;
		}
	}
	host_partial_take(c);
	c->call->req.credit_bytes = host_body_credit(c);
	enum err e = host_upload_begin(c);
	if (e == ERR_OK)
		e = exchange_submit(h->hosts->opts.exchange, &c->call->req, &events, c, &c->id);
	if (e != ERR_OK)
		refuse(self, c, e);
}

static void on_event(act_self *self, act_msg *m)
{
	struct host_one *c;
	void *none = NULL;
	memcpy(&c, m->p, sizeof(c));
	c->event = act_prepare(self, HOST_EVENT, &none, sizeof(none));
	c->is_mute = c->event == NULL;
	if (c->is_mute && !c->has_ended) {
		/* without it its end could not be told */
		exchange_abort(c->host->hosts->opts.exchange, c->id);
		c->has_ended = true;
		c->done->body.err = ERR_NOMEM;
	}
	step(self, c);
}

static void on_work(act_self *self, const struct act_sig *sig)
{
	if (sig->ref == TAG_DISCARD) {
		host_spill_free(sig->ptr);
		return;
	}
	if (sig->ref == TAG_REMOVE) {
		struct hosts *batch = sig->ptr;
		free(batch->orphan);
		free(batch);
		return;
	}
	struct host_one *c = (struct host_one *)(uintptr_t)sig->ref;
	if (sig->ptr == c->upload)
		host_upload_read(c);
	else
		host_body_written(self, c, sig->ptr);
	step(self, c);
}

static void on_gone(act_self *self, struct host *h, uint64_t token)
{
	LIST_EACH_SAFE (it, &h->calls) {
		struct host_one *c = LIST_ENTRY(it, struct host_one, link);
		if (c->token != token || c->is_gone)
			continue;
		if (!c->has_ended)
			exchange_abort(h->hosts->opts.exchange, c->id);
		c->has_ended = true;
		let_go(self, c);
		return;
	}
}

/* ---- the actor ---- */

static void settle(act_self *self, struct host *h)
{
	host_orphans(self, h->hosts);
	if (h->n_calls == 0 && !act_timer_is_set(&h->idle))
		act_timer_set(self, &h->idle, HOST_IDLE_NS);
}

static int init(act_self *self, void *state, const void *arg)
{
	struct host *h = state;
	h->entry = *(struct host_entry *const *)arg;
	h->hosts = h->entry->hosts;
	h->shard = act_myshard(self);
	h->id = act_whoami(self);
	list_init(&h->calls);
	return ACT_OK;
}

static int on_msg(act_self *self, void *state, act_msg *m)
{
	struct host *h = state;
	if (m->type == HOST_FETCH)
		on_fetch(self, h, m);
	else if (m->type == HOST_EVENT)
		on_event(self, m);
	settle(self, h);
	return ACT_OK;
}

static int on_timer(act_self *self, struct host *h, const struct act_timer *t)
{
	if (t == &h->idle)
		return h->n_calls == 0 ? ACT_EXIT : ACT_OK;
	LIST_EACH_SAFE (it, &h->calls) {
		struct host_one *c = LIST_ENTRY(it, struct host_one, link);
		if (&c->timer == t) {
			step(self, c);
			break;
		}
	}
	return ACT_OK;
}

static int on_signal(act_self *self, void *state, const struct act_sig *sig)
{
	struct host *h = state;
	int rc = ACT_OK;
	if (sig->kind == ACT_SIG_CANCEL)
		return ACT_EXIT;
	if (sig->kind == ACT_SIG_ASK_GONE)
		on_gone(self, h, sig->ref);
	else if (sig->kind == ACT_SIG_WORK)
		on_work(self, sig);
	else if (sig->kind == ACT_SIG_TIMER)
		rc = on_timer(self, h, sig->ptr);
	if (rc == ACT_OK)
		settle(self, h);
	return rc;
}

static void fini(act_self *self, void *state, int why)
{
	struct host *h = state;
	(void)why;
	if (h->entry == NULL)
		return;
	while (!list_empty(&h->calls)) {
		struct host_one *c = LIST_ENTRY(list_first(&h->calls), struct host_one, link);
		if (!c->has_ended)
			exchange_abort(h->hosts->opts.exchange, c->id);
		act_timer_clear(self, &c->timer);
		if (c->event != NULL)
			act_unprepare(self, c->event);
		if (c->upload != NULL && c->upload->is_reading)
			c->upload = NULL; /* the worker's */
		one_free(c);
	}
	struct slice name = {h->entry->name, h->entry->name_n};
	if (table_get(&h->hosts->by_origin, name) == h->entry)
		table_remove(&h->hosts->by_origin, name);
	free(h->entry);
}

static void dump(struct bytes *out, const void *state)
{
	const struct host *h = state;
	bytes_printf(out, "\"origin\":\"%s\",\"calls\":%u", h->entry->name, (unsigned)h->n_calls);
}

const act_class host_class = {
	.name = "host",
	.state_size = sizeof(struct host),
	.flags = ACT_CLASS_WANTS_ASK_GONE,
	.init = init,
	.on_msg = on_msg,
	.on_signal = on_signal,
	.fini = fini,
	.dump = dump,
};
