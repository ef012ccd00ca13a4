/*
 * The list of values that an each gives, if somebody asks for it: each value is a fact of its item,
 * committed with the mark that the item is done, so that a later life has the whole list. A list
 * that grows beyond what is kept is given up, and that is a fact too.
 */
#include "job/recall.h"
#include "job/verb_each.h"

#include <stdio.h>
#include <stdlib.h>

static bool was_given_up(const struct each_frame *e)
{
	char path[TASK_PATH_MAX];
	struct slice data;
	int64_t wall_ns;
	return recall_get(e->t->env->recall, task_path_in(e->t, path), RECALL_VALUE, &wall_ns,
			  &data);
}

static void put_kept(struct each_frame *e, uint64_t index)
{
	char path[TASK_PATH_MAX];
	struct slice at = task_path_in(e->t, path), data;
	int64_t wall_ns;
	int n = snprintf(path + at.n, TASK_PATH_MAX - at.n, ".%llu", (unsigned long long)index);
	at.n += (size_t)n;
	if (at.n < TASK_PATH_MAX &&
	    recall_get(e->t->env->recall, at, RECALL_VALUE, &wall_ns, &data))
		collect_put_value(
			&e->values, index,
			json_loadb(data.p, data.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL));
}

void each_list_open(struct each_frame *e)
{
	char path[TASK_PATH_MAX];
	const struct recall *recall = e->t->env->recall;
	uint64_t *index = NULL;
	size_t n = 0;
	collect_init(&e->values, e->n_source);
	if (recall_is_empty(recall))
		return;
	e->has_given_up = was_given_up(e);
	if (e->has_given_up ||
	    recall_items(recall, task_path_in(e->t, path), &index, &n) != ERR_OK) {
		collect_fini(&e->values);
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (cursor_is_done(&e->cursor->cursor, index[i]))
			put_kept(e, index[i]);
	free(index);
}

static void give_up(struct each_frame *e)
{
	char path[TASK_PATH_MAX];
	if (!e->has_given_up)
		recall_put(e->t->env, task_path_in(e->t, path), RECALL_VALUE, 0, SLICE_LIT(""));
	e->has_given_up = true;
}

void each_list_keep(struct task *item)
{
	char path[TASK_PATH_MAX];
	struct each_frame *e = (void *)item->up->frame;
	if (!e->t->wants_value)
		return;
	if (e->values.list == NULL) {
		give_up(e);
		return;
	}
	json_t *v = collect_value(&item->out);
	char *text = v != NULL ? json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	if (text != NULL && !json_is_null(v))
		recall_put(item->env, task_path_in(item, path), RECALL_VALUE, 0, slice_of(text));
	else if (item->is_again)
		recall_drop(item->env, task_path_in(item, path), RECALL_VALUE);
	free(text);
	json_decref(v);
}
