/*
 * What sources have in common whose items are made while the each runs, by a task of its own
 * beside the feeder: it commits them to a feed, from which the each takes them; a later life finds
 * them there.
 */
#include "job/verb_each.h"

#include <stdlib.h>
#include <string.h>

static struct feed *feed_of(const struct each_frame *e)
{
	return ((const struct each_fed *)e->src)->feed;
}

struct slice each_source_path(const struct each_frame *e, char buf[TASK_PATH_MAX])
{
	struct slice at = task_path_in(e->t, buf);
	if (at.n + 2 < TASK_PATH_MAX) {
		memcpy(buf + at.n, ".s", 2);
		at.n += 2;
	}
	return at;
}

bool each_fed_make(struct each_frame *e, size_t size)
{
	char path[TASK_PATH_MAX];
	struct each_fed *s = calloc(1, size);
	e->src = s;
	if (s != NULL) {
		s->e = e;
		s->feed = feed_new(e->t->env, each_source_path(e, path));
	}
	if (s != NULL && s->feed != NULL)
		return true;
	task_fail(e->t, KIND_MEMORY, "no memory for an each");
	return false;
}

int each_fed_recall(act_self *self, void *load)
{
	struct each_load *l = load;
	CO_BEGIN(&l->co);
	l->recall.f = feed_of(l->e);
	CO_CALL(&l->co, l->rc, feed_recall, &l->recall);
	return l->rc;
	CO_END(&l->co);
}

bool each_fed_open(struct each_frame *e)
{
	e->n_source = feed_open(feed_of(e));
	return true;
}

enum feed_got each_fed_take(struct feeder *f, uint64_t index)
{
	return feed_take(feed_of(f->e), index, &f->line);
}

int each_fed_load(act_self *self, void *load)
{
	struct each_load *l = load;
	CO_BEGIN(&l->co);
	l->feed.f = feed_of(l->e);
	CO_CALL(&l->co, l->rc, feed_load, &l->feed);
	return l->rc;
	CO_END(&l->co);
}

act_event *each_fed_more(struct each_frame *e)
{
	return feed_more(feed_of(e));
}

void each_fed_done_below(struct each_frame *e, uint64_t index)
{
	feed_watermark(feed_of(e), index);
}

uint64_t each_fed_known(const struct each_frame *e)
{
	return feed_next(feed_of(e));
}

void each_fed_fini(struct each_frame *e)
{
	struct each_fed *s = e->src;
	if (s == NULL)
		return;
	feed_free(s->feed);
	free(s);
	e->src = NULL;
}
