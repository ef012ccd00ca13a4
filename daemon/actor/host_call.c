/*
 * host_call -- requests and answers as those see them who ask; the directory of hosts.
 */
#include "actor/host_state.h"

#include "base/check.h"
#include "edge/uploads.h"
#include "model/validators.h"

#include <stdlib.h>
#include <string.h>

#define MAILBOX 4096

struct host_call *host_call_new(void)
{
	return calloc(1, sizeof(struct host_call));
}

void host_call_free(void *call)
{
	struct host_call *c = call;
	if (c == NULL)
		return;
	if (c->hold_free != NULL)
		c->hold_free(c->hold);
	uploadread_free(c->upload);
	host_partial_unref(c->partial);
	bytes_fini(&c->mem);
	free(c);
}

enum err host_call_reserve(struct host_call *c, size_t n)
{
	CHECK(c->mem.n == 0); /* later it would move what is there */
	return bytes_reserve(&c->mem, n);
}

struct slice host_call_text(struct host_call *c, struct slice text)
{
	if (text.n == 0)
		return (struct slice){text.p != NULL ? "" : NULL, 0};
	CHECK(c->mem.n + text.n <= c->mem.cap);
	char *at = c->mem.p + c->mem.n;
	memcpy(at, text.p, text.n);
	c->mem.n += text.n;
	return (struct slice){at, text.n};
}

/* ---- the answer ---- */

struct host_done *host_done_new(struct hosts *hosts)
{
	struct host_done *d = calloc(1, sizeof(*d));
	if (d != NULL)
		d->hosts = hosts;
	return d;
}

void host_orphan_add(struct hosts *h, const struct host_orphan *orphan)
{
	if (h->n_orphan == h->cap_orphan) {
		uint32_t cap = h->cap_orphan == 0 ? 16 : h->cap_orphan * 2;
		struct host_orphan *grown = realloc(h->orphan, cap * sizeof(*grown));
		if (grown == NULL) {
			bodyfile_leave(orphan->file);
			return; /* swept at the next start */
		}
		h->orphan = grown;
		h->cap_orphan = cap;
	}
	h->orphan[h->n_orphan++] = *orphan;
}

/* Blocks for the disk. */
void host_orphan_remove(const struct hosts *h, const struct host_orphan *orphan)
{
	if (orphan->file != NULL)
		bodyfile_free(orphan->file);
	else if (orphan->kept_job != 0)
		bodykept_remove(h->opts.bodies, orphan->kept_job, orphan->id);
	else
		bodydir_remove(h->opts.bodies, orphan->id);
}

void host_done_free(void *done)
{
	struct host_done *d = done;
	if (d == NULL)
		return;
	d->hosts->body_bytes -= d->counted;
	if (d->body_file != 0)
		host_orphan_add(d->hosts, &(struct host_orphan){.id = d->body_file});
	bytes_fini(&d->body);
	bytes_fini(&d->mem);
	bytes_fini(&d->late);
	free(d->headers);
	free(d);
}

uint64_t host_done_take_file(struct host_done *d)
{
	uint64_t id = d->body_file;
	d->body_file = 0;
	return id;
}

struct host_done *host_done_of(act_msg *m)
{
	CHECK(m->type == HOST_DONE);
	struct host_done *d = m->buf.ptr;
	m->buf.ptr = NULL;
	m->buf.dtor = NULL;
	return d;
}

static struct slice keep(struct bytes *mem, struct slice s)
{
	char *at = mem->p + mem->n;
	if (s.n > 0)
		memcpy(at, s.p, s.n);
	mem->n += s.n;
	return (struct slice){at, s.n};
}

void host_done_head(struct host_done *d, const struct xhead *head)
{
	size_t n = head->reason.n;
	for (size_t i = 0; i < head->n_headers; i++)
		n += head->headers[i].name.n + head->headers[i].value.n;
	d->headers = malloc((head->n_headers + 1) * sizeof(*d->headers));
	if (d->headers == NULL || bytes_reserve(&d->mem, n + 1) != ERR_OK)
		return; /* no head: the end says memory */
	d->has_head = true;
	d->status = head->status;
	d->minor = head->minor;
	d->reason = keep(&d->mem, head->reason);
	for (size_t i = 0; i < head->n_headers; i++)
		d->headers[d->n_headers++] =
			(struct xheader){keep(&d->mem, head->headers[i].name),
					 keep(&d->mem, head->headers[i].value)};
}

/* In a block of its own: mem must not move. */
static void keep_message(struct host_done *d, struct slice message)
{
	d->end.message = (struct slice){"", 0};
	if (message.n > 0 && bytes_reserve(&d->late, message.n + 1) == ERR_OK)
		d->end.message = keep(&d->late, message);
}

void host_done_end(struct host_done *d, const struct xend *end)
{
	d->end = *end;
	d->end.trailers = NULL;
	d->end.n_trailers = 0;
	keep_message(d, end->message);
	if (end->ok && !d->has_head)
		host_done_fail(d, KIND_MEMORY, "out of memory for the response");
}

void host_done_fail(struct host_done *d, enum kind kind, const char *message)
{
	d->end.ok = false;
	d->end.kind = kind;
	d->end.phase = d->end.phase != NULL ? d->end.phase : "body";
	d->end.message = slice_of(message); /* static */
}

/* ---- the directory ---- */

struct hosts *hosts_new(const struct host_opts *opts)
{
	struct hosts *h = calloc(1, sizeof(*h));
	if (h == NULL)
		return NULL;
	h->opts = *opts;
	table_init(&h->by_origin, opts->seed);
	table_init(&h->left, opts->seed);
	h->validators = validators_new(opts->seed);
	if (h->validators == NULL) {
		free(h);
		return NULL;
	}
	host_partials_load(h);
	return h;
}

void hosts_free(struct hosts *h)
{
	if (h == NULL)
		return;
	host_partials_fini(h);
	for (uint32_t i = 0; i < h->n_orphan; i++)
		host_orphan_remove(h, &h->orphan[i]);
	TABLE_EACH (it, &h->by_origin)
		free(it->value);
	table_fini(&h->by_origin);
	free(h->orphan);
	validators_free(h->validators);
	free(h);
}

struct validators *hosts_validators(struct hosts *h)
{
	return h->validators;
}

void hosts_stats(const struct hosts *h, struct host_stats *ret)
{
	*ret = (struct host_stats){.n_hosts = table_count(&h->by_origin),
				   .n_calls = h->n_calls,
				   .body_bytes = h->body_bytes};
}

static act_id host_spawn(act_self *self, struct hosts *h, struct slice origin)
{
	struct host_entry *e = malloc(sizeof(*e) + origin.n + 1);
	if (e == NULL)
		return 0;
	e->hosts = h;
	e->name_n = (uint32_t)origin.n;
	memcpy(e->name, origin.p, origin.n);
	e->name[origin.n] = '\0';
	struct act_opts o = {.name = "host",
			     .cap = h->opts.mailbox != 0 ? h->opts.mailbox : MAILBOX};
	if (table_put(&h->by_origin, origin, e, NULL) != ERR_OK) {
		free(e);
		return 0;
	}
	e->id = act_spawn(self, &host_class, &e, &o);
	if (e->id != 0)
		return e->id;
	table_remove(&h->by_origin, origin);
	free(e);
	return 0;
}

int host_fetch(act_self *self, struct hosts *h, struct host_call *call, act_msg **ret_m)
{
	struct host_entry *e = table_get(&h->by_origin, call->origin);
	act_id id = e != NULL ? e->id : host_spawn(self, h, call->origin);
	if (id == 0) {
		host_call_free(call);
		return ACT_ENOMEM;
	}
	return act_ask_buf_patient(self, id, HOST_FETCH, call, sizeof(*call), host_call_free,
				   ret_m);
}
