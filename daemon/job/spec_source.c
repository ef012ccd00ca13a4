/*
 * spec_source -- where the items of an `each` come from.
 */
#include "job/spec_build.h"
#include "model/between.h"

#include <stdio.h>
#include <string.h>

#define OPT	  FIELD_OPTIONAL
#define REQ	  FIELD_REQUIRED
#define REF(name) "{\"$ref\":\"#/$defs/" name "\"}"

struct source_draft {
	const json_t *range, *file, *feed, *queue, *pages, *json, *items, *lines, *between, *of,
		*emits;
};

#define SD struct source_draft
static const struct field source_field[] = {
	F_CUSTOM("range", SD, range, spec_keep_json, REF("range"), OPT, "[from, to, step]"),
	F_CUSTOM("file", SD, file, spec_keep_json, "{\"type\":\"string\",\"pattern\":\"^/\"}", OPT,
		 "lines of a file; in job files of the configuration only"),
	F_CUSTOM("feed", SD, feed, spec_keep_json, "{\"const\":true}", OPT,
		 "the client hands them in"),
	F_CUSTOM("queue", SD, queue, spec_keep_json, REF("name"), OPT,
		 "a named queue, until it is closed"),
	F_CUSTOM("pages", SD, pages, spec_keep_json, REF("pages"), OPT, "page after page"),
	F_CUSTOM("json", SD, json, spec_keep_json, REF("task"), OPT, "a list in a task's JSON"),
	F_CUSTOM("items", SD, items, spec_keep_json, REF("pointer"), OPT,
		 "json: where the list is"),
	F_CUSTOM("lines", SD, lines, spec_keep_json, REF("task"), OPT, "lines of a task's body"),
	F_CUSTOM("between", SD, between, spec_keep_json, REF("marks"), OPT,
		 "texts between two marks"),
	F_CUSTOM("of", SD, of, spec_keep_json, REF("task"), OPT, "between: the task to look into"),
	F_CUSTOM("emits", SD, emits, spec_keep_json, REF("task"), OPT, "what a task emits"),
};
const struct field_table spec_source_table = FIELD_TABLE("a source", source_field);

/* The source being read. */
struct reading {
	struct spec_build *b;
	const struct source_draft *d;
	const struct fields_at *at;
	struct node *n;
	struct source *s;
};

static enum err fail(const struct reading *r, const char *member, const char *why)
{
	const struct fields_at here = spec_at(r->at, member);
	return fields_fail(&r->b->rd, &here, NULL, "%s", why);
}

/* ---- values ---- */

/* A whole number, or the text of one: variables of the command line are texts. */
static bool read_whole(const json_t *v, int64_t *ret)
{
	struct slice text = spec_text_of(v);
	bool is_negative = text.n > 0 && text.p[0] == '-';
	uint64_t n;
	*ret = json_integer_value(v);
	if (!json_is_string(v))
		return json_is_integer(v);
	if (units_u64((struct slice){text.p + is_negative, text.n - is_negative}, &n) != ERR_OK ||
	    n > INT64_MAX)
		return false;
	*ret = is_negative ? -(int64_t)n : (int64_t)n;
	return true;
}

enum err spec_range_read(const json_t *v, struct spec_range *ret, char sentence[128])
{
	int64_t part[3] = {0, 0, 1};
	size_t n = json_array_size(v);
	snprintf(sentence, 128, "range must be [from, to] or [from, to, step] of whole numbers");
	if (n != 2 && n != 3)
		return ERR_INVALID;
	for (size_t i = 0; i < n; i++) {
		if (!read_whole(json_array_get(v, i), &part[i]))
			return ERR_INVALID;
	}
	if (part[2] == 0) {
		snprintf(sentence, 128, "the step of a range must not be 0");
		return ERR_INVALID;
	}
	*ret = (struct spec_range){part[0], part[1], part[2]};
	return ERR_OK;
}

uint64_t spec_range_count(const struct spec_range *r)
{
	if (r->step > 0 ? r->from >= r->to : r->from <= r->to)
		return 0;
	uint64_t distance = r->step > 0 ? (uint64_t)r->to - (uint64_t)r->from
					: (uint64_t)r->from - (uint64_t)r->to;
	uint64_t step = r->step > 0 ? (uint64_t)r->step : 0 - (uint64_t)r->step;
	return (distance - 1) / step + 1;
}

static enum err read_range(const struct reading *r)
{
	char why[128];
	const struct fields_at here = spec_at(r->at, "range");
	enum err e = spec_read_value(r->b, r->d->range, &here, &r->s->value);
	if (e != ERR_OK || r->s->value.has_refs)
		return e;
	r->s->has_range = true;
	e = spec_range_read(r->s->value.json, &r->s->range, why);
	return e != ERR_OK ? fail(r, "range", why) : ERR_OK;
}

/* A list as it stands, or a string that is one reference and so brings a list. */
static enum err read_list(struct spec_build *b, const json_t *v, const struct fields_at *at,
			  struct source *s)
{
	struct tmpl t;
	s->kind = SOURCE_LIST;
	if (json_is_string(v)) {
		enum err e = spec_read_tmpl(b, v, at, TMPL_TEXT, &t);
		if (e != ERR_OK)
			return e;
		struct slice text = spec_text_of(v);
		bool is_one_ref = tmpl_has_mark(text) && text.p[0] == '$' && text.p[1] == '{' &&
				  memchr(text.p, '}', text.n) == text.p + text.n - 1;
		if (!is_one_ref)
			return fields_fail(
				&b->rd, at, NULL,
				"a source is a list, an object, or \"${name}\" of a list");
	}
	enum err e = spec_read_value(b, v, at, &s->value);
	if (e == ERR_OK && !s->value.has_refs && !json_is_array(s->value.json))
		return fields_fail(&b->rd, at, NULL, "in is not a list");
	return e;
}

/* ---- one reader for each kind ---- */

static enum err read_file(const struct reading *r)
{
	const json_t *v;
	const struct fields_at here = spec_at(r->at, "file");
	if (!r->b->from_config)
		return fail(r, "file",
			    "a file can be read in job files of the configuration only; "
			    "feed its lines with -i");
	enum err e = spec_read_fixed(r->b, r->d->file, &here, &v);
	if (e != ERR_OK)
		return e;
	r->s->path = spec_text_of(v);
	if (!json_is_string(v) || r->s->path.n == 0 || r->s->path.p[0] != '/' ||
	    strlen(r->s->path.p) != r->s->path.n)
		return fail(r, "file", "file must be an absolute path");
	return ERR_OK;
}

static enum err read_feed(const struct reading *r)
{
	struct job_spec *s = &r->b->w->s;
	if (!json_is_true(r->d->feed))
		return fail(r, "feed", "feed must be true");
	if (r->b->item != NULL)
		return fail(r, "feed", "a feed cannot stand inside another each: it is read once");
	if (s->has_feed)
		return fail(r, "feed", "a job has one feed, and there is one already");
	s->has_feed = true;
	return ERR_OK;
}

static enum err read_queue(const struct reading *r)
{
	const struct fields_at here = spec_at(r->at, "queue");
	return spec_read_name(r->b, r->d->queue, &here, "queue", &r->s->name);
}

static enum err read_source_task(const struct reading *r, const char *member, const json_t *v)
{
	const struct fields_at here = spec_at(r->at, member);
	const struct spec_spot spot = {PLACE_SOURCE, 0, r->n};
	struct node *task = NULL;
	enum err e = spec_read_task(r->b, v, &here, spot, &task);
	r->s->task = task;
	return e;
}

enum err spec_read_items(struct spec_build *b, const json_t *v, const struct fields_at *at,
			 struct source *s)
{
	if (!json_is_string(v))
		return fields_fail(&b->rd, at, NULL, "items must be a JSON pointer");
	return spec_read_pointer(b, json_string_value(v), at, &s->items);
}

static enum err read_json(const struct reading *r)
{
	const struct fields_at here = spec_at(r->at, "items");
	const struct late_spot spot = {r->n, LATE_INNER, LATE_OF_JSON, 0};
	const json_t *items = NULL;
	enum err e = ERR_OK;
	r->s->items = SLICE_LIT("");
	if (r->d->items != NULL)
		e = spec_read_later(r->b, r->d->items, &here, spot, &items);
	if (e == ERR_OK && items != NULL)
		e = spec_read_items(r->b, items, &here, r->s);
	return e == ERR_OK ? read_source_task(r, "json", r->d->json) : e;
}

static enum err read_lines(const struct reading *r)
{
	return read_source_task(r, "lines", r->d->lines);
}

static enum err read_emits(const struct reading *r)
{
	return read_source_task(r, "emits", r->d->emits);
}

enum err spec_read_marks(struct spec_build *b, const json_t *v, const struct fields_at *at,
			 struct source *s)
{
	struct slice mark[2];
	for (size_t i = 0; i < 2; i++) {
		const json_t *text = json_array_get(v, i);
		mark[i] = spec_text_of(text);
		if (json_array_size(v) != 2 || !json_is_string(text) || mark[i].n == 0 ||
		    mark[i].n > BETWEEN_MAX_MARK)
			return fields_fail(&b->rd, at, NULL,
					   "between must be two strings of 1 to 256 bytes, such as "
					   "[\"<loc>\", \"</loc>\"]");
	}
	s->open = mark[0];
	s->close = mark[1];
	return ERR_OK;
}

static enum err read_between(const struct reading *r)
{
	const struct fields_at here = spec_at(r->at, "between");
	const struct late_spot spot = {r->n, LATE_INNER, LATE_OF_BETWEEN, 0};
	const json_t *marks = NULL;
	enum err e = spec_read_later(r->b, r->d->between, &here, spot, &marks);
	if (e == ERR_OK && marks != NULL)
		e = spec_read_marks(r->b, marks, &here, r->s);
	if (e != ERR_OK)
		return e;
	if (r->d->of == NULL)
		return fields_fail(&r->b->rd, r->at, NULL, "between needs a member \"of\": a task");
	return read_source_task(r, "of", r->d->of);
}

struct pages_draft {
	const json_t *first;
	const char *next, *items;
};

#define PD struct pages_draft
static const struct field pages_field[] = {
	F_CUSTOM("first", PD, first, spec_keep_json, REF("fetch_payload"), REQ, "the first page"),
	F_STRING("next", PD, next, 0, 1024, REQ,
		 "\"link\" for the Link header, or a pointer to the next page's URL"),
	F_STRING("items", PD, items, 0, 1024, REQ, "a pointer to the list in a page"),
};
const struct field_table spec_pages_table = FIELD_TABLE("pages", pages_field);

static enum err take_places(struct spec_build *b, const struct pages_draft *d,
			    const struct fields_at *at, struct source *s)
{
	const struct fields_at next_at = spec_at(at, "next"), items_at = spec_at(at, "items");
	enum err e = ERR_OK;
	s->pages.by_link = strcmp(d->next, "link") == 0;
	if (!s->pages.by_link && d->next[0] != '/')
		return fields_fail(&b->rd, &next_at, NULL,
				   "next must be \"link\" or a JSON pointer such as \"/next\"");
	if (s->pages.by_link)
		s->pages.next = (struct slice){NULL, 0};
	else
		e = spec_read_pointer(b, d->next, &next_at, &s->pages.next);
	return e == ERR_OK ? spec_read_pointer(b, d->items, &items_at, &s->pages.items) : e;
}

/* Those that may come later. */
static const struct field place_field[] = {
	F_STRING("next", PD, next, 0, 1024, OPT, ""),
	F_STRING("items", PD, items, 0, 1024, OPT, ""),
};
static const struct field_table place_table = FIELD_TABLE("pages", place_field);

enum err spec_read_page_places(struct spec_build *b, const json_t *v, const struct fields_at *at,
			       struct source *s)
{
	struct pages_draft d = {.next = s->pages.by_link ? "link" : s->pages.next.p,
				.items = s->pages.items.p};
	enum err e = spec_read_fields(b, &place_table, v, at, &d, NULL);
	return e == ERR_OK ? take_places(b, &d, at, s) : e;
}

static enum err read_pages(const struct reading *r)
{
	static const struct late_member later[] = {{"next", "\"/\""}, {"items", "\"\""}};
	const struct late_spot late = {r->n, LATE_INNER, LATE_OF_PAGES, 0};
	const struct spec_spot spot = {PLACE_PAGE, 0, r->n};
	const struct fields_at here = spec_at(r->at, "pages"), first_at = spec_at(&here, "first");
	struct pages_draft d = {.first = NULL};
	struct node *first = NULL;
	const json_t *v = r->d->pages;
	enum err e = spec_take_later(r->b, v, &here, late, later, 2, &v);
	if (e == ERR_OK)
		e = spec_read_fields(r->b, &spec_pages_table, v, &here, &d, NULL);
	if (e == ERR_OK)
		e = take_places(r->b, &d, &here, r->s);
	if (e == ERR_OK)
		e = spec_read_fetch_task(r->b, d.first, &first_at, spot, &first);
	r->s->task = first;
	return e;
}

/* The member that makes the kind, and the one that may stand beside it. */
static const struct form {
	const char *name, *beside;
	size_t offset;
	enum source_kind kind;
	enum err (*read)(const struct reading *r);
} form[] = {
	{"range", NULL, offsetof(SD, range), SOURCE_RANGE, read_range},
	{"file", NULL, offsetof(SD, file), SOURCE_FILE, read_file},
	{"feed", NULL, offsetof(SD, feed), SOURCE_FEED, read_feed},
	{"queue", NULL, offsetof(SD, queue), SOURCE_QUEUE, read_queue},
	{"pages", NULL, offsetof(SD, pages), SOURCE_PAGES, read_pages},
	{"json", "items", offsetof(SD, json), SOURCE_JSON, read_json},
	{"lines", NULL, offsetof(SD, lines), SOURCE_LINES, read_lines},
	{"between", "of", offsetof(SD, between), SOURCE_BETWEEN, read_between},
	{"emits", NULL, offsetof(SD, emits), SOURCE_EMITS, read_emits},
};

#define N_FORMS (sizeof(form) / sizeof(form[0]))

static const struct form *find_form(const struct source_draft *d)
{
	for (size_t i = 0; i < N_FORMS; i++) {
		const void *at = (const char *)d + form[i].offset;
		if (*(const json_t *const *)at != NULL)
			return &form[i];
	}
	return NULL;
}

static enum err check_members(const struct reading *r, const json_t *v, const struct form *f)
{
	json_t *object = (json_t *)(uintptr_t)v;
	if (f == NULL)
		return fields_fail(&r->b->rd, r->at, NULL,
				   "a source has one of range, file, feed, queue, pages, json, "
				   "lines, between, emits");
	for (void *it = json_object_iter(object); it != NULL;
	     it = json_object_iter_next(object, it)) {
		const char *name = json_object_iter_key(it);
		if (strcmp(name, f->name) != 0 &&
		    (f->beside == NULL || strcmp(name, f->beside) != 0))
			return fields_fail(&r->b->rd, r->at, name, "\"%s\" does not go with \"%s\"",
					   name, f->name);
	}
	return ERR_OK;
}

enum err spec_read_source(struct spec_build *b, const json_t *v, const struct fields_at *at,
			  struct node *n, struct source *ret)
{
	struct source_draft d = {.range = NULL};
	const struct reading r = {b, &d, at, n, ret};
	if (json_is_array(v) || json_is_string(v))
		return read_list(b, v, at, ret);
	if (!json_is_object(v))
		return fields_fail(&b->rd, at, NULL,
				   "a source is a list, an object, or \"${name}\" of a list");
	enum err e = spec_read_fields(b, &spec_source_table, v, at, &d, NULL);
	if (e != ERR_OK)
		return e;
	const struct form *f = find_form(&d);
	e = check_members(&r, v, f);
	if (e != ERR_OK)
		return e;
	ret->kind = f->kind;
	return f->read(&r);
}
