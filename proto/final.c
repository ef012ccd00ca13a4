/*
 * final -- the record of a job and the nested errors of its scopes; see final.h.
 */
#include "proto/final.h"

static void add_key(struct bytes *out, const char *key, uint64_t v)
{
	bytes_add_str(out, key);
	bytes_add_u64(out, v);
}

static void add_tasks(struct bytes *out, const struct final_tasks *t)
{
	add_key(out, ",\"tasks\":{\"total\":", t->total);
	add_key(out, ",\"ok\":", t->ok);
	add_key(out, ",\"failed\":", t->failed);
	add_key(out, ",\"handled\":", t->handled);
	add_key(out, ",\"cancelled\":", t->cancelled);
	add_key(out, ",\"not_started\":", t->not_started);
	bytes_add_byte(out, '}');
}

static void add_scopes(struct bytes *out, const struct final_record *f)
{
	for (size_t i = 0; i < f->n_scope; i++) {
		const struct final_scope *s = &f->scope[i];
		bytes_add_str(out, i == 0 ? ",\"scopes\":[{\"id\":" : ",{\"id\":");
		result_add_string(out, s->id);
		bytes_add_str(out, ",\"task\":");
		result_add_string(out, s->task);
		bytes_add_str(out, ",\"state\":");
		result_add_string(out, slice_of(s->state));
		bytes_add_str(out, ",\"elapsed_ms\":");
		bytes_add_i64(out, s->elapsed_ms);
		bytes_add_byte(out, '}');
	}
	if (f->n_scope != 0)
		bytes_add_byte(out, ']');
}

enum err final_add(struct bytes *out, const struct final_record *f)
{
	bytes_add_str(out, "{\"job\":");
	result_add_string(out, f->job);
	if (f->name.p != NULL) {
		bytes_add_str(out, ",\"name\":");
		result_add_string(out, f->name);
	}
	bytes_add_str(out, ",\"state\":");
	result_add_string(out, slice_of(f->state));
	add_tasks(out, &f->tasks);
	if (f->error.p != NULL) {
		bytes_add_str(out, ",\"error\":");
		bytes_add_slice(out, f->error);
	}
	add_scopes(out, f);
	if (f->elapsed_ms >= 0) {
		bytes_add_str(out, ",\"elapsed_ms\":");
		bytes_add_i64(out, f->elapsed_ms);
	}
	return bytes_add_byte(out, '}');
}

/* Adds the leaves below e to count, going as deep as the tree is. */
static void count_leaves(const struct final_error *e, uint64_t count[KIND_COUNT])
{
	if (e->kind != KIND_GROUP) {
		count[e->kind]++;
		return;
	}
	for (unsigned k = 0; k < KIND_COUNT && e->count != NULL; k++)
		count[k] += e->count[k];
	for (size_t i = 0; i < e->n_child && e->count == NULL; i++)
		count_leaves(&e->child[i], count);
}

static void add_counts(struct bytes *out, const struct final_error *e)
{
	uint64_t count[KIND_COUNT] = {0};
	bool is_open = false;
	count_leaves(e, count);
	bytes_add_str(out, ",\"counts\":{");
	for (unsigned k = 0; k < KIND_COUNT; k++) {
		if (count[k] == 0)
			continue;
		bytes_printf(out, "%s\"%s\":%llu", is_open ? "," : "", kind_name((enum kind)k),
			     (unsigned long long)count[k]);
		is_open = true;
	}
	bytes_add_byte(out, '}');
}

static void add_tree(struct bytes *out, const struct final_error *e, unsigned depth,
		     unsigned *leaves);

static void add_children(struct bytes *out, const struct final_error *e, unsigned depth,
			 unsigned *leaves)
{
	bool is_open = false;
	bytes_add_str(out, ",\"errors\":[");
	for (size_t i = 0; i < e->n_child && depth < FINAL_DEPTH_MAX && *leaves != 0; i++) {
		if (is_open)
			bytes_add_byte(out, ',');
		add_tree(out, &e->child[i], depth + 1, leaves);
		is_open = true;
	}
	bytes_add_byte(out, ']');
}

static void add_tree(struct bytes *out, const struct final_error *e, unsigned depth,
		     unsigned *leaves)
{
	bytes_add_byte(out, '{');
	if (e->task.p != NULL) {
		bytes_add_str(out, "\"task\":");
		result_add_string(out, e->task);
		bytes_add_byte(out, ',');
	}
	bytes_printf(out, "\"kind\":\"%s\"", kind_name(e->kind));
	if (e->message.p != NULL) {
		bytes_add_str(out, ",\"message\":");
		result_add_string(out, e->message);
	} else if (e->kind == KIND_GROUP) {
		bytes_printf(out, ",\"message\":\"%llu of %llu tasks failed\"",
			     (unsigned long long)e->n_failed, (unsigned long long)e->n_total);
	}
	if (e->phase.p != NULL) {
		bytes_add_str(out, ",\"phase\":");
		result_add_string(out, e->phase);
	}
	if (e->kind == KIND_GROUP) {
		add_counts(out, e);
		add_children(out, e, depth, leaves);
	} else if (*leaves != 0) {
		(*leaves)--;
	}
	bytes_add_byte(out, '}');
}

enum err final_add_error(struct bytes *out, const struct final_error *e)
{
	unsigned leaves = FINAL_ERRORS_MAX;
	add_tree(out, e, 1, &leaves);
	return out->err;
}
