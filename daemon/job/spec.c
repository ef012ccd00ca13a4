/*
 * spec -- a whole job file: its top, its life, and what can be asked of it.
 */
#include "job/spec.h"

#include "base/check.h"
#include "job/fetch_read.h"
#include "job/spec_build.h"
#include "model/cookies.h"
#include "model/pointer.h"
#include "proto/jsontree.h"
#include "proto/result.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TREE_MAX_BYTES (64 * 1024 * 1024)
#define MAX_VARS       1000

#define OPT	  FIELD_OPTIONAL
#define REF(name) "{\"$ref\":\"#/$defs/" name "\"}"

struct job_draft {
	const char *name, *idempotency_key;
	const json_t *defaults, *limits, *results, *cookies, *schedule, *run;
	int64_t deadline_ms, priority;
	bool durable;
};

#define JD struct job_draft
static const struct field job_field[] = {
	F_STRING("name", JD, name, 1, SPEC_MAX_NAME, OPT, "for people"),
	F_DURATION("deadline", JD, deadline_ms, 0, UNITS_MAX_MS, OPT,
		   "of the whole job, with all its waiting"),
	F_BOOL("durable", JD, durable, OPT, "survives a crash: true"),
	F_STRING("idempotency_key", JD, idempotency_key, 1, SPEC_MAX_NAME, OPT,
		 "the same key again gives the same job"),
	F_INT("priority", JD, priority, 1, 9, OPT, "5"),
	F_CUSTOM("defaults", JD, defaults, spec_keep_json, REF("defaults"), OPT,
		 "what every fetch begins with"),
	F_CUSTOM("limits", JD, limits, spec_keep_json, REF("limits"), OPT, "of this job"),
	F_CUSTOM("results", JD, results, spec_keep_json, REF("results"), OPT, "what is kept"),
	F_CUSTOM("cookies", JD, cookies, spec_keep_json,
		 "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}", OPT,
		 "what the jar begins with: lines of a cookie file"),
	F_JSON("schedule", JD, schedule, OPT, "in job files of the configuration only"),
	F_CUSTOM("run", JD, run, spec_keep_json, REF("task"), FIELD_REQUIRED, "what to do"),
};
const struct field_table spec_job_table = FIELD_TABLE("a job", job_field);

/* ---- defaults, limits, results ---- */

struct defaults_draft {
	const json_t *fetch, *retry;
};

static const struct field defaults_field[] = {
	F_CUSTOM("fetch", struct defaults_draft, fetch, spec_keep_json, REF("fetch"), OPT,
		 "a fetch without url"),
	F_CUSTOM("retry", struct defaults_draft, retry, spec_keep_json, REF("retry"), OPT,
		 "of every fetch"),
};
const struct field_table spec_defaults_table = FIELD_TABLE("defaults", defaults_field);

static enum err read_defaults(struct spec_build *b, const json_t *v, struct job_spec *s)
{
	struct defaults_draft d = {.fetch = NULL};
	const struct fields_at at = spec_at(NULL, "defaults");
	const struct fields_at fetch_at = spec_at(&at, "fetch"), retry_at = spec_at(&at, "retry");
	const struct retry_spec builtin = {
		.attempts = 3, .backoff_ms = 500, .max_ms = 30 * UNITS_SECOND_MS};
	enum err e = ERR_OK;
	fetch_spec_init(&s->fetch_defaults);
	s->retry_defaults = builtin;
	if (v == NULL)
		return ERR_OK;
	e = spec_read_fields(b, &spec_defaults_table, v, &at, &d, NULL);
	if (e == ERR_OK && d.fetch != NULL)
		e = spec_read_fetch_defaults(b, d.fetch, &fetch_at, &s->fetch_defaults);
	if (e == ERR_OK && d.retry != NULL)
		e = spec_read_retry(b, d.retry, &retry_at, &builtin, false, &s->retry_defaults);
	return e;
}

static const struct field limits_field[] = {
	F_RATE("rate", struct job_limits, rate, OPT, "of requests"),
	F_INT("burst", struct job_limits, burst, 1, 1000000, OPT, "1"),
	F_INT("concurrency", struct job_limits, concurrency, 1, SPEC_MAX_CONCURRENCY, OPT,
	      "requests at once"),
};
const struct field_table spec_limits_table = FIELD_TABLE("limits", limits_field);

static enum err read_limits(struct spec_build *b, const json_t *v, struct job_spec *s)
{
	const struct fields_at at = spec_at(NULL, "limits");
	uint64_t seen = 0;
	s->limits.burst = 1;
	if (v == NULL)
		return ERR_OK;
	enum err e = spec_read_fields(b, &spec_limits_table, v, &at, &s->limits, &seen);
	s->limits.has_rate = (seen & 1) != 0;
	if (e == ERR_OK && (seen & 3) == 2)
		return fields_fail(&b->rd, &at, "burst", "a burst needs a rate");
	return e;
}

struct results_draft {
	int body;
	const json_t *where, *select;
	int64_t keep_ms;
	bool ordered;
};

static const struct field_name body_name[] = {{"inline", true}, {"none", false}, {NULL, 0}};

static const struct field results_field[] = {
	F_ENUM("body", struct results_draft, body, body_name, OPT, "whether bodies are kept"),
	F_CUSTOM("where", struct results_draft, where, spec_keep_json, REF("cond"), OPT,
		 "results that do not pass are counted only"),
	F_CUSTOM("select", struct results_draft, select, spec_keep_json, REF("texts_list"), OPT,
		 "members of the line, and pointers into JSON bodies"),
	F_DURATION("keep", struct results_draft, keep_ms, 0, UNITS_MAX_MS, OPT,
		   "after the job's end"),
	F_BOOL("ordered", struct results_draft, ordered, OPT, "in the order of the items"),
};
const struct field_table spec_results_table = FIELD_TABLE("results", results_field);

/* 0: no member of a result line. */
static uint32_t select_key(struct slice name)
{
	static const char *const always[] = {"job", "seq", "task", "ok"};
	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		if (slice_is(name, always[i]))
			return RESULTS_SELECT_SAID;
	return result_key_from_name(name);
}

static enum err read_select(struct spec_build *b, const json_t *v, const struct fields_at *at,
			    struct results_spec *r)
{
	size_t n = json_array_size(v);
	if (n == 0 || n > SPEC_MAX_LIST)
		return fields_fail(&b->rd, at, NULL,
				   "select must be a list of names of members and pointers");
	struct slice *pointer = ARENA_ARRAY(b->a, n, struct slice);
	if (pointer == NULL)
		return b->a->err;
	for (size_t i = 0; i < n; i++) {
		const json_t *entry = json_array_get(v, i);
		const struct fields_at here = spec_at_index(at, i);
		struct slice text = spec_text_of(entry);
		uint32_t key = json_is_string(entry) ? select_key(text) : 0;
		r->select |= key;
		if (key != 0)
			continue;
		if (!json_is_string(entry) || text.n == 0 || !pointer_valid(text))
			return fields_fail(
				&b->rd, &here, NULL,
				"\"%.80s\" is neither a member of a result nor a pointer",
				json_is_string(entry) ? text.p : "");
		pointer[r->n_pointer++] = text;
	}
	r->pointer = pointer;
	r->select |= RESULTS_SELECT_SAID;
	return ERR_OK;
}

static enum err read_results(struct spec_build *b, const json_t *v, struct results_spec *r)
{
	struct results_draft d = {.body = true};
	const struct fields_at at = spec_at(NULL, "results");
	const struct fields_at where_at = spec_at(&at, "where"), select_at = spec_at(&at, "select");
	const json_t *fixed;
	uint64_t seen = 0;
	enum err e = ERR_OK;
	r->body_inline = true;
	if (v == NULL)
		return ERR_OK;
	e = spec_read_fields(b, &spec_results_table, v, &at, &d, &seen);
	if (e == ERR_OK && d.where != NULL) {
		e = spec_read_fixed(b, d.where, &where_at, &fixed);
		if (e == ERR_OK)
			e = cond_parse(b->a, fixed, COND_RESULT, &b->rd, &where_at, &r->where);
	}
	if (e == ERR_OK && d.select != NULL) {
		e = spec_read_fixed(b, d.select, &select_at, &fixed);
		if (e == ERR_OK)
			e = read_select(b, fixed, &select_at, r);
	}
	r->body_inline = d.body;
	r->has_keep = (seen & 1 << 3) != 0;
	r->keep_ms = d.keep_ms;
	r->ordered = d.ordered;
	return e;
}

/* Taken as they are: a dollar in a cookie is no reference. */
static enum err read_cookies(struct spec_build *b, const json_t *v, struct job_spec *s)
{
	const struct fields_at at = spec_at(NULL, "cookies");
	size_t n = json_array_size(v);
	if (v == NULL)
		return ERR_OK;
	if (!json_is_array(v) || n > COOKIES_MAX)
		return fields_fail(&b->rd, &at, NULL,
				   "cookies must be a list of at most %d lines of a cookie file",
				   COOKIES_MAX);
	struct slice *line = ARENA_ARRAY(b->a, n + 1, struct slice);
	if (line == NULL)
		return b->a->err;
	for (size_t i = 0; i < n; i++) {
		const struct fields_at here = spec_at_index(&at, i);
		line[i] = spec_text_of(json_array_get(v, i));
		if (!json_is_string(json_array_get(v, i)) || !cookies_is_line(line[i]))
			return fields_fail(&b->rd, &here, NULL,
					   "this is no line of a cookie file (domain, TRUE or "
					   "FALSE, path, TRUE or FALSE, seconds, name, value, "
					   "parted by tabs)");
	}
	s->cookie = line;
	s->n_cookie = (uint32_t)n;
	return ERR_OK;
}

/* ---- the top ---- */

static enum err read_top(struct spec_build *b, struct job_draft *d)
{
	struct job_spec *s = &b->w->s;
	uint64_t seen;
	enum err e = spec_read_fields(b, &spec_job_table, b->w->tree, NULL, d, &seen);
	if (e != ERR_OK)
		return e;
	if (d->schedule != NULL && !b->from_config)
		return fields_fail(&b->rd, NULL, "schedule",
				   "a schedule is for job files of the configuration only");
	s->name = slice_of(d->name);
	s->idempotency_key = slice_of(d->idempotency_key);
	s->has_deadline = d->deadline_ms != 0;
	s->deadline_ms = d->deadline_ms;
	s->durable = d->durable;
	s->priority = d->priority;
	s->schedule = d->schedule;
	return ERR_OK;
}

static enum err read_job(struct spec_build *b)
{
	struct job_draft d = {.durable = true, .priority = 5};
	struct job_spec *s = &b->w->s;
	const struct fields_at run_at = spec_at(NULL, "run");
	const struct spec_spot spot = {PLACE_ROOT, 0, NULL};
	struct node *root = NULL;
	enum err e = read_top(b, &d);
	if (e == ERR_OK)
		e = read_defaults(b, d.defaults, s);
	if (e == ERR_OK)
		e = read_limits(b, d.limits, s);
	if (e == ERR_OK)
		e = read_results(b, d.results, &s->results);
	if (e == ERR_OK)
		e = read_cookies(b, d.cookies, s);
	if (e == ERR_OK)
		e = spec_read_task(b, d.run, &run_at, spot, &root);
	if (e == ERR_OK)
		s->root = root;
	return e;
}

static enum err lookup_var(void *ctx, struct slice name, struct interp_value *ret)
{
	const json_t *v = json_object_getn(ctx, name.p, name.n);
	if (v == NULL)
		return ERR_NOT_FOUND;
	*ret = (struct interp_value){.json = v};
	return ERR_OK;
}

static enum err take_vars(struct spec_whole *w, const json_t *vars, struct spec_error *e)
{
	json_t *object = (json_t *)(uintptr_t)vars;
	w->vars = vars != NULL ? json_deep_copy(object) : json_object();
	w->vars_env = (struct interp_env){.lookup = lookup_var, .ctx = w->vars};
	if (w->vars == NULL)
		return ERR_NOMEM;
	if (!json_is_object(w->vars) || json_object_size(w->vars) > MAX_VARS) {
		e->kind = KIND_REQUEST_INVALID;
		snprintf(e->sentence, sizeof(e->sentence),
			 "variables must be an object of at most %d", MAX_VARS);
		return ERR_INVALID;
	}
	for (void *it = json_object_iter(w->vars); it != NULL;
	     it = json_object_iter_next(w->vars, it)) {
		if (interp_name_valid(slice_of(json_object_iter_key(it))))
			continue;
		e->kind = KIND_REQUEST_INVALID;
		snprintf(e->sentence, sizeof(e->sentence), "\"%.80s\" cannot be a variable's name",
			 json_object_iter_key(it));
		return ERR_INVALID;
	}
	return ERR_OK;
}

static enum err parse_tree(struct spec_whole *w, struct slice text, const struct spec_options *o,
			   struct spec_error *e)
{
	struct jsonscan_limits limits = {.seed = {o->seed[0], o->seed[1]}};
	struct jsonscan_error why = {.text = ""};
	enum err err = jsontree_parse(text, &limits, &w->tree, &why);
	if (err == ERR_OK || err == ERR_NOMEM)
		return err;
	e->kind = err == ERR_TOO_LARGE ? KIND_REQUEST_TOO_LARGE : KIND_REQUEST_INVALID;
	e->line = why.line;
	e->column = why.column;
	snprintf(e->sentence, sizeof(e->sentence), "%s", why.text);
	return err;
}

static void tell(struct spec_error *e, enum kind kind, const struct fields_error *why,
		 struct slice text)
{
	const char *member = why->member[0] != '\0' ? why->member : NULL;
	struct jsonscan_place p = jsonscan_locate(text, slice_of(why->pointer), member);
	e->kind = kind;
	e->line = p.line;
	e->column = p.column;
	snprintf(e->path, sizeof(e->path), "%s", why->pointer);
	snprintf(e->sentence, sizeof(e->sentence), "%s", why->text);
	fetch_clean_text(e->path);
	fetch_clean_text(e->sentence);
}

static enum err build(struct spec_whole *w, struct slice text, const struct spec_options *o,
		      struct spec_error *e)
{
	struct fields_error why = {.text = ""};
	struct spec_build b = {.w = w,
			       .a = &w->arena,
			       .rd = {.error = &why},
			       .kind = KIND_REQUEST_INVALID,
			       .from_config = o->from_config};
	enum err err = parse_tree(w, text, o, e);
	if (err == ERR_OK)
		err = take_vars(w, o->vars, e);
	if (err != ERR_OK)
		return err;
	err = read_job(&b);
	if (err == ERR_INVALID)
		tell(e, b.kind, &why, text);
	else if (err == ERR_TOO_LARGE) {
		e->kind = KIND_REQUEST_TOO_LARGE;
		snprintf(e->sentence, sizeof(e->sentence), "the job is too large");
	}
	return err;
}

enum err job_spec_parse(struct slice text, const struct spec_options *o, struct job_spec **ret,
			struct spec_error *e)
{
	*e = (struct spec_error){.kind = KIND_MEMORY};
	snprintf(e->sentence, sizeof(e->sentence), "%s", kind_doc(KIND_MEMORY));
	struct spec_whole *w = calloc(1, sizeof(*w));
	if (w == NULL)
		return ERR_NOMEM;
	w->refs = 1;
	arena_init(&w->arena, o->max_bytes != 0 ? o->max_bytes : TREE_MAX_BYTES);
	table_init(&w->ids, o->seed[0]);
	enum err err = build(w, text, o, e);
	if (err != ERR_OK) {
		job_spec_unref(&w->s);
		return err;
	}
	*ret = &w->s;
	return ERR_OK;
}

void spec_error_add(struct bytes *out, const struct spec_error *e)
{
	if (e->line != 0 && e->path[0] != '\0')
		bytes_printf(out, "line %u, column %u, at %s: ", e->line, e->column, e->path);
	else if (e->line != 0)
		bytes_printf(out, "line %u, column %u: ", e->line, e->column);
	bytes_add_str(out, e->sentence);
}

/* ---- its life ---- */

static struct spec_whole *whole(struct job_spec *s)
{
	return (struct spec_whole *)(void *)s;
}

struct job_spec *job_spec_ref(struct job_spec *s)
{
	whole(s)->refs++;
	return s;
}

void job_spec_unref(struct job_spec *s)
{
	if (s == NULL)
		return;
	struct spec_whole *w = whole(s);
	CHECK(w->refs > 0);
	if (--w->refs > 0)
		return;
	table_fini(&w->ids);
	json_decref(w->rendered);
	json_decref(w->vars);
	json_decref(w->tree);
	arena_fini(&w->arena);
	free(w);
}

const struct node *job_spec_by_id(const struct job_spec *s, struct slice id)
{
	const struct spec_whole *w = (const struct spec_whole *)(const void *)s;
	return table_get(&w->ids, id);
}

/* ---- walking ---- */

void node_piece(const struct node *n, char ret[NODE_PIECE_MAX])
{
	static const struct {
		const char *text;
		bool has_index;
	} form[] = {
		[PLACE_ROOT] = {"0", false},	 [PLACE_CHILD] = {".", true},
		[PLACE_EACH] = {"", false},	 [PLACE_CATCH] = {".c", true},
		[PLACE_FINALLY] = {".f", false}, [PLACE_SOURCE] = {".s", false},
		[PLACE_PAGE] = {".s", false},	 [PLACE_ENTER] = {".w", true},
		[PLACE_EXIT] = {".x", true},
	};
	if (form[n->place].has_index)
		snprintf(ret, NODE_PIECE_MAX, "%s%u", form[n->place].text, n->index);
	else
		snprintf(ret, NODE_PIECE_MAX, "%s", form[n->place].text);
}

struct walk {
	bool (*visit)(void *ctx, const struct node *n);
	void *ctx;
};

static bool walk(const struct walk *w, const struct node *n)
{
	if (n == NULL)
		return true;
	if (!w->visit(w->ctx, n) || !walk(w, n->finally))
		return false;
	for (uint32_t i = 0; i < n->n_catch; i++)
		if (!walk(w, n->catch[i].run))
			return false;
	for (uint32_t i = 0; i < n->n_with; i++)
		if (!walk(w, n->with[i].enter) || !walk(w, n->with[i].exit))
			return false;
	for (uint32_t i = 0; i < n->n_child; i++)
		if (!walk(w, n->child[i]))
			return false;
	return n->verb != VERB_EACH || (walk(w, n->u.each.in.task) && walk(w, n->u.each.run));
}

void node_walk(const struct node *root, bool (*visit)(void *ctx, const struct node *n), void *ctx)
{
	const struct walk w = {visit, ctx};
	walk(&w, root);
}
