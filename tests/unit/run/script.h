/*
 * script -- a task that does one operation after the other and writes down what each returned.
 *
 * Operations get the task's context, which outlives it; NULL ends the list. A result < 0 ends the
 * task with it, unless `goes_on`.
 */
#pragma once

#include "run/group.h"
#include "tests/unit/run/world.h"

typedef int (*script_op)(act_self *self, void *ctx);

enum { SCRIPT_MAX = 12, NOT_YET = 999 };

struct log_of_script {
	int rc[SCRIPT_MAX]; /* NOT_YET: not reached, or parked there */
	bool is_over;
	int64_t over_ns;
};

struct script {
	act_co co;
	int rc;
	unsigned i;
	const script_op *op;
	void *ctx;
	struct log_of_script *log;
	bool goes_on;
};

static inline void script_over(act_self *self, void *arg)
{
	struct log_of_script *log = arg;
	log->is_over = true;
	log->over_ns = act_now_ns(self);
}

static inline int script_step(act_self *self, void *frame)
{
	struct script *s = frame;
	CO_BEGIN(&s->co);
	act_defer(self, script_over, s->log);
	for (s->i = 0; s->op[s->i] != NULL; s->i++) {
		CO_AWAIT(&s->co, s->rc, s->op[s->i](self, s->ctx));
		s->log->rc[s->i] = s->rc;
		if (s->rc < 0 && !s->goes_on)
			return s->rc;
	}
	CO_END(&s->co);
}

static inline struct script script_of(const script_op *op, void *ctx, struct log_of_script *log)
{
	*log = (struct log_of_script){.is_over = false};
	for (int i = 0; i < SCRIPT_MAX; i++)
		log->rc[i] = NOT_YET;
	return (struct script){.op = op, .ctx = ctx, .log = log, .goes_on = true};
}

static inline act_id script_start(struct world *w, const script_op *op, void *ctx,
				  struct log_of_script *log)
{
	struct script s = script_of(op, ctx, log);
	struct act_task_opts o = {.name = "script", .frame_init = &s, .frame_init_size = sizeof(s)};
	act_id id = act_spawn_task(w->root, script_step, sizeof(s), &o);
	ck_assert_uint_ne(id, 0);
	return id;
}

/* One that ends with the first error. */
static inline act_id script_start_strict(struct world *w, const script_op *op, void *ctx,
					 struct log_of_script *log)
{
	struct script s = script_of(op, ctx, log);
	s.goes_on = false;
	struct act_task_opts o = {.frame_init = &s, .frame_init_size = sizeof(s)};
	return act_spawn_task(w->root, script_step, sizeof(s), &o);
}

#define OPS(...)                                                                                   \
	(const script_op[])                                                                        \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}

/* ---- operations without a context ---- */

static inline int op_sleep_1ms(act_self *self, void *ctx)
{
	(void)ctx;
	return act_sleep(self, NS_PER_MS);
}

static inline int op_sleep_10ms(act_self *self, void *ctx)
{
	(void)ctx;
	return act_sleep(self, 10 * NS_PER_MS);
}

static inline int op_sleep_1h(act_self *self, void *ctx)
{
	(void)ctx;
	return act_sleep(self, 3600 * NS_PER_S);
}

static inline int op_yield(act_self *self, void *ctx)
{
	(void)ctx;
	return act_yield(self);
}

static inline int op_fail(act_self *self, void *ctx)
{
	(void)ctx;
	return act_fail(self, -200, "test", NULL, "as told");
}
