/*
 * leaf_request -- what a fetch asks for: its spec for this run, the limits it counts under, the
 * call of one hop.
 */
#include "actor/leaf_fetch_state.h"
#include "actor/leaf_own.h"
#include "edge/uploads.h"
#include "model/credentials.h"
#include "model/redirect.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fetch_says(struct fetch *f, enum kind kind, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	f->kind = kind;
	bytes_clear(&f->message);
	bytes_add_str(&f->message, text);
}

/* ---- the spec ---- */

static enum err make_spec(struct fetch *f, struct fetch_error *e)
{
	struct task *t = f->leaf.task;
	const struct fetch_tmpl *tmpl = &t->node->u.fetch;
	struct interp_env env = names_env(t->names);
	if (tmpl->is_item_only && t->raw != NULL)
		return fetch_spec_from_item(t->item.raw, tmpl->defaults, &f->spec, e);
	return fetch_spec_render(tmpl, &env, &f->spec, e);
}

static bool is_unreserved(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

static void add_encoded(struct bytes *out, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (is_unreserved(c))
			bytes_add_byte(out, (char)c);
		else
			bytes_printf(out, "%%%02X", c);
	}
}

/* The URL with the pairs of `query` behind its own. */
static void add_query(const struct fetch_spec *s, struct bytes *out)
{
	const char *hash = memchr(s->url.p, '#', s->url.n);
	struct slice url = {s->url.p, hash != NULL ? (size_t)(hash - s->url.p) : s->url.n};
	char sep = memchr(url.p, '?', url.n) != NULL ? '&' : '?';
	bytes_add_slice(out, url);
	for (uint32_t i = 0; i < s->n_query; i++, sep = '&') {
		bytes_add_byte(out, sep);
		add_encoded(out, s->query[i].name);
		bytes_add_byte(out, '=');
		add_encoded(out, s->query[i].value);
	}
}

static bool parse_url(struct fetch *f)
{
	const char *why = "";
	struct bytes text = BYTES_LIMIT(URL_MAX);
	struct slice page = f->leaf.task->page_url;
	enum err e;
	if (f->spec->n_query > 0) {
		add_query(f->spec, &text);
		e = text.err != ERR_OK ? text.err : url_parse(bytes_slice(&text), &f->url, &why);
	} else {
		e = url_parse(f->spec->url, &f->url, &why);
	}
	bytes_fini(&text);
	if (e == ERR_OK && page.n > 0)
		e = url_parse(page, &f->page, &why);
	if (e != ERR_OK)
		fetch_says(f, e == ERR_NOMEM ? KIND_MEMORY : KIND_URL_INVALID, "%s", why);
	return e == ERR_OK;
}

bool fetch_prepare(struct fetch *f)
{
	struct fetch_error e;
	const struct retry_spec *r = f->leaf.task->node->retry;
	bytes_init(&f->message, MESSAGE_MAX);
	if (make_spec(f, &e) != ERR_OK) {
		fetch_says(f, e.kind, "%s", e.text);
		return false;
	}
	f->policy = (struct retry_policy){.attempts = (uint32_t)r->attempts,
					  .backoff_ms = r->backoff_ms,
					  .max_ms = r->max_ms,
					  .has_on = r->has_on,
					  .on_is_here = r->on_is_here,
					  .kinds = r->on_kinds,
					  .statuses = r->on_statuses};
	if (!fetch_socket_allowed(f) || !parse_url(f))
		return false;
	fetch_put_cookies(f);
	fetch_hold_cut(f);
	return true;
}

static void replace(struct url *u, struct url *by)
{
	url_fini(u);
	*u = *by;
	*by = (struct url){0};
}

bool fetch_next_mirror(struct fetch *f)
{
	struct url base = {0}, to = {0}, page = {0};
	const char *why;
	bool ok = false;
	while (!ok && f->mirror < f->spec->n_mirror) {
		if (url_parse(f->spec->mirror[f->mirror++], &base, &why) == ERR_OK)
			ok = url_rebase(&f->url, &base, &to) == ERR_OK;
		if (ok && fetch_is_page(f))
			ok = url_rebase(&f->page, &base, &page) == ERR_OK;
		url_fini(&base);
	}
	if (ok)
		replace(&f->url, &to);
	if (ok && fetch_is_page(f))
		replace(&f->page, &page);
	url_fini(&to);
	return ok;
}

/* ---- the limits ---- */

static struct slice header_of(void *ctx, struct slice name)
{
	const struct fetch *f = ctx;
	for (uint32_t i = 0; i < f->spec->n_header; i++)
		if (slice_eq_nocase(f->spec->header[i].name, name))
			return f->spec->header[i].value;
	return (struct slice){NULL, 0};
}

struct slice fetch_method(const struct fetch *f)
{
	if (f->to_get && !slice_is(f->spec->method, "HEAD"))
		return SLICE_LIT("GET");
	return f->spec->method;
}

struct limit_ticket *fetch_ticket(act_self *self, struct fetch *f)
{
	struct job *j = fetch_job(f);
	struct limit_ask ask = {
		.rules = j->peers->rules != NULL ? j->peers->rules(j->peers->ctx) : NULL,
		.job = j->number * 2 + j->is_volatile,
		.is_durable = !j->is_volatile,
		.leaf = f->leaf.task->index,
		.uid = j->uid,
		.priority = (uint8_t)j->spec->priority,
		.origin = url_origin(&f->at),
		.host = url_host(&f->at),
		.domain = url_domain(&f->at),
		.path = url_path(&f->at),
		.method = fetch_method(f),
		.port = f->at.port,
		.header = header_of,
		.header_ctx = f,
		.deadline_ns = act_deadline(self),
		.attempt = f->attempt,
		.is_front = f->is_front,
	};
	leaf_own_limits(f->leaf.task, &ask);
	return limit_ticket_new(&ask);
}

/* ---- the call ---- */

/* What the call holds beside its texts; the job's tree keeps what is the same for all its calls. */
struct arrays {
	struct job_spec *spec;
	size_t n_header;
	struct xresolve *resolve;
	struct xheader header[];
};

static void arrays_free(void *hold)
{
	struct arrays *a = hold;
	job_spec_unref(a->spec);
	free(a);
}

static void add_header(struct host_call *c, struct arrays *a, struct slice name, struct slice value)
{
	a->header[a->n_header++] =
		(struct xheader){host_call_text(c, name), host_call_text(c, value)};
}

static bool has_header(const struct fetch *f, const char *name)
{
	for (uint32_t i = 0; i < f->spec->n_header; i++)
		if (slice_eq_nocase(f->spec->header[i].name, slice_of(name)))
			return true;
	return false;
}

static void add_own_headers(const struct fetch *f, struct host_call *c, struct arrays *a)
{
	for (uint32_t i = 0; i < f->spec->n_header; i++) {
		const struct fetch_header *h = &f->spec->header[i];
		if (h->value.p == NULL || !credentials_keeps_field(h->name, &f->url, &f->at))
			continue;
		if (f->to_get && redirect_drops_field(h->name))
			continue;
		add_header(c, a, h->name, h->value);
	}
	if (!has_header(f, "User-Agent") && fetch_user_agent(f).n > 0)
		add_header(c, a, SLICE_LIT("User-Agent"), fetch_user_agent(f));
	if (!has_header(f, "Accept"))
		add_header(c, a, SLICE_LIT("Accept"), SLICE_LIT("*/*"));
	if (f->spec->content_type.n > 0 && !f->to_get && !has_header(f, "Content-Type"))
		add_header(c, a, SLICE_LIT("Content-Type"), f->spec->content_type);
}

static size_t texts_size(const struct fetch *f, const struct own_fields *own)
{
	const struct fetch_spec *s = f->spec;
	size_t n = 4 * (size_t)f->at.n + s->method.n + s->body.n + s->content_type.n +
		   s->unix_socket.n + fetch_settings_size(f) + 512;
	if (f->at.is_https)
		n += s->tls_ca.n + s->tls_cert.n + s->tls_key.n;
	for (uint32_t i = 0; i < s->n_header; i++)
		n += s->header[i].name.n + s->header[i].value.n;
	for (uint32_t i = 0; i < own->n; i++)
		n += strlen(own->field[i].name) + own->field[i].value.n;
	for (uint32_t i = 0; i < s->n_resolve; i++)
		n += s->resolve[i].host.n + s->resolve[i].addr.n;
	return n;
}

/* A bundle of authorities is large; that of the whole job is not copied for each call. */
static struct slice pem(struct host_call *c, struct slice own, struct slice of_job)
{
	return own.p == of_job.p && own.n == of_job.n ? own : host_call_text(c, own);
}

static void set_tls(const struct fetch *f, struct host_call *c)
{
	const struct fetch_spec *s = f->spec, *all = &fetch_job(f)->spec->fetch_defaults;
	if (f->at.is_https)
		c->req.tls_options = (struct xtls){.ca_pem = pem(c, s->tls_ca, all->tls_ca),
						   .cert_pem = pem(c, s->tls_cert, all->tls_cert),
						   .key_pem = pem(c, s->tls_key, all->tls_key),
						   .insecure = !s->tls_verify};
}

static void set_places(const struct fetch *f, struct host_call *c, struct arrays *a)
{
	const struct fetch_spec *s = f->spec;
	for (uint32_t i = 0; i < s->n_resolve; i++)
		a->resolve[i] = (struct xresolve){.host = host_call_text(c, s->resolve[i].host),
						  .port = s->resolve[i].port,
						  .addr = host_call_text(c, s->resolve[i].addr)};
	c->req.resolve = a->resolve;
	c->req.n_resolve = s->n_resolve;
	c->req.unix_socket = host_call_text(c, s->unix_socket);
	set_tls(f, c);
	c->req.timeouts = (struct xtimeouts){.connect_ms = s->connect_timeout_ms,
					     .first_byte_ms = s->first_byte_timeout_ms,
					     .read_idle_ms = s->read_timeout_ms,
					     .send_idle_ms = s->read_timeout_ms};
	fetch_set_limits(f, c);
	c->req.decode = s->decode;
}

static void set_target(struct fetch *f, struct host_call *c)
{
	const struct job_peers *peers = fetch_job(f)->peers;
	c->req.tls = f->at.is_https;
	c->req.host = host_call_text(c, url_host(&f->at));
	c->req.port = f->at.port;
	c->req.authority = host_call_text(c, url_authority(&f->at));
	c->req.method = host_call_text(c, fetch_method(f));
	c->req.target = host_call_text(c, url_target(&f->at));
	c->origin = host_call_text(c, url_origin(&f->at));
	c->req.policy = peers->policy != NULL ? peers->policy(peers->ctx) : NULL;
	c->req.from_public = f->from_public;
	int64_t before = limit_ticket_use_before_ns(f->ticket);
	c->req.fresh = f->is_fresh;
	c->req.send_before_ns = before == INT64_MAX ? 0 : before;
	if (f->spec->body_kind == FETCH_BODY_BYTES && !f->to_get)
		c->req.body = (struct xbody){.kind = XBODY_BYTES,
					     .bytes = host_call_text(c, f->spec->body)};
	f->is_expecting = fetch_expects(f, f->source != NULL ? uploadread_size(f->source)
							     : c->req.body.bytes.n);
	c->req.body.expect_continue = f->is_expecting;
	c->upload = f->source;
	f->source = NULL;
}

static void set_body_policy(const struct fetch *f, struct host_call *c)
{
	struct task *t = f->leaf.task;
	bool keep = fetch_job(f)->spec->results.body_inline || t->wants_value || line_needs_doc(t);
	int64_t share = limit_ticket_bandwidth(f->ticket);
	c->body = keep ? HOST_BODY_KEEP : HOST_BODY_DROP;
	c->want_sha256 = f->spec->has_sha256;
	c->max_rate_bytes = f->spec->max_rate_bytes;
	if (share > 0 && (c->max_rate_bytes == 0 || share < c->max_rate_bytes))
		c->max_rate_bytes = share;
}

static struct host_call *fill_call(struct fetch *f, const struct own_fields *own)
{
	struct host_call *c = host_call_new();
	size_t n_header = f->spec->n_header + 3u + OWN_FIELDS;
	size_t room =
		n_header * sizeof(struct xheader) + f->spec->n_resolve * sizeof(struct xresolve);
	if (c == NULL)
		return NULL;
	struct arrays *a = calloc(1, sizeof(*a) + room);
	if (a == NULL || host_call_reserve(c, texts_size(f, own)) != ERR_OK) {
		free(a);
		host_call_free(c);
		return NULL;
	}
	a->spec = job_spec_ref(fetch_job(f)->spec);
	a->resolve = (struct xresolve *)(void *)(a->header + n_header);
	c->hold = a;
	c->hold_free = arrays_free;
	set_target(f, c);
	add_own_headers(f, c, a);
	for (uint32_t i = 0; i < own->n; i++)
		if (own->field[i].value.n > 0)
			add_header(c, a, slice_of(own->field[i].name),
				   bytes_slice(&own->field[i].value));
	c->req.headers = a->header;
	c->req.n_headers = a->n_header;
	set_places(f, c, a);
	set_body_policy(f, c);
	fetch_resume(f, c);
	return c;
}

struct host_call *fetch_call(struct fetch *f)
{
	struct own_fields own;
	const char *why = "";
	fetch_own_fields(f, &own);
	struct host_call *c = fill_call(f, &own);
	own_fields_fini(&own);
	if (c == NULL) {
		fetch_says(f, KIND_MEMORY, "out of memory");
	} else if (!fetch_set_proxy(f, c, &why)) {
		fetch_says(f, KIND_REQUEST_INVALID, "%s", why);
		host_call_free(c);
		c = NULL;
	}
	return c;
}
