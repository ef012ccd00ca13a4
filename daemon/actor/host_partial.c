/*
 * host_partial -- the beginnings of bodies that were cut: held between two calls of one task, in
 * memory or in a file, each with what its server called that version.
 *
 * A call takes what is held out of the partial and puts back what is left to go on with, so there
 * is never more than one owner; what comes back late, when another call has put its own, goes.
 */
#include "actor/host_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct head_field) == sizeof(struct xheader), "the same two slices");

static const struct head_field *fields_of(const struct host_done *d)
{
	return (const struct head_field *)(const void *)d->headers;
}

/* ---- what is held ---- */

void host_held_fini(struct hosts *h, struct host_held *held, bool stays)
{
	struct host_spill *s = held->spill;
	h->body_bytes -= held->counted;
	bytes_fini(&held->body);
	bytes_fini(&held->text);
	EVP_MD_CTX_free(held->md);
	if (s != NULL && !(stays && s->kept_job != 0)) {
		struct host_orphan o = {
			.id = s->reopen_id, .kept_job = s->kept_job, .file = s->file};
		if (o.file != NULL || o.id != 0)
			host_orphan_add(h, &o);
		s->file = NULL;
	}
	host_spill_free(s);
	*held = (struct host_held){.counted = 0};
}

/* Copies the texts, so that they live as long as what they are about. */
static bool keep_texts(struct host_held *held, struct slice url)
{
	struct resume_held *w = &held->what;
	struct slice *texts[] = {&url, &w->etag, &w->last_modified};
	size_t n = 1;
	for (size_t i = 0; i < 3; i++)
		n += texts[i]->n;
	if (bytes_reserve(&held->text, n) != ERR_OK)
		return false;
	for (size_t i = 0; i < 3; i++) {
		char *at = held->text.p + held->text.n;
		bytes_add_slice(&held->text, *texts[i]);
		*texts[i] = (struct slice){at, texts[i]->n};
	}
	held->url = url;
	return true;
}

/* ---- the task's handle ---- */

static void key_of(uint64_t job, struct slice path, struct bytes *out)
{
	bytes_printf(out, "%" PRIu64 " %.*s", job, (int)path.n, path.p);
}

/* What an earlier life left of it. */
static void take_left(struct host_partial *p)
{
	struct bytes key = BYTES_LIMIT(0);
	if (p->kept_job == 0 || table_count(&p->hosts->left) == 0)
		return;
	key_of(p->kept_job, bytes_slice(&p->path), &key);
	struct host_held *held = table_remove(&p->hosts->left, bytes_slice(&key));
	bytes_fini(&key);
	if (held == NULL)
		return;
	p->held = *held;
	free(held);
}

struct host_partial *host_partial_new(struct hosts *hosts, uint64_t kept_job, struct slice path)
{
	struct host_partial *p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	p->refs = 1;
	p->hosts = hosts;
	p->kept_job = hosts->opts.bodies != NULL ? kept_job : 0;
	if (bytes_add_slice(&p->path, path) != ERR_OK) {
		free(p);
		return NULL;
	}
	take_left(p);
	return p;
}

struct host_partial *host_partial_ref(struct host_partial *p)
{
	p->refs++;
	return p;
}

void host_partial_unref(struct host_partial *p)
{
	if (p == NULL || --p->refs > 0)
		return;
	host_held_fini(p->hosts, &p->held, !p->has_ended);
	bytes_fini(&p->path);
	free(p);
}

/* Any host will do; if there is none, the next one finds them. */
static void sweep(act_self *self, struct hosts *h)
{
	if (h->n_orphan == 0)
		return;
	TABLE_EACH (it, &h->by_origin) {
		act_msg *m = act_prepare(self, HOST_SWEEP, NULL, 0);
		if (m != NULL)
			act_deliver(self, ((struct host_entry *)it->value)->id, m);
		return;
	}
}

void host_partial_end(act_self *self, struct host_partial *p)
{
	if (p == NULL)
		return;
	p->has_ended = true;
	host_held_fini(p->hosts, &p->held, false);
	sweep(self, p->hosts);
	host_partial_unref(p);
}

struct slice host_partial_held(const struct host_partial *p, struct resume_held *ret)
{
	*ret = p->held.what;
	return p->held.url;
}

/* ---- a call ---- */

void host_partial_take(struct host_one *c)
{
	struct host_partial *p = c->call->partial;
	if (p == NULL || c->call->resume_from == 0 || p->held.what.size != c->call->resume_from)
		return;
	bool drops = c->call->body == HOST_BODY_DROP;
	if (drops != (p->held.spill == NULL && p->held.body.n == 0))
		return; /* the answer will not fit, and the whole be asked for */
	c->held = p->held;
	p->held = (struct host_held){.counted = 0};
}

/* The body of this answer is one that could be gone on with. */
static void begin(struct host_one *c)
{
	struct host_done *d = c->done;
	host_held_fini(c->host->hosts, &c->held, false);
	c->may_be_held = resume_may(d->status, fields_of(d), d->n_headers, &c->held.what) &&
			 keep_texts(&c->held, c->call->url);
	c->held.what.size = 0;
}

/* The body begins with what is held. */
static void go_on(struct host_one *c)
{
	struct host_done *d = c->done;
	struct host_held *held = &c->held;
	d->is_resumed = true;
	d->body_size = held->what.size;
	d->body = held->body;
	d->counted = held->counted;
	if (held->md != NULL) {
		EVP_MD_CTX_free(c->md);
		c->md = held->md;
	} else if (c->md != NULL) {
		EVP_DigestUpdate(c->md, d->body.p, d->body.n);
	}
	if (held->spill != NULL) {
		c->spill = held->spill;
		c->spill_state = SPILL_IDLE;
		c->wants_file = true;
	}
	held->body = (struct bytes){.n = 0};
	held->counted = 0;
	held->md = NULL;
	held->spill = NULL;
	held->what.size = 0;
}

static void misfit(struct host_one *c)
{
	host_held_fini(c->host->hosts, &c->held, false);
	c->done->is_misfit = true;
	c->done->end.request_sent = true;
	host_done_fail(c->done, KIND_PROTOCOL_MALFORMED,
		       "the server answered another range than it was asked for");
}

bool host_partial_judge(struct host_one *c)
{
	struct host_done *d = c->done;
	uint64_t last = 0;
	int64_t total = -1;
	if (c->call->partial == NULL || !d->has_head)
		return false;
	if (c->call->resume_from == 0) {
		begin(c);
		return false;
	}
	switch (resume_judge(&c->held.what, d->status, fields_of(d), d->n_headers, &last, &total)) {
	case RESUME_GOES_ON:
		c->due_size = last + 1;
		c->held.what.total = total;
		c->may_be_held = true;
		go_on(c);
		return false;
	case RESUME_WHOLE:
		c->ignores_body = true;
		go_on(c);
		return false;
	case RESUME_ANEW:
		begin(c);
		return false;
	case RESUME_MISFIT:
		misfit(c);
		return true;
	case RESUME_LATER:
		break;
	}
	return false;
}

void host_partial_check(struct host_one *c)
{
	struct host_done *d = c->done;
	if (!d->end.ok || c->due_size == 0)
		return;
	if (d->body_size > c->due_size) {
		c->may_be_held = false;
		host_done_fail(d, KIND_PROTOCOL_MALFORMED,
			       "the answer is longer than the range it says it is");
	} else if (d->body_size < c->due_size ||
		   (c->held.what.total >= 0 && (int64_t)c->due_size < c->held.what.total)) {
		host_done_fail(d, KIND_READ_CLOSED,
			       "the server sent only a part of what was missing");
	}
}

static bool is_cut_by(enum kind kind)
{
	return kind == KIND_READ_CLOSED || kind == KIND_READ_TIMEOUT || kind == KIND_TLS_FAILED ||
	       kind == KIND_SEND_FAILED;
}

bool host_partial_is_cut(const struct host_one *c)
{
	const struct host_done *d = c->done;
	return c->may_be_held && !c->call->is_last_try && d->body_size > 0 &&
	       d->body.err == ERR_OK && !d->end.ok && (c->is_gone || is_cut_by(d->end.kind));
}

void host_partial_marks(const struct host_one *c, struct host_spill *s)
{
	const struct host_partial *p = c->call->partial;
	if (!c->may_be_held || p->kept_job == 0)
		return;
	struct slice from[] = {bytes_slice(&p->path), c->held.url, c->held.what.etag,
			       c->held.what.last_modified};
	struct slice *to[] = {&s->about.path, &s->about.url, &s->about.etag,
			      &s->about.last_modified};
	size_t n = 1;
	for (size_t i = 0; i < 4; i++)
		n += from[i].n;
	if (bytes_reserve(&s->text, n) != ERR_OK)
		return;
	for (size_t i = 0; i < 4; i++) {
		*to[i] = (struct slice){s->text.p + s->text.n, from[i].n};
		bytes_add_slice(&s->text, from[i]);
	}
	s->kept_job = s->about.job = p->kept_job;
	s->about.boot = c->host->hosts->opts.boot;
	s->about.total = c->held.what.total;
	s->stays = true;
}

/* The beginning that this call leaves, into c->held. False: none is left. */
static bool gather(struct host_one *c)
{
	struct host_held *held = &c->held;
	struct host_done *d = c->done;
	if (!host_partial_is_cut(c))
		return false;
	if (c->wants_file || c->spill != NULL) {
		const struct host_spill *s = c->spill;
		if (s == NULL || s->result != ERR_OK)
			return false;
		held->what.size = s->file != NULL ? bodyfile_size(s->file) : s->reopen_size;
		held->spill = c->spill;
		if (s->file != NULL)
			bodyfile_park(s->file);
		c->spill = NULL;
		c->spill_state = SPILL_NONE;
	} else {
		held->what.size = d->body_size;
		held->body = d->body;
		held->counted = d->counted;
		d->body = (struct bytes){.n = 0};
		d->counted = 0;
		if (c->call->body == HOST_BODY_DROP) {
			held->md = c->md;
			c->md = NULL;
		}
	}
	d->is_held = true;
	return held->what.size > 0;
}

void host_partial_put(struct host_one *c)
{
	struct host_partial *p = c->call->partial;
	if (p == NULL || c->done == NULL)
		return;
	bool is_left = c->may_be_held ? gather(c) : c->held.what.size > 0;
	c->may_be_held = false;
	if (is_left && !p->has_ended && p->held.what.size == 0) {
		host_held_fini(p->hosts, &p->held, false);
		p->held = c->held;
		c->held = (struct host_held){.counted = 0};
	} else {
		host_held_fini(p->hosts, &c->held, false);
	}
}

/* ---- what an earlier life left ---- */

static struct host_held *left_new(struct hosts *h, uint64_t id, uint64_t size,
				  const struct bodyabout *about)
{
	struct host_held *held = calloc(1, sizeof(*held));
	struct host_spill *s = calloc(1, sizeof(*s));
	if (held == NULL || s == NULL) {
		free(held);
		free(s);
		return NULL;
	}
	s->dir = h->opts.bodies;
	s->kept_job = about->job;
	s->reopen_id = id;
	s->reopen_size = size;
	s->stays = true;
	held->spill = s;
	held->what = (struct resume_held){.size = size,
					  .total = about->total,
					  .etag = about->etag,
					  .last_modified = about->last_modified};
	if (keep_texts(held, about->url))
		return held;
	host_held_fini(h, held, true);
	free(held);
	return NULL;
}

static void on_left(void *ctx, uint64_t id, uint64_t size, const struct bodyabout *about)
{
	struct hosts *h = ctx;
	struct host_held *held = left_new(h, id, size, about);
	struct bytes key = BYTES_LIMIT(0);
	void *before = NULL;
	if (held == NULL)
		return; /* the next life may have more memory */
	key_of(about->job, about->path, &key);
	if (table_put(&h->left, bytes_slice(&key), held, &before) != ERR_OK)
		before = held;
	bytes_fini(&key);
	if (before != NULL)
		host_held_fini(h, before, false);
	free(before);
}

void host_partials_load(struct hosts *h)
{
	if (h->opts.bodies != NULL)
		bodykept_load(h->opts.bodies, h->opts.boot, on_left, h);
}

void hosts_forget_job(act_self *self, struct hosts *h, uint64_t kept_job)
{
	char prefix[32];
	size_t n = (size_t)snprintf(prefix, sizeof(prefix), "%" PRIu64 " ", kept_job);
	TABLE_EACH (it, &h->left) {
		if (it->key_len <= n || memcmp(it->key, prefix, n) != 0)
			continue;
		struct host_held *held = it->value;
		table_remove(&h->left, (struct slice){it->key, it->key_len});
		host_held_fini(h, held, false);
		free(held);
	}
	sweep(self, h);
}

void host_partials_fini(struct hosts *h)
{
	TABLE_EACH (it, &h->left) {
		host_held_fini(h, it->value, true);
		free(it->value);
	}
	table_fini(&h->left);
}
