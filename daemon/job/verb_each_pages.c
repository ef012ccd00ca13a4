/*
 * Source `pages` of an each: one page after another, each asked for when the items of those before
 * have all been taken. A page is a fetch of its own, `.s.0`, `.s.1` …
 *
 * The items of a page, where the next one is, and the forgetting of the page's own outcome are one
 * commit: a later life goes on with the next page, or, if the page was fetched but not yet cut,
 * with its remembered outcome. Cut as a stream, a page may be of any size; its items may not be
 * more than PAGE_MAX.
 *
 * Where the next page is:
 * - `Link: <…>; rel="next"` of the answer (RFC 8288), or a URL at a pointer of its JSON: null,
 * false, an empty text or nothing at all is the end. Both are relative to the page.
 * - A page that was seen before would go on for ever: that is an error. The last SEEN_MAX are
 *   compared, and one more that is farther and farther back (R. P. Brent, 1980), so that a longer
 *   circle ends too.
 */
#include "job/bodytext.h"
#include "job/itemcut.h"
#include "job/recall.h"
#include "job/verb_each.h"
#include "model/link.h"
#include "model/url.h"
#include "proto/jsonscan.h"
#include "proto/result.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_MAX (4u << 20) /* bytes of a page's items */
#define SEEN_MAX 32

struct pages {
	struct each_fed fed; /* first */
	uint64_t n;	     /* pages that are over */
	char *url;	     /* of the next one; NULL: the first */
	bool is_over;
	uint64_t seen[SEEN_MAX]; /* hashes of URLs, the last ones */
	uint32_t n_seen;
	uint64_t mark; /* the one farther back */
	struct task *task;
	struct bodytext body;
	struct bodytext_read read;
	struct itemcut cut;
	bool is_cutting;
	struct bytes lines;
	uint32_t n_lines;
	struct results_wait wait;
	uint64_t put;
};

static const struct source *source_of(const struct pages *p)
{
	return &p->fed.e->t->node->u.each.in;
}

#define BREAK(p, kind, fmt, ...)                                                                   \
	each_source_breaks((p)->fed.e, kind, "in: page %llu: " fmt, (unsigned long long)(p)->n,    \
			   __VA_ARGS__)

/* ---- what a later life has to know: {"n":2,"url":"…","seen":["…"],"mark":"…","error":{…}} ---- */

static void add_hash(struct bytes *out, uint64_t hash)
{
	bytes_printf(out, "\"%016llx\"", (unsigned long long)hash);
}

static void write_state(const struct pages *p, struct bytes *out)
{
	bytes_printf(out, "{\"n\":%llu,\"mark\":", (unsigned long long)p->n);
	add_hash(out, p->mark);
	if (p->url != NULL) {
		bytes_add_str(out, ",\"url\":");
		result_add_string(out, slice_of(p->url));
	}
	if (p->fed.e->broken != NULL) {
		bytes_add_str(out, ",\"error\":");
		failure_write(p->fed.e->broken, out);
	}
	bytes_add_str(out, p->is_over ? ",\"over\":true,\"seen\":[" : ",\"seen\":[");
	for (uint32_t i = 0; i < p->n_seen; i++) {
		if (i > 0)
			bytes_add_byte(out, ',');
		add_hash(out, p->seen[i]);
	}
	bytes_add_str(out, "]}");
}

static uint64_t hash_of(const json_t *v)
{
	return json_is_string(v) ? strtoull(json_string_value(v), NULL, 16) : 0;
}

static void read_state(struct pages *p, const json_t *v)
{
	const char *url = json_string_value(json_object_get(v, "url"));
	const json_t *error = json_object_get(v, "error");
	size_t i;
	json_t *hash;
	p->n = (uint64_t)json_integer_value(json_object_get(v, "n"));
	p->mark = hash_of(json_object_get(v, "mark"));
	p->is_over = json_is_true(json_object_get(v, "over"));
	p->url = url != NULL ? strdup(url) : NULL;
	if (error != NULL)
		p->fed.e->broken = failure_read(error);
	json_array_foreach(json_object_get(v, "seen"), i, hash) if (p->n_seen < SEEN_MAX)
		p->seen[p->n_seen++] = hash_of(hash);
}

bool each_pages_make(struct each_frame *e)
{
	char path[TASK_PATH_MAX];
	struct slice data;
	int64_t wall_ns;
	if (!each_fed_make(e, sizeof(struct pages)))
		return false;
	struct pages *p = e->src;
	bytes_init(&p->lines, PAGE_MAX);
	if (!recall_get(e->t->env->recall, each_source_path(e, path), RECALL_PAGES, &wall_ns,
			&data))
		return true;
	json_t *v = json_loadb(data.p, data.n, 0, NULL);
	read_state(p, v);
	json_decref(v);
	return true;
}

/* ---- one page ---- */

static bool page_begin(struct pages *p)
{
	struct task *t = p->fed.e->t;
	p->task = task_new(t->env, source_of(p)->task, t, t->names);
	if (p->task == NULL) {
		BREAK(p, KIND_MEMORY, "%s", "no memory for a task");
		return false;
	}
	p->task->index = p->n;
	p->task->page_url = p->url != NULL ? slice_of(p->url) : (struct slice){NULL, 0};
	return true;
}

/* Whether it gave something to be cut. */
static bool page_open(struct pages *p)
{
	const struct source *s = source_of(p);
	struct each_frame *e = p->fed.e;
	struct outcome *o = &p->task->out;
	task_sum(e->t, o);
	if (o->state == OUTCOME_FAILED)
		e->broken = failure_ref(o->error);
	if (!outcome_is_ok(o))
		return false;
	enum err err = bodytext_open(&p->body, e->t->env, o->value);
	if (err == ERR_OK)
		err = itemcut_init_json(&p->cut, s->pages.items, s->pages.next);
	if (err != ERR_OK)
		BREAK(p, KIND_MEMORY, "%s", "no memory for its items");
	p->is_cutting = err == ERR_OK;
	bytes_clear(&p->lines);
	p->n_lines = 0;
	return err == ERR_OK;
}

static void page_close(struct pages *p)
{
	if (p->is_cutting)
		itemcut_fini(&p->cut);
	p->is_cutting = false;
	bodytext_close(&p->body);
	task_free(p->task);
	p->task = NULL;
}

static void cannot_cut(struct pages *p, enum err why)
{
	const struct slice at = source_of(p)->pages.items;
	if (why == ERR_NOMEM)
		BREAK(p, KIND_MEMORY, "%s", "no memory for its items");
	else if (why == ERR_CORRUPT)
		BREAK(p, KIND_STORE_CORRUPT, "%s", "the stored body is damaged or gone");
	else if (why == ERR_NOT_FOUND)
		BREAK(p, KIND_BODY_DECODE, "there is no list at \"%.*s\" of the JSON: %s",
		      (int)at.n, at.p, p->cut.why);
	else
		BREAK(p, why == ERR_TOO_LARGE ? KIND_BODY_TOO_LARGE : KIND_BODY_DECODE, "%s",
		      p->cut.why);
}

static void add_item(struct pages *p, struct slice item)
{
	size_t start = p->lines.n;
	if (bytes_add_slice(&p->lines, item) != ERR_OK)
		return;
	for (char *c = p->lines.p + start, *end = p->lines.p + p->lines.n; c < end; c++)
		if (*c == '\n' || *c == '\r')
			*c = ' ';
	bytes_add_byte(&p->lines, '\n');
	p->n_lines++;
}

/* False: that was the last of it, or it cannot be cut. */
static bool page_cut(struct pages *p)
{
	struct slice item;
	enum err e = p->read.err;
	if (e == ERR_OK && p->read.block.n > 0)
		e = itemcut_feed(&p->cut, p->read.block);
	else if (e == ERR_OK)
		itemcut_end(&p->cut);
	while (e == ERR_OK && p->lines.err == ERR_OK &&
	       (e = itemcut_next(&p->cut, &item)) == ERR_OK)
		add_item(p, item);
	if (p->lines.err == ERR_TOO_LARGE)
		BREAK(p, KIND_BODY_TOO_LARGE, "its items are more than %u MiB", PAGE_MAX >> 20);
	else if (p->lines.err != ERR_OK)
		cannot_cut(p, ERR_NOMEM);
	else if (e != ERR_AGAIN && e != ERR_END)
		cannot_cut(p, e);
	return e == ERR_AGAIN && p->lines.err == ERR_OK;
}

/* ---- the next one ---- */

static bool link_of(const json_t *headers, struct slice *ret)
{
	size_t i;
	json_t *pair;
	json_array_foreach(headers, i, pair)
	{
		const json_t *name = json_array_get(pair, 0), *value = json_array_get(pair, 1);
		struct slice n = {json_string_value(name), json_string_length(name)};
		struct slice v = {json_string_value(value), json_string_length(value)};
		if (slice_eq_nocase(n, SLICE_LIT("Link")) && link_find(v, "next", ret))
			return true;
	}
	return false;
}

/* What the page says of the next one; n 0: it is the last. False: it says nonsense. */
static bool find_next(struct pages *p, struct bytes *ret)
{
	struct slice raw, target;
	if (source_of(p)->pages.by_link) {
		if (link_of(json_object_get(p->body.value, "headers"), &target))
			bytes_add_slice(ret, target);
		return true;
	}
	raw = jsonitems_beside(&p->cut.u.json);
	if (raw.n == 0 || slice_is(raw, "null") || slice_is(raw, "false"))
		return true;
	return raw.p[0] == '"' && jsonscan_string(raw, ret) == ERR_OK;
}

static const char *text_at(const json_t *v, const char *name)
{
	return json_string_value(json_object_get(v, name));
}

/* Relative to where the page came from. */
static enum err resolve(struct pages *p, struct slice ref, struct url *ret, const char **why)
{
	const char *at = text_at(p->body.value, "final_url");
	struct url base = {0};
	if (at == NULL)
		at = text_at(p->body.value, "url");
	enum err e = url_parse(slice_of(at != NULL ? at : ""), &base, why);
	if (e == ERR_OK)
		e = url_resolve(&base, ref, ret, why);
	url_fini(&base);
	return e;
}

static uint64_t hash_url(struct slice s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * UINT64_C(0x100000001b3);
	return h;
}

static bool was_seen(const struct pages *p, uint64_t hash)
{
	if (p->n_seen > 0 && hash == p->mark)
		return true;
	for (uint32_t i = 0; i < p->n_seen; i++)
		if (p->seen[i] == hash)
			return true;
	return false;
}

/* The page that is over now had that URL. */
static void remember(struct pages *p, uint64_t hash)
{
	if (p->n_seen == SEEN_MAX)
		memmove(p->seen, p->seen + 1, --p->n_seen * sizeof(p->seen[0]));
	p->seen[p->n_seen++] = hash;
	if ((p->n & (p->n + 1)) == 0) /* page 0, 1, 3, 7 … */
		p->mark = hash;
}

/* Both as they were asked for, without a fragment. */
static uint64_t hash_here(const struct pages *p)
{
	const char *at = text_at(p->body.value, "url");
	struct url u = {0};
	uint64_t h = 0;
	if (at != NULL && url_parse(slice_of(at), &u, NULL) == ERR_OK)
		h = hash_url(url_text(&u));
	url_fini(&u);
	return h;
}

static void go_to(struct pages *p, const struct url *u, struct slice as_given)
{
	struct slice text = url_text(u);
	if (was_seen(p, hash_url(text))) {
		BREAK(p, KIND_PROTOCOL_MALFORMED, "it leads back to a page that was seen: %.*s",
		      (int)(as_given.n < 300 ? as_given.n : 300), as_given.p);
		return;
	}
	char *copy = malloc(text.n + 1);
	if (copy == NULL) {
		BREAK(p, KIND_MEMORY, "%s", "no memory for a URL");
		return;
	}
	memcpy(copy, text.p, text.n);
	copy[text.n] = 0;
	free(p->url);
	p->url = copy;
	p->is_over = false;
}

static void page_next(struct pages *p)
{
	struct bytes ref = BYTES_LIMIT(URL_MAX);
	struct url u = {0};
	const char *why = "";
	remember(p, hash_here(p));
	p->is_over = true;
	if (!find_next(p, &ref)) {
		BREAK(p, KIND_BODY_DECODE, "what stands at \"%.*s\" is not the text of a URL",
		      (int)source_of(p)->pages.next.n, source_of(p)->pages.next.p);
	} else if (ref.n > 0) {
		enum err e = resolve(p, bytes_slice(&ref), &u, &why);
		if (e == ERR_OK)
			go_to(p, &u, bytes_slice(&ref));
		else
			BREAK(p, e == ERR_NOMEM ? KIND_MEMORY : KIND_URL_INVALID,
			      "the URL of the next one: %s", why);
	}
	url_fini(&u);
	bytes_fini(&ref);
}

/* Items, state, and the end of the page's own outcome: one commit. */
static void page_put(struct pages *p)
{
	char path[TASK_PATH_MAX];
	struct each_frame *e = p->fed.e;
	struct bytes state = BYTES_LIMIT(0);
	page_next(p);
	p->n++;
	results_make_room(e->t->env->results);
	if (p->n_lines > 0 && feed_put(p->fed.feed, &p->lines, p->n_lines, &p->put) != ERR_OK)
		BREAK(p, KIND_MEMORY, "%s", "no memory for its items");
	write_state(p, &state);
	bodytext_release(&p->body);
	recall_drop_tree(e->t->env, task_path_in(p->task, path));
	recall_put(e->t->env, each_source_path(e, path), RECALL_PAGES, 0, bytes_slice(&state));
	bytes_fini(&state);
	bytes_fini(&p->lines);
	bytes_init(&p->lines, PAGE_MAX);
	p->wait = results_wait_for(e->t->env->results);
}

/* ---- all of them ---- */

static bool is_done(const struct pages *p)
{
	return p->is_over || p->fed.e->broken != NULL;
}

int each_pages_produce(act_self *self, void *pages)
{
	struct pages *p = pages;
	act_co *co = &p->fed.co;
	CO_BEGIN(co);
	while (!is_done(p)) {
		CO_AWAIT(co, p->fed.rc, act_event_wait(self, feed_wanted(p->fed.feed)));
		if (p->fed.rc != ACT_OK || !page_begin(p))
			break;
		CO_CALL(co, p->fed.rc, task_step, p->task);
		if (!page_open(p)) {
			page_close(p);
			break;
		}
		do {
			p->read = (struct bodytext_read){.b = &p->body};
			CO_CALL(co, p->fed.rc, bodytext_read, &p->read);
		} while (p->fed.rc == ACT_OK && page_cut(p));
		if (p->fed.rc == ACT_OK && !is_done(p)) {
			page_put(p);
			CO_CALL(co, p->fed.rc, results_wait, &p->wait);
			if (p->fed.rc == ACT_OK)
				feed_settle(p->fed.feed, p->put);
		}
		page_close(p);
	}
	feed_end(p->fed.feed);
	CO_END(co);
}

void each_pages_fini(struct each_frame *e)
{
	struct pages *p = e->src;
	if (p == NULL)
		return;
	if (p->is_cutting)
		itemcut_fini(&p->cut);
	bodytext_close(&p->body);
	bytes_fini(&p->lines);
	free(p->url);
	each_fed_fini(e);
}
