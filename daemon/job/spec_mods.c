/*
 * spec_mods -- the modifiers of a task: when, finally, catch, timeout, retry, with.
 */
#include "job/spec_build.h"

#include <string.h>

#define OPT	  FIELD_OPTIONAL
#define REF(name) "{\"$ref\":\"#/$defs/" name "\"}"

/* ---- retry ---- */

struct retry_draft {
	int64_t attempts, backoff_ms, max_ms;
	const json_t *on;
};

#define RD struct retry_draft
static const struct field retry_field[] = {
	F_INT("attempts", RD, attempts, 1, SPEC_MAX_ATTEMPTS, OPT, "the first one included"),
	F_DURATION("backoff", RD, backoff_ms, 0, UNITS_DAY_MS, OPT, "before the second: 500ms"),
	F_DURATION("max", RD, max_ms, 0, UNITS_DAY_MS, OPT, "of one wait: 30s"),
	F_CUSTOM("on", RD, on, spec_keep_json, REF("kinds_and_statuses"), OPT,
		 "kinds of errors and statuses"),
};
const struct field_table spec_retry_table = FIELD_TABLE("retry", retry_field);

static enum err read_on_entry(struct spec_build *b, const json_t *v, const struct fields_at *at,
			      struct retry_spec *ret)
{
	if (statuses_add_json(&ret->on_statuses, v) == ERR_OK && !json_is_array(v))
		return ERR_OK;
	if (!json_is_string(v) || kindset_add(&ret->on_kinds, spec_text_of(v)) != ERR_OK)
		return fields_fail(&b->rd, at, NULL,
				   "neither a kind of error nor a status or a range of them; at "
				   "most %d ranges",
				   STATUSES_MAX);
	return ERR_OK;
}

static enum err read_on(struct spec_build *b, const json_t *v, const struct fields_at *at,
			struct retry_spec *ret)
{
	ret->on_kinds = (struct kindset){0};
	ret->on_statuses = (struct statuses){.n = 0};
	if (!json_is_array(v))
		return fields_fail(&b->rd, at, NULL, "on must be a list of kinds and statuses");
	for (size_t i = 0; i < json_array_size(v); i++) {
		const struct fields_at here = spec_at_index(at, i);
		enum err e = read_on_entry(b, json_array_get(v, i), &here, ret);
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

enum err spec_read_retry(struct spec_build *b, const json_t *v, const struct fields_at *at,
			 const struct retry_spec *defaults, bool is_here, struct retry_spec *ret)
{
	struct retry_draft d = {.attempts = defaults->attempts,
				.backoff_ms = defaults->backoff_ms,
				.max_ms = defaults->max_ms};
	const struct fields_at on_at = spec_at(at, "on");
	enum err e = spec_read_fields(b, &spec_retry_table, v, at, &d, NULL);
	if (e == ERR_OK && d.on != NULL)
		e = spec_read_fixed(b, d.on, &on_at, &d.on);
	if (e != ERR_OK)
		return e;
	*ret = *defaults;
	ret->attempts = d.attempts;
	ret->backoff_ms = d.backoff_ms;
	ret->max_ms = d.max_ms;
	if (d.on == NULL)
		return ERR_OK;
	ret->has_on = true;
	ret->on_is_here = is_here;
	return read_on(b, d.on, &on_at, ret);
}

static enum err read_retry(struct spec_build *b, const json_t *v, const struct fields_at *at,
			   struct node *n)
{
	static const struct late_member later[] = {
		{"attempts", "1"}, {"backoff", "\"1s\""}, {"max", "\"1s\""}, {"on", "[]"}};
	const struct late_spot spot = {n, LATE_OUTER, LATE_OF_RETRY, 0};
	struct retry_spec *r = ARENA_NEW(b->a, struct retry_spec);
	if (r == NULL)
		return b->a->err;
	n->retry = r;
	if (n->verb != VERB_FETCH && json_is_object(v) && json_object_get(v, "attempts") == NULL)
		return fields_fail(&b->rd, at, NULL,
				   "retry needs a member \"attempts\" here: only a fetch has a "
				   "default");
	enum err e = spec_take_later(b, v, at, spot, later, sizeof(later) / sizeof(later[0]), &v);
	return e == ERR_OK ? spec_read_retry(b, v, at, &b->w->s.retry_defaults, true, r) : e;
}

/* ---- catch ---- */

struct catch_draft {
	const json_t *kinds, *run;
};

#define CD struct catch_draft
static const struct field catch_field[] = {
	F_CUSTOM("kinds", CD, kinds, spec_keep_json, REF("kinds"), OPT,
		 "of errors; without it all that can be caught"),
	F_CUSTOM("do", CD, run, spec_keep_json, REF("task"), FIELD_REQUIRED, "runs with ${error}"),
};
const struct field_table spec_catch_table = FIELD_TABLE("a clause of catch", catch_field);

enum err spec_read_kinds(struct spec_build *b, const json_t *v, const struct fields_at *at,
			 struct kindset *ret)
{
	if (!json_is_array(v) || json_array_size(v) == 0)
		return fields_fail(&b->rd, at, NULL, "kinds must be a list of kinds of errors");
	for (size_t i = 0; i < json_array_size(v); i++) {
		const json_t *entry = json_array_get(v, i);
		const struct fields_at here = spec_at_index(at, i);
		if (!json_is_string(entry) || kindset_add(ret, spec_text_of(entry)) != ERR_OK)
			return fields_fail(
				&b->rd, &here, NULL,
				"\"%.80s\" is no kind of error, nor the beginning of one",
				json_is_string(entry) ? json_string_value(entry) : "");
		if (slice_is(spec_text_of(entry), "cancelled"))
			return fields_fail(&b->rd, &here, NULL, "cancelled cannot be caught");
	}
	return ERR_OK;
}

static struct kindset all_kinds(void)
{
	struct kindset all = {0};
	for (int k = KIND_NONE + 1; k < KIND_COUNT; k++)
		if (k != KIND_CANCELLED)
			all.bits |= UINT64_C(1) << k;
	return all;
}

static enum err read_clause(struct spec_build *b, const json_t *v, const struct fields_at *at,
			    struct spec_spot spot, struct node *of, struct catch_clause *ret)
{
	struct catch_draft d = {.run = NULL};
	const struct fields_at kinds_at = spec_at(at, "kinds"), do_at = spec_at(at, "do");
	const struct spec_scope error = {.up = b->scope, .name = SLICE_LIT("error")};
	const struct late_spot late = {of, LATE_OUTER, LATE_OF_CATCH, spot.index};
	const json_t *kinds = NULL;
	struct node *run = NULL;
	enum err e = spec_read_fields(b, &spec_catch_table, v, at, &d, NULL);
	if (e == ERR_OK && d.kinds != NULL)
		e = spec_read_later(b, d.kinds, &kinds_at, late, &kinds);
	if (e == ERR_OK && kinds != NULL)
		e = spec_read_kinds(b, kinds, &kinds_at, &ret->kinds);
	if (e != ERR_OK)
		return e;
	if (d.kinds == NULL)
		ret->kinds = all_kinds();
	b->scope = &error;
	e = spec_read_task(b, d.run, &do_at, spot, &run);
	b->scope = error.up;
	ret->run = run;
	return e;
}

static enum err read_catch(struct spec_build *b, const json_t *v, const struct fields_at *at,
			   struct node *n)
{
	size_t n_catch = json_array_size(v);
	if (n_catch == 0 || n_catch > SPEC_MAX_LIST)
		return fields_fail(&b->rd, at, NULL, "catch must be a list of 1 to %d clauses",
				   SPEC_MAX_LIST);
	struct catch_clause *clause = ARENA_ARRAY(b->a, n_catch, struct catch_clause);
	if (clause == NULL)
		return b->a->err;
	for (size_t i = 0; i < n_catch; i++) {
		const struct fields_at here = spec_at_index(at, i);
		const struct spec_spot spot = {PLACE_CATCH, (uint32_t)i, n};
		enum err e = read_clause(b, json_array_get(v, i), &here, spot, n, &clause[i]);
		if (e != ERR_OK)
			return e;
	}
	n->catch = clause;
	n->n_catch = (uint32_t)n_catch;
	return ERR_OK;
}

/* ---- when, finally, timeout ---- */

static enum err read_when(struct spec_build *b, const json_t *v, const struct fields_at *at,
			  struct node *n)
{
	enum cond_use use = b->item != NULL ? COND_WHEN_ITEM : COND_WHEN;
	const struct late_spot spot = {n, LATE_WHEN, LATE_OF_WHEN, b->item != NULL};
	enum err e = spec_read_cond(b, v, at, use, spot, &n->when);
	return e == ERR_OK ? spec_check_of(b, n->when, at) : e;
}

static enum err read_finally(struct spec_build *b, const json_t *v, const struct fields_at *at,
			     struct node *n)
{
	const struct spec_scope outcome = {.up = b->scope, .name = SLICE_LIT("outcome")};
	const struct spec_spot spot = {PLACE_FINALLY, 0, n};
	struct node *run = NULL;
	b->scope = &outcome;
	enum err e = spec_read_task(b, v, at, spot, &run);
	b->scope = outcome.up;
	n->finally = run;
	return e;
}

static enum err read_timeout(struct spec_build *b, const json_t *v, const struct fields_at *at,
			     struct node *n)
{
	enum err e = spec_read_dur(b, v, at, "timeout", &n->timeout);
	n->has_timeout = n->timeout.t != NULL || n->timeout.ms != 0;
	return e;
}

enum err spec_read_outer_mods(struct spec_build *b, const struct task_draft *d,
			      const struct fields_at *at, struct node *n)
{
	const struct {
		const char *name;
		const json_t *v;
		spec_verb_reader read;
	} mod[] = {
		{"when", d->when, read_when},	 {"finally", d->finally, read_finally},
		{"catch", d->catch, read_catch}, {"timeout", d->timeout, read_timeout},
		{"retry", d->retry, read_retry},
	};
	for (size_t i = 0; i < sizeof(mod) / sizeof(mod[0]); i++) {
		const struct fields_at here = spec_at(at, mod[i].name);
		enum err e = mod[i].v != NULL ? mod[i].read(b, mod[i].v, &here, n) : ERR_OK;
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

/* ---- with ---- */

struct with_draft {
	const json_t *lock, *semaphore, *permit, *enter, *exit;
	const char *as;
	int64_t capacity, units, cost;
};

#define WD struct with_draft
static const struct field with_field[] = {
	F_CUSTOM("lock", WD, lock, spec_keep_json, REF("name"), OPT, "a named lock"),
	F_CUSTOM("semaphore", WD, semaphore, spec_keep_json, REF("name"), OPT, "a named semaphore"),
	F_INT("capacity", WD, capacity, 1, 1000000, OPT, "of the semaphore"),
	F_INT("units", WD, units, 1, 1000000, OPT, "taken of the semaphore: 1"),
	F_CUSTOM("permit", WD, permit, spec_keep_json, REF("name"), OPT, "a key of the limits"),
	F_INT("cost", WD, cost, 1, 1000000, OPT, "taken of the key: 1"),
	F_CUSTOM("enter", WD, enter, spec_keep_json, REF("task"), OPT, "runs before"),
	F_STRING("as", WD, as, 1, INTERP_MAX_NAME, OPT, "what the value of enter is called"),
	F_CUSTOM("exit", WD, exit, spec_keep_json, REF("task"), OPT, "runs after, if enter did"),
};
const struct field_table spec_with_table = FIELD_TABLE("an entry of with", with_field);

static enum err read_enter(struct spec_build *b, const struct with_draft *d,
			   const struct fields_at *at, struct spec_spot spot, struct with_spec *ret)
{
	const struct fields_at enter_at = spec_at(at, "enter"), exit_at = spec_at(at, "exit");
	const struct fields_at as_at = spec_at(at, "as");
	struct node *enter = NULL, *leave = NULL;
	spot.place = PLACE_ENTER;
	ret->kind = WITH_ENTER;
	enum err e = spec_read_task(b, d->enter, &enter_at, spot, &enter);
	if (e != ERR_OK)
		return e;
	ret->enter = enter;
	if (d->as != NULL) {
		struct spec_scope *scope = ARENA_NEW(b->a, struct spec_scope);
		if (scope == NULL)
			return b->a->err;
		e = spec_check_new_name(b, d->as, &as_at);
		ret->as = slice_of(d->as);
		*scope = (struct spec_scope){.up = b->scope, .name = ret->as};
		b->scope = scope;
	}
	if (e != ERR_OK || d->exit == NULL)
		return e;
	spot.place = PLACE_EXIT;
	e = spec_read_task(b, d->exit, &exit_at, spot, &leave);
	ret->exit = leave;
	return e;
}

static enum err read_lock(struct spec_build *b, const struct with_draft *d,
			  const struct fields_at *at, struct spec_spot spot, struct with_spec *ret)
{
	const struct fields_at here = spec_at(at, "lock");
	(void)spot;
	ret->kind = WITH_LOCK;
	return spec_read_name(b, d->lock, &here, "lock", &ret->name);
}

static enum err read_semaphore(struct spec_build *b, const struct with_draft *d,
			       const struct fields_at *at, struct spec_spot spot,
			       struct with_spec *ret)
{
	const struct fields_at here = spec_at(at, "semaphore");
	(void)spot;
	ret->kind = WITH_SEMAPHORE;
	ret->capacity = d->capacity;
	ret->units = d->units != 0 ? d->units : 1;
	if (d->capacity == 0)
		return fields_fail(&b->rd, at, NULL, "a semaphore needs a member \"capacity\"");
	if (ret->units > ret->capacity)
		return fields_fail(&b->rd, at, "units", "more units than the capacity of %lld",
				   (long long)d->capacity);
	return spec_read_name(b, d->semaphore, &here, "semaphore", &ret->name);
}

static enum err read_permit(struct spec_build *b, const struct with_draft *d,
			    const struct fields_at *at, struct spec_spot spot,
			    struct with_spec *ret)
{
	const struct fields_at here = spec_at(at, "permit");
	(void)spot;
	ret->kind = WITH_PERMIT;
	ret->cost = d->cost != 0 ? d->cost : 1;
	return spec_read_name(b, d->permit, &here, "permit", &ret->name);
}

/* Which members go together, in the order of enum with_kind. */
static const struct with_form {
	const char *name;
	size_t offset;
	const char *members; /* of the table's rows, as letters of its order */
	enum err (*read)(struct spec_build *b, const struct with_draft *d,
			 const struct fields_at *at, struct spec_spot spot, struct with_spec *ret);
} with_form[] = {
	{"lock", offsetof(WD, lock), "a", read_lock},
	{"semaphore", offsetof(WD, semaphore), "bcd", read_semaphore},
	{"permit", offsetof(WD, permit), "ef", read_permit},
	{"enter", offsetof(WD, enter), "ghi", read_enter},
};

#define N_FORMS (sizeof(with_form) / sizeof(with_form[0]))

static const struct with_form *find_form(const struct with_draft *d)
{
	for (size_t i = 0; i < N_FORMS; i++) {
		const void *at = (const char *)d + with_form[i].offset;
		if (*(const json_t *const *)at != NULL)
			return &with_form[i];
	}
	return NULL;
}

static enum err read_with_entry(struct spec_build *b, const json_t *v, const struct fields_at *at,
				struct spec_spot spot, struct with_spec *ret)
{
	struct with_draft d = {.as = NULL};
	uint64_t seen;
	enum err e = spec_read_fields(b, &spec_with_table, v, at, &d, &seen);
	if (e != ERR_OK)
		return e;
	const struct with_form *form = find_form(&d);
	if (form == NULL)
		return fields_fail(
			&b->rd, at, NULL,
			"an entry of with has a lock, a semaphore, a permit or an enter");
	for (size_t i = 0; i < spec_with_table.n; i++)
		if ((seen >> i & 1) != 0 && strchr(form->members, (int)('a' + i)) == NULL)
			return fields_fail(&b->rd, at, with_field[i].name,
					   "\"%s\" does not go with \"%s\"", with_field[i].name,
					   form->name);
	return form->read(b, &d, at, spot, ret);
}

enum err spec_read_with(struct spec_build *b, const json_t *v, const struct fields_at *at,
			struct node *n)
{
	size_t n_with = json_array_size(v);
	if (n_with == 0 || n_with > SPEC_MAX_LIST)
		return fields_fail(&b->rd, at, NULL, "with must be a list of 1 to %d entries",
				   SPEC_MAX_LIST);
	struct with_spec *with = ARENA_ARRAY(b->a, n_with, struct with_spec);
	if (with == NULL)
		return b->a->err;
	for (size_t i = 0; i < n_with; i++) {
		const struct fields_at here = spec_at_index(at, i);
		const struct spec_spot spot = {.index = (uint32_t)i, .parent = n};
		enum err e = read_with_entry(b, json_array_get(v, i), &here, spot, &with[i]);
		if (e != ERR_OK)
			return e;
	}
	n->with = with;
	n->n_with = (uint32_t)n_with;
	return ERR_OK;
}
