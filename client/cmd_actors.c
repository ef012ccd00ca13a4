/*
 * cmd_actors -- the actors as a tree: who was started by whom, beside each its mailbox and what it
 * waits for. Tasks of one parent that do the same are one line with their number.
 */
#include "client/ask.h"
#include "client/command.h"
#include "client/render.h"
#include "client/say.h"
#include "proto/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEPTH_MAX 32

struct node {
	json_t *row;
	const char *id, *parent, *name, *on, *owner;
	bool is_task, is_drawn;
	unsigned n; /* of tasks alike, this one included */
	int64_t longest_ms;
};

struct forest {
	struct node *v; /* sorted: siblings stand together, actors before tasks, by name */
	size_t n;
	json_t *lines;
};

static const char *text_of(const json_t *row, const char *name)
{
	const char *text = json_string_value(json_object_get(row, name));
	return text != NULL ? text : "";
}

static int compare(const void *a, const void *b)
{
	const struct node *x = a, *y = b;
	int c = strcmp(x->parent, y->parent);
	if (c == 0)
		c = (int)x->is_task - (int)y->is_task;
	if (c == 0)
		c = strcmp(x->name, y->name);
	if (c == 0)
		c = strcmp(x->on, y->on);
	if (c == 0)
		c = strcmp(x->owner, y->owner);
	if (c == 0 && strlen(x->id) != strlen(y->id))
		c = strlen(x->id) < strlen(y->id) ? -1 : 1;
	return c != 0 ? c : strcmp(x->id, y->id);
}

static const struct node *by_id(const struct forest *f, const char *id)
{
	for (size_t i = 0; id[0] != '\0' && i < f->n; i++)
		if (strcmp(f->v[i].id, id) == 0)
			return &f->v[i];
	return NULL;
}

static bool is_alike(const struct node *a, const struct node *b)
{
	return a->is_task && b->is_task && strcmp(a->parent, b->parent) == 0 &&
	       strcmp(a->name, b->name) == 0 && strcmp(a->on, b->on) == 0 &&
	       strcmp(a->owner, b->owner) == 0;
}

static bool has_children(const struct forest *f, const char *id)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->v[i].parent, id) == 0)
			return true;
	return false;
}

/* One line of the table. */
static void add_line(struct forest *f, const struct node *node, unsigned depth)
{
	struct bytes name = {.limit = 0}, waits = {.limit = 0};
	const struct node *owner = by_id(f, node->owner);
	for (unsigned i = 0; i < depth; i++)
		bytes_add_str(&name, "  ");
	bytes_add_str(&name, node->name);
	if (node->n > 1)
		bytes_printf(&name, " x%u", node->n);
	bytes_add_str(&waits, node->on[0] != '\0' ? node->on : "-");
	if (owner != NULL)
		bytes_printf(&waits, " of %s", owner->name);
	if (node->longest_ms > 0) {
		bytes_add_str(&waits, " for ");
		units_add_elapsed(&waits, node->longest_ms);
	}
	json_t *line = json_object();
	json_object_set_new(line, "name", json_string(bytes_cstr(&name)));
	json_object_set_new(line, "class",
			    json_string(node->is_task ? "task" : text_of(node->row, "class")));
	json_object_set(line, "state", json_object_get(node->row, "state"));
	json_object_set(line, "mailbox", json_object_get(node->row, "mailbox"));
	json_object_set(line, "high_water", json_object_get(node->row, "high_water"));
	json_object_set(line, "cap", json_object_get(node->row, "cap"));
	json_object_set(line, "received", json_object_get(node->row, "received"));
	json_object_set_new(line, "parked_on", json_string(bytes_cstr(&waits)));
	json_object_set_new(line, "id", json_string(node->n > 1 ? "-" : node->id));
	json_array_append_new(f->lines, line);
	bytes_fini(&name);
	bytes_fini(&waits);
}

static void add_tree(struct forest *f, size_t at, unsigned depth)
{
	struct node *node = &f->v[at];
	node->is_drawn = true;
	bool may_merge = !has_children(f, node->id);
	for (size_t i = at + 1; may_merge && i < f->n && is_alike(node, &f->v[i]); i++) {
		if (has_children(f, f->v[i].id))
			continue;
		f->v[i].is_drawn = true;
		node->n++;
		if (f->v[i].longest_ms > node->longest_ms)
			node->longest_ms = f->v[i].longest_ms;
	}
	add_line(f, node, depth);
	for (size_t i = 0; i < f->n && depth < DEPTH_MAX; i++)
		if (!f->v[i].is_drawn && strcmp(f->v[i].parent, node->id) == 0)
			add_tree(f, i, depth + 1);
}

/* Whose parent is not there (any more) stands at the left. */
static void add_roots(struct forest *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (!f->v[i].is_drawn && by_id(f, f->v[i].parent) == NULL)
			add_tree(f, i, 0);
}

static bool read_rows(struct forest *f, const json_t *rows)
{
	f->n = json_array_size(rows);
	f->v = calloc(f->n + 1, sizeof(f->v[0]));
	f->lines = json_array();
	if (f->v == NULL || f->lines == NULL)
		return false;
	for (size_t i = 0; i < f->n; i++) {
		json_t *row = json_array_get(rows, i);
		f->v[i] = (struct node){
			.row = row,
			.id = text_of(row, "id"),
			.parent = text_of(row, "parent"),
			.name = text_of(row, "name"),
			.on = text_of(row, "parked_on"),
			.owner = text_of(row, "parked_owner"),
			.is_task = json_is_true(json_object_get(row, "task")),
			.n = 1,
			.longest_ms = json_integer_value(json_object_get(row, "parked_ms")),
		};
	}
	qsort(f->v, f->n, sizeof(f->v[0]), compare);
	return true;
}

static enum status show_tree(const json_t *rows)
{
	static const char *const first[] = {"name",	  "class", "state",    "mailbox",
					    "high_water", "cap",   "received", "parked_on",
					    "id",	  NULL};
	const struct render r = {.first = first, .has_colours = say_has_colours(STDOUT_FILENO)};
	struct forest f = {.n = 0};
	struct bytes text = {.limit = 0};
	enum status s = STATUS_FAILED;
	if (read_rows(&f, rows)) {
		add_roots(&f);
		render_table(&text, &r, f.lines, "no actors");
		s = ask_print(&text);
	}
	bytes_fini(&text);
	json_decref(f.lines);
	free(f.v);
	return s;
}

int command_actors(const struct args *a)
{
	struct muster *m = NULL;
	json_t *rows = NULL;
	enum status s = ask_open(a, &m);
	if (s == STATUS_OK)
		s = ask_pages(m, "actor.list", "actors", &rows);
	if (s == STATUS_OK)
		s = args_has(a, OPTION_JSON) ? ask_print_json(rows) : show_tree(rows);
	json_decref(rows);
	muster_close(m);
	return (int)s;
}
