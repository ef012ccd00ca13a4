/*
 * producer_consumer -- a bounded queue between tasks, joined and closed instead of a sentinel.
 *
 * A task is a step function with a frame: what must live across an await is in the frame. The
 * producer parks when the queue is full, the consumers when it is empty; the queue's join returns
 * when every item put has been done, and closing it ends the consumers.
 */
#include "shard.h"

#include <run/group.h>
#include <run/sync.h>
#include <stdio.h>

#define ITEMS	  10
#define ROOM	  3
#define CONSUMERS 2

struct frame {
	act_co co;
	int rc, i, sum;
	act_queue *queue;
	act_group *consumers, *producers;
	act_msg *item;
};

static int produce(act_self *self, void *frame)
{
	struct frame *f = frame;
	CO_BEGIN(&f->co);
	for (f->i = 1; f->i <= ITEMS; f->i++) {
		f->item = act_msg_new(self, 0, &f->i, sizeof(f->i));
		if (f->item == NULL)
			return ACT_ENOMEM;
		CO_AWAIT(&f->co, f->rc, act_queue_put(self, act_arg(self), f->item));
		if (f->rc != ACT_OK) {
			act_drop(self, f->item); /* refused: still ours */
			return f->rc;
		}
	}
	CO_END(&f->co);
}

static int total;

static int consume(act_self *self, void *frame)
{
	struct frame *f = frame;
	CO_BEGIN(&f->co);
	for (;;) {
		CO_AWAIT(&f->co, f->rc, act_queue_get(self, act_arg(self), &f->item));
		if (f->rc == ACT_ECLOSED)
			break;
		if (f->rc != ACT_OK)
			return f->rc;
		total += *(int *)act_data(f->item);
		act_queue_done(self, act_arg(self));
	}
	CO_END(&f->co);
}

static int main_task(act_self *self, void *frame)
{
	struct frame *f = frame;
	CO_BEGIN(&f->co);
	f->queue = act_queue_new(act_myshard(self), ROOM);
	f->consumers = act_group_open(self, ACT_FAIL_FAST, 0, ACT_FOREVER);
	f->producers = act_group_open(self, ACT_FAIL_FAST, 0, ACT_FOREVER); /* inside the other */
	if (f->queue == NULL || f->consumers == NULL || f->producers == NULL)
		return ACT_ENOMEM;
	{
		struct act_task_opts arg = {.arg = f->queue};
		act_group_go(self, f->producers, produce, sizeof(*f), &arg);
		for (int i = 0; i < CONSUMERS; i++)
			act_group_go(self, f->consumers, consume, sizeof(*f), &arg);
	}
	CO_AWAIT(&f->co, f->rc, act_group_join(self, f->producers)); /* all is put */
	act_group_close(self, f->producers);
	CO_AWAIT(&f->co, f->rc, act_queue_join(self, f->queue)); /* all is done */
	act_queue_close(f->queue, false);			 /* instead of a sentinel */
	CO_AWAIT(&f->co, f->rc, act_group_join(self, f->consumers));
	printf("%d items, their sum is %d\n", ITEMS, total);
	act_group_close(self, f->consumers);
	act_queue_free(f->queue);
	return f->rc;
	CO_END(&f->co);
}

static void start(act_self *root)
{
	act_spawn_task(root, main_task, sizeof(struct frame), NULL);
}

int main(void)
{
	return example_run(start);
}
