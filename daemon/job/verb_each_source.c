/*
 * The sources of an each: one row per kind. Lists, ranges and the client's feed are here; what is
 * more has a file of its own.
 */
#include "job/verb_each.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- lists and ranges: known as a whole ---- */

static bool open_list(struct each_frame *e)
{
	const struct source *s = &e->t->node->u.each.in;
	struct interp_env env = names_env(e->t->names);
	struct interp_error err = {0};
	if (spec_value_render(&s->value, &env, &e->list, &err) != ERR_OK) {
		task_fail(e->t, KIND_REQUEST_INVALID, "in: %s", err.sentence);
		return false;
	}
	if (!json_is_array(e->list)) {
		task_fail(e->t, KIND_REQUEST_INVALID, "in: it is not a list");
		return false;
	}
	e->n_source = json_array_size(e->list);
	return true;
}

static bool open_range(struct each_frame *e)
{
	const struct source *s = &e->t->node->u.each.in;
	struct interp_env env = names_env(e->t->names);
	struct interp_error err = {0};
	char sentence[128] = "";
	json_t *v = NULL;
	e->range = s->range;
	if (!s->has_range) {
		enum err rc = spec_value_render(&s->value, &env, &v, &err);
		if (rc == ERR_OK)
			rc = spec_range_read(v, &e->range, sentence);
		json_decref(v);
		if (rc != ERR_OK) {
			task_fail(e->t, KIND_REQUEST_INVALID, "in: %s%s", err.sentence, sentence);
			return false;
		}
	}
	e->n_source = spec_range_count(&e->range);
	return true;
}

enum feed_got each_take_known(struct feeder *f, uint64_t index)
{
	struct each_frame *e = f->e;
	if (index >= e->n_source)
		return FEED_END;
	if (e->list != NULL)
		f->value = json_incref(json_array_get(e->list, index));
	else
		f->value = json_integer(e->range.from + (int64_t)index * e->range.step);
	return f->value != NULL ? FEED_ITEM : FEED_EMPTY;
}

/* ---- the client's feed ---- */

static bool open_feed(struct each_frame *e)
{
	e->n_source = feed_open(e->t->env->feed);
	return true;
}

static enum feed_got take_fed(struct feeder *f, uint64_t index)
{
	return feed_take(f->e->t->env->feed, index, &f->line);
}

static int load_fed(act_self *self, void *load)
{
	struct each_load *l = load;
	CO_BEGIN(&l->co);
	l->feed.f = l->e->t->env->feed;
	CO_CALL(&l->co, l->rc, feed_load, &l->feed);
	return l->rc;
	CO_END(&l->co);
}

static act_event *more_fed(struct each_frame *e)
{
	return feed_more(e->t->env->feed);
}

static void fed_done_below(struct each_frame *e, uint64_t index)
{
	feed_watermark(e->t->env->feed, index);
}

static uint64_t known_fed(const struct each_frame *e)
{
	return feed_next(e->t->env->feed);
}

/* ---- all of them ---- */

static const struct each_source source[] = {
	[SOURCE_LIST] = {.is_counted = true, .open = open_list, .take = each_take_known},
	[SOURCE_RANGE] = {.is_counted = true, .open = open_range, .take = each_take_known},
	[SOURCE_FEED] = {.is_counted = true,
			 .open = open_feed,
			 .take = take_fed,
			 .load = load_fed,
			 .more = more_fed,
			 .done_below = fed_done_below,
			 .known = known_fed},
#define TEXT_SOURCE                                                                                \
	{                                                                                          \
		.is_after_task = true, .open = each_text_open, .take = each_text_take,             \
		.load = each_text_load, .over = each_text_over, .fini = each_text_fini             \
	}
	[SOURCE_JSON] = TEXT_SOURCE,
	[SOURCE_LINES] = TEXT_SOURCE,
	[SOURCE_BETWEEN] = TEXT_SOURCE,
#define FED_SOURCE(maker, producer, finisher)                                                      \
	{                                                                                          \
		.is_counted = true, .make = maker, .recall = each_fed_recall,                      \
		.open = each_fed_open, .take = each_fed_take, .load = each_fed_load,               \
		.more = each_fed_more, .produce = producer, .done_below = each_fed_done_below,     \
		.known = each_fed_known, .fini = finisher                                          \
	}
	[SOURCE_PAGES] = FED_SOURCE(each_pages_make, each_pages_produce, each_pages_fini),
	[SOURCE_EMITS] = FED_SOURCE(each_emits_make, each_emits_produce, each_fed_fini),
	[SOURCE_QUEUE] = {.open = each_queue_open,
			  .take = each_queue_take,
			  .load = each_queue_load,
			  .begun = each_queue_begun,
			  .close = each_queue_close,
			  .fini = each_queue_fini},
};

const struct each_source *each_source(enum source_kind k)
{
	const size_t n = sizeof(source) / sizeof(source[0]);
	return (size_t)k < n && source[k].open != NULL ? &source[k] : NULL;
}

bool each_source_runs(enum source_kind k)
{
	return each_source(k) != NULL;
}

bool each_source_open(struct each_frame *e)
{
	bool ok = e->ops->open(e);
	task_free(e->source);
	e->source = NULL;
	e->first = e->index;
	if (ok && e->ops->is_counted)
		e->t->env->n_expected += e->n_source > e->index ? e->n_source - e->index : 0;
	return ok;
}

void each_source_breaks(struct each_frame *e, enum kind kind, const char *fmt, ...)
{
	char path[TASK_PATH_MAX], message[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	failure_drop(e->broken);
	e->broken = failure_new(kind, task_path_in(e->t, path), slice_of(message),
				(struct slice){NULL, 0});
}
