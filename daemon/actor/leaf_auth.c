/*
 * leaf_auth -- the fields a fetch adds by itself to each request: who we are, and what the server
 * asked us to bring back.
 *
 * Credentials given for one origin go to that origin alone. A digest challenge is answered by one
 * more request of the same attempt, which takes a token of its own; later requests answer it ahead.
 */
#include "actor/leaf_fetch_state.h"
#include "actor/store.h"
#include "model/credentials.h"
#include "model/validators.h"
#include "proto/result.h"

#include <string.h>

#define FIELD_BYTES    (64u << 10)
#define CHALLENGES_MAX 4 /* answered in one attempt: redirects, and nonces gone stale */

static bool has_header(const struct fetch *f, const char *name)
{
	for (uint32_t i = 0; i < f->spec->n_header; i++)
		if (slice_eq_nocase(f->spec->header[i].name, slice_of(name)))
			return true;
	return false;
}

struct bytes *own_field(struct own_fields *o, const char *name)
{
	struct own_field *field = &o->field[o->n++];
	field->name = name;
	bytes_init(&field->value, FIELD_BYTES);
	return &field->value;
}

void own_fields_fini(struct own_fields *o)
{
	for (uint32_t i = 0; i < o->n; i++)
		bytes_fini(&o->field[i].value);
	o->n = 0;
}

/* ---- credentials ---- */

static void basic(struct slice user, struct slice pass, struct bytes *out)
{
	struct bytes raw = BYTES_LIMIT(0), quoted = BYTES_LIMIT(0);
	bytes_add_slice(&raw, user);
	bytes_add_byte(&raw, ':');
	bytes_add_slice(&raw, pass);
	result_add_base64(&quoted, bytes_slice(&raw));
	bytes_add_str(out, "Basic ");
	if (quoted.n >= 2 && quoted.p[0] == '"')
		bytes_add(out, quoted.p + 1, quoted.n - 2);
	else
		bytes_add(out, quoted.p, quoted.n);
	bytes_fini(&raw);
	bytes_fini(&quoted);
}

static void digest(struct fetch *f, struct bytes *out)
{
	const struct digest_facts facts = {.user = f->spec->user,
					   .pass = f->spec->secret,
					   .method = fetch_method(f),
					   .target = url_target(&f->at),
					   .cnonce = slice_of(f->cnonce),
					   .has_body = !fetch_has_source(f),
					   .body = f->to_get ? (struct slice){"", 0}
							     : f->spec->body};
	f->is_answered = digest_answer(&f->digest, &facts, out) == ERR_OK;
	if (!f->is_answered)
		bytes_clear(out);
}

static void authorization(struct fetch *f, struct bytes *out)
{
	const struct fetch_spec *s = f->spec;
	bool may_go = credentials_may_go(&f->url, &f->at);
	f->is_answered = false;
	if (has_header(f, "Authorization"))
		return;
	if (s->auth == FETCH_AUTH_BASIC && may_go)
		basic(s->user, s->secret, out);
	else if (s->auth == FETCH_AUTH_BEARER && may_go)
		bytes_printf(out, "Bearer %.*s", (int)s->secret.n, s->secret.p);
	else if (s->auth == FETCH_AUTH_DIGEST && may_go && f->digest.hash != DIGEST_NONE)
		digest(f, out);
	else if (s->auth != FETCH_AUTH_DIGEST && f->at.has_user)
		basic(url_user(&f->at), url_pass(&f->at), out);
	else if (fetch_is_page(f) && may_go && f->url.has_user)
		basic(url_user(&f->url), url_pass(&f->url), out);
}

/* ---- digest ---- */

bool fetch_challenged(act_self *self, struct fetch *f)
{
	struct digest d = {.hash = DIGEST_NONE};
	if (f->spec->auth != FETCH_AUTH_DIGEST || !f->done->end.ok || f->done->status != 401 ||
	    f->n_challenges == CHALLENGES_MAX || !credentials_may_go(&f->url, &f->at))
		return false;
	for (size_t i = 0; i < f->done->n_headers; i++)
		if (slice_eq_nocase(f->done->headers[i].name, SLICE_LIT("WWW-Authenticate")))
			digest_take(&d, f->done->headers[i].value);
	if (d.hash == DIGEST_NONE || (f->is_answered && !d.is_stale)) {
		if (d.hash == DIGEST_NONE && d.unknown[0] != '\0')
			bytes_printf(&f->message, ": the server wants a digest with %s", d.unknown);
		digest_fini(&d); /* nothing we can answer, or our answer was wrong */
		return false;
	}
	digest_fini(&f->digest);
	f->digest = d;
	f->n_challenges++;
	fetch_new_id(self, f, f->cnonce);
	f->kind = KIND_NONE;
	bytes_clear(&f->message);
	return true;
}

/* ---- cookies ---- */

static int64_t wall_s(const struct fetch *f)
{
	return clock_wall_ns(f->leaf.task->env->clock) / NS_PER_S;
}

static struct cookies *jar(struct fetch *f)
{
	struct job *j = fetch_job(f);
	if (!f->spec->cookies)
		return NULL;
	if (j->cookies == NULL && (j->cookies = cookies_new()) != NULL)
		for (uint32_t i = 0; i < j->spec->n_cookie; i++)
			cookies_load(j->cookies, j->spec->cookie[i], wall_s(f));
	return j->cookies;
}

void fetch_put_cookies(struct fetch *f)
{
	struct cookies *c = jar(f);
	for (uint32_t i = 0; c != NULL && i < f->spec->n_cookie; i++)
		cookies_put(c, &f->url, f->spec->cookie[i].name, f->spec->cookie[i].value);
}

static void take_cookies(struct fetch *f)
{
	struct cookies *c = jar(f);
	for (size_t i = 0; c != NULL && i < f->done->n_headers; i++)
		if (slice_eq_nocase(f->done->headers[i].name, SLICE_LIT("Set-Cookie")))
			cookies_take(c, &f->at, f->done->headers[i].value, wall_s(f));
}

/* ---- validators ---- */

static bool asks_cache(const struct fetch *f)
{
	struct slice method = fetch_method(f);
	return f->spec->cache && (slice_is(method, "GET") || slice_is(method, "HEAD")) &&
	       !has_header(f, "If-None-Match") && !has_header(f, "If-Modified-Since");
}

static void add_conditions(struct fetch *f, struct own_fields *o)
{
	const struct job *j = fetch_job(f);
	struct validator v;
	f->is_conditional = asks_cache(f) && validators_get(hosts_validators(j->peers->hosts),
							    j->uid, url_text(&f->at), &v);
	if (!f->is_conditional)
		return;
	bytes_add_slice(own_field(o, "If-None-Match"), v.etag);
	bytes_add_slice(own_field(o, "If-Modified-Since"), v.last_modified);
}

bool fetch_wants_validator(const struct fetch *f)
{
	const struct job *j = fetch_job(f);
	struct validator v;
	return asks_cache(f) && j->peers->durable != 0 && url_text(&f->at).n <= STORE_URL_MAX &&
	       !validators_get(hosts_validators(j->peers->hosts), j->uid, url_text(&f->at), &v);
}

int fetch_read_validator(act_self *self, struct fetch *f)
{
	const struct job *j = fetch_job(f);
	struct store_query q = {.kind = STORE_Q_VALIDATOR, .uid = j->uid, .text = url_text(&f->at)};
	struct store_reading *r = store_reading_new(&q);
	if (r == NULL)
		return ACT_ENOMEM;
	return act_ask_buf(self, j->peers->durable, STORE_READ, r, sizeof(*r), store_reading_drop,
			   &f->m);
}

void fetch_take_validator(act_self *self, struct fetch *f)
{
	const struct store_reading *r = act_data(f->m);
	if (r->result == ERR_OK && r->rows.n > 0) {
		const struct store_validator *s = &r->rows.row[0].validator;
		struct validator v = {s->etag, s->last_modified};
		validators_put(hosts_validators(fetch_job(f)->peers->hosts), s->uid, s->url, &v);
	}
	act_drop(self, f->m);
	f->m = NULL;
}

/* With the commit of the line; what a volatile job learns lives as long as the daemon. */
static void store_validator(struct fetch *f, const struct validator *v)
{
	const struct job *j = fetch_job(f);
	struct results *r = f->leaf.task->env->results;
	if (j->is_volatile || url_text(&f->at).n > STORE_URL_MAX || v->etag.n > VALIDATOR_BYTES ||
	    v->last_modified.n > VALIDATOR_BYTES)
		return;
	struct store_op *op = results_op(r, STORE_VALIDATOR_PUT);
	if (op != NULL)
		op->validator =
			(struct store_validator){.uid = j->uid,
						 .url = results_text(r, url_text(&f->at)),
						 .etag = results_text(r, v->etag),
						 .last_modified = results_text(r, v->last_modified),
						 .wall_at_ns = clock_wall_ns(j->peers->clock)};
}

static void keep_validators(struct fetch *f)
{
	const struct job *j = fetch_job(f);
	const struct host_done *d = f->done;
	struct validator v = {.etag = {NULL, 0}};
	if (!asks_cache(f) || !d->end.ok || d->status != 200)
		return;
	for (size_t i = 0; i < d->n_headers; i++)
		if (slice_eq_nocase(d->headers[i].name, SLICE_LIT("ETag")))
			v.etag = d->headers[i].value;
		else if (slice_eq_nocase(d->headers[i].name, SLICE_LIT("Last-Modified")))
			v.last_modified = d->headers[i].value;
	struct validators *all = hosts_validators(j->peers->hosts);
	struct validator was;
	bool is_known = validators_get(all, j->uid, url_text(&f->at), &was);
	if (v.etag.n + v.last_modified.n == 0 && !is_known)
		return;
	if (!is_known || !slice_eq(v.etag, was.etag) ||
	    !slice_eq(v.last_modified, was.last_modified))
		store_validator(f, &v);
	validators_put(all, j->uid, url_text(&f->at), &v);
}

/* The server may say which nonce comes next. */
static void take_nonce(struct fetch *f)
{
	for (size_t i = 0; f->is_answered && i < f->done->n_headers; i++)
		if (slice_eq_nocase(f->done->headers[i].name, SLICE_LIT("Authentication-Info")))
			digest_take_next(&f->digest, f->done->headers[i].value);
}

void fetch_keep_fields(struct fetch *f)
{
	take_nonce(f);
	take_cookies(f);
	keep_validators(f);
}

/* ---- all of them ---- */

void fetch_own_fields(struct fetch *f, struct own_fields *o)
{
	struct cookies *c = jar(f);
	o->n = 0;
	authorization(f, own_field(o, "Authorization"));
	if (c != NULL && !has_header(f, "Cookie"))
		cookies_add(c, &f->at, wall_s(f), own_field(o, "Cookie"));
	add_conditions(f, o);
	fetch_resume_fields(f, o);
	if (f->source != NULL && f->spec->body_kind == FETCH_BODY_MULTIPART &&
	    !has_header(f, "Content-Type"))
		bytes_printf(own_field(o, "Content-Type"), "multipart/form-data; boundary=%s",
			     f->boundary);
}
