#include "job/outcome.h"

#include "base/check.h"
#include "proto/final.h"

#include <stdlib.h>
#include <string.h>

#define MESSAGE_MAX 512

struct failure {
	uint32_t refs; /* 0: constant */
	enum kind kind;
	char *text; /* task, message, phase in one block; NULL in constants */
	struct slice task, message, phase;
	/* A group: */
	struct failure **child;
	uint32_t n_child, cap_child;
	uint32_t n_listed; /* leaves at any depth */
	uint32_t depth;
	uint64_t n_failed, n_total;
	uint64_t *count; /* by kind */
};

static const struct failure constant = {
	.kind = KIND_MEMORY,
	.message = {"memory ran out", 14},
};

/* Never written to: its refs are 0. */
static struct failure *no_memory(void)
{
	return (struct failure *)(uintptr_t)&constant;
}

static const char *const state_text[] = {
	[OUTCOME_NONE] = "none",	   [OUTCOME_OK] = "ok",
	[OUTCOME_SKIPPED] = "skipped",	   [OUTCOME_FAILED] = "failed",
	[OUTCOME_CANCELLED] = "cancelled",
};

const char *outcome_state_text(enum outcome_state s)
{
	return state_text[s];
}

void outcome_fini(struct outcome *o)
{
	failure_drop(o->error);
	json_decref(o->value);
	*o = (struct outcome){0};
}

static struct slice put(char **at, struct slice s)
{
	struct slice got = {*at, s.n};
	memcpy(*at, s.p != NULL ? s.p : "", s.n);
	*at += s.n;
	return s.p == NULL ? (struct slice){NULL, 0} : got;
}

struct failure *failure_new(enum kind kind, struct slice task, struct slice message,
			    struct slice phase)
{
	struct failure *f = calloc(1, sizeof(*f));
	if (message.n > MESSAGE_MAX)
		message.n = MESSAGE_MAX;
	char *text = f != NULL ? malloc(task.n + message.n + phase.n + 1) : NULL;
	if (text == NULL) {
		free(f);
		return no_memory();
	}
	f->refs = 1;
	f->kind = kind;
	f->text = text;
	f->task = put(&text, task);
	f->message = put(&text, message);
	f->phase = put(&text, phase);
	f->n_listed = 1;
	return f;
}

struct failure *failure_group_new(struct slice task)
{
	struct failure *f =
		failure_new(KIND_GROUP, task, (struct slice){NULL, 0}, (struct slice){NULL, 0});
	if (f->refs == 0)
		return f;
	f->count = calloc(KIND_COUNT, sizeof(*f->count));
	f->n_listed = 0;
	f->depth = 1;
	if (f->count != NULL)
		return f;
	failure_drop(f);
	return no_memory();
}

static void count_in(struct failure *group, const struct failure *child)
{
	if (child->count == NULL) {
		group->count[child->kind]++;
		return;
	}
	for (int k = 0; k < KIND_COUNT; k++)
		group->count[k] += child->count[k];
}

static bool can_list(const struct failure *group, const struct failure *child)
{
	uint32_t leaves = child->count != NULL ? child->n_listed : 1;
	return group->n_listed + leaves <= FINAL_ERRORS_MAX && child->depth + 1 <= FINAL_DEPTH_MAX;
}

static bool make_room(struct failure *group)
{
	if (group->n_child < group->cap_child)
		return true;
	uint32_t cap = group->cap_child ? 2 * group->cap_child : 4;
	struct failure **child = realloc(group->child, cap * sizeof(struct failure *));
	if (child == NULL)
		return false;
	group->child = child;
	group->cap_child = cap;
	return true;
}

void failure_group_add(struct failure *group, struct failure *child)
{
	if (group->count == NULL) { /* the constant */
		failure_drop(child);
		return;
	}
	count_in(group, child);
	group->n_failed++;
	if (!can_list(group, child) || !make_room(group)) {
		failure_drop(child);
		return;
	}
	group->child[group->n_child++] = child;
	group->n_listed += child->count != NULL ? child->n_listed : 1;
	if (child->depth + 1 > group->depth)
		group->depth = child->depth + 1;
}

void failure_group_count(struct failure *group, enum kind kind, uint64_t n)
{
	if (group->count == NULL)
		return;
	group->count[kind] += n;
	group->n_failed += n;
}

void failure_group_seal(struct failure *group, uint64_t n_tasks)
{
	group->n_total = n_tasks;
}

struct failure *failure_ref(struct failure *f)
{
	if (f != NULL && f->refs > 0)
		f->refs++;
	return f;
}

void failure_drop(struct failure *f)
{
	if (f == NULL || f->refs == 0 || --f->refs > 0)
		return;
	for (uint32_t i = 0; i < f->n_child; i++)
		failure_drop(f->child[i]);
	free(f->child);
	free(f->count);
	free(f->text);
	free(f);
}

enum kind failure_kind(const struct failure *f)
{
	return f->kind;
}

enum kind failure_leaf_kind(const struct failure *f)
{
	enum kind most = KIND_GROUP;
	uint64_t n = 0;
	if (f->count == NULL)
		return f->kind;
	for (int k = 0; k < KIND_COUNT; k++) {
		if (f->count[k] <= n || k == KIND_CANCELLED || k == KIND_NONE)
			continue;
		n = f->count[k];
		most = (enum kind)k;
	}
	return most;
}

uint64_t failure_leaves(const struct failure *f)
{
	uint64_t n = 0;
	if (f->count == NULL)
		return 1;
	for (int k = 0; k < KIND_COUNT; k++)
		n += f->count[k];
	return n;
}

struct slice failure_message(const struct failure *f)
{
	return f->message;
}

/* A group of the same name with a copy of everything but its children and counts. */
static struct failure *group_like(const struct failure *f)
{
	struct failure *g = failure_group_new(f->task);
	if (g->refs > 0)
		g->n_total = f->n_total;
	return g;
}

struct failure *failure_in_phase(struct failure *f, const char *phase)
{
	struct failure *copy;
	if (f->count == NULL)
		return failure_new(f->kind, f->task, f->message, slice_of(phase));
	copy = group_like(f);
	if (copy->count == NULL)
		return copy;
	for (uint32_t i = 0; i < f->n_child; i++)
		failure_group_add(copy, failure_in_phase(f->child[i], phase));
	memcpy(copy->count, f->count, KIND_COUNT * sizeof(*f->count));
	copy->n_failed = f->n_failed;
	return copy;
}

static void split_add(struct failure **side, const struct failure *like, struct failure *part)
{
	if (part == NULL)
		return;
	if (*side == NULL)
		*side = group_like(like);
	failure_group_add(*side, part);
}

/* What is counted and not listed goes to the side of its kind. */
static void split_unlisted(const struct failure *f, failure_pred takes, const void *ctx,
			   struct failure **taken, struct failure **rest)
{
	for (int k = 0; k < KIND_COUNT; k++) {
		uint64_t listed = 0;
		struct failure **side = takes(ctx, (enum kind)k) ? taken : rest;
		for (uint32_t i = 0; i < f->n_child; i++) {
			const struct failure *c = f->child[i];
			listed += c->count != NULL ? c->count[k] : c->kind == (enum kind)k;
		}
		if (f->count[k] == listed)
			continue;
		if (*side == NULL)
			*side = group_like(f);
		failure_group_count(*side, (enum kind)k, f->count[k] - listed);
	}
}

static struct failure *split(struct failure *f, failure_pred takes, const void *ctx,
			     struct failure **ret_rest)
{
	struct failure *taken = NULL, *rest = NULL;
	if (f->count == NULL) {
		bool is_taken = takes(ctx, f->kind);
		*ret_rest = is_taken ? NULL : failure_ref(f);
		return is_taken ? failure_ref(f) : NULL;
	}
	for (uint32_t i = 0; i < f->n_child; i++) {
		struct failure *other = NULL;
		split_add(&taken, f, split(f->child[i], takes, ctx, &other));
		split_add(&rest, f, other);
	}
	split_unlisted(f, takes, ctx, &taken, &rest);
	*ret_rest = rest;
	return taken;
}

struct failure *failure_split(struct failure *f, failure_pred takes, const void *ctx,
			      struct failure **ret_rest)
{
	struct failure *taken = split(f, takes, ctx, ret_rest);
	if (taken == NULL || taken->count != NULL)
		return taken;
	struct failure *group = failure_group_new(taken->task);
	failure_group_add(group, taken);
	failure_group_seal(group, 1);
	return group;
}

static bool view_of(const struct failure *f, struct final_error *ret)
{
	*ret = (struct final_error){
		.kind = f->kind,
		.task = f->task,
		.message = f->message,
		.phase = f->phase.n > 0 ? f->phase : (struct slice){NULL, 0},
	};
	if (f->count == NULL)
		return true;
	ret->message = (struct slice){NULL, 0};
	struct final_error *child = calloc(f->n_child + 1, sizeof(*child));
	if (child == NULL)
		return false;
	bool ok = true;
	for (uint32_t i = 0; i < f->n_child; i++)
		ok = view_of(f->child[i], &child[i]) && ok;
	ret->child = child;
	ret->n_child = f->n_child;
	ret->n_failed = f->n_failed;
	ret->n_total = f->n_total > f->n_failed ? f->n_total : f->n_failed;
	ret->count = f->count;
	return ok;
}

static void view_fini(const struct final_error *v)
{
	for (size_t i = 0; i < v->n_child; i++)
		view_fini(&v->child[i]);
	free((void *)(uintptr_t)v->child);
}

enum err failure_write(const struct failure *f, struct bytes *out)
{
	struct final_error view;
	enum err e = view_of(f, &view) ? final_add_error(out, &view) : ERR_NOMEM;
	view_fini(&view);
	return e;
}

json_t *failure_json(const struct failure *f)
{
	struct bytes b = BYTES_LIMIT(1 << 20);
	json_t *v = NULL;
	if (failure_write(f, &b) == ERR_OK)
		v = json_loadb(b.p, b.n, JSON_ALLOW_NUL, NULL);
	bytes_fini(&b);
	return v;
}

static struct slice text_of(const json_t *v, const char *key)
{
	const json_t *s = json_object_get(v, key);
	if (!json_is_string(s))
		return (struct slice){NULL, 0};
	return (struct slice){json_string_value(s), json_string_length(s)};
}

static void read_counts(struct failure *g, const json_t *counts)
{
	const char *name;
	json_t *n;
	json_object_foreach((json_t *)(uintptr_t)counts, name, n)
	{
		enum kind k = kind_from_name(slice_of(name));
		if (k != KIND_NONE && json_integer_value(n) > 0)
			g->count[k] = (uint64_t)json_integer_value(n);
	}
}

static struct failure *read_group(const json_t *v)
{
	struct failure *g = failure_group_new(text_of(v, "task"));
	unsigned long long failed = 0, total = 0;
	size_t i;
	json_t *child;
	if (g->count == NULL)
		return g;
	json_array_foreach(json_object_get(v, "errors"), i, child)
	{
		struct failure *f = failure_read(child);
		if (f != NULL)
			failure_group_add(g, f);
	}
	read_counts(g, json_object_get(v, "counts"));
	struct slice message = text_of(v, "message");
	if (message.p != NULL && sscanf(message.p, "%llu of %llu", &failed, &total) == 2) {
		g->n_failed = failed;
		g->n_total = total;
	}
	return g;
}

struct failure *failure_read(const json_t *v)
{
	enum kind kind = kind_from_name(text_of(v, "kind"));
	if (kind == KIND_NONE)
		return NULL;
	if (kind == KIND_GROUP)
		return read_group(v);
	return failure_new(kind, text_of(v, "task"), text_of(v, "message"), text_of(v, "phase"));
}
