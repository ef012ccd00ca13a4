/*
 * wait -- the table of waits, and those that need no object: sleep, yield, mail, operations.
 */
#include "run/internal.h"

static bool abandon_nothing(act_shard *sh, struct task *t)
{
	(void)sh;
	(void)t;
	return true;
}

static bool abandon_op(act_shard *sh, struct task *t);

static act_id exit_owner(act_shard *sh, struct task *t)
{
	(void)sh;
	return t->w.exit.id;
}

const struct wait_row rt_wait_row[WAIT_KINDS] = {
	[WAIT_NONE] = {"nothing", NULL, NULL, NULL},
	[WAIT_GRANTED] = {"its turn", NULL, NULL, NULL},
	[WAIT_SLEEP] = {"sleep", abandon_nothing, NULL, NULL},
	[WAIT_RECV] = {"mail", abandon_nothing, NULL, NULL},
	[WAIT_ROOM] = {"room", rt_ask_abandon_room, NULL, rt_ask_owner},
	[WAIT_WAY] = {"way", rt_mesh_abandon_way, NULL, NULL},
	[WAIT_REPLY] = {"reply", rt_ask_abandon_reply, NULL, rt_ask_owner},
	[WAIT_EXIT] = {"exit", rt_sys_abandon_exit, NULL, exit_owner},
	[WAIT_OP] = {"operation", abandon_op, NULL, NULL},
	[WAIT_OFFLOAD] = {"offload", rt_offload_abandon, NULL, NULL},
	[WAIT_PENDING] = {"start", rt_group_abandon_pending, NULL, NULL},
	[WAIT_NEXT] = {"child", NULL, rt_group_leave_wait, NULL},
	[WAIT_JOIN] = {"join", NULL, rt_group_leave_wait, NULL},
	[WAIT_ENDING] = {"children", NULL, NULL, NULL},
	[WAIT_SEM] = {"semaphore", rt_sem_abandon, NULL, NULL},
	[WAIT_LOCK] = {"lock", rt_lock_abandon, NULL, rt_lock_waits_for},
	[WAIT_EVENT] = {"event", rt_event_abandon, NULL, NULL},
	[WAIT_PUT] = {"put", rt_queue_abandon_put, NULL, NULL},
	[WAIT_GET] = {"get", rt_queue_abandon_get, NULL, NULL},
	[WAIT_QUEUE_JOIN] = {"queue join", rt_queue_abandon_join, NULL, NULL},
	[WAIT_EMIT] = {"demand", rt_stream_abandon_emit, NULL, NULL},
	[WAIT_ITEM] = {"item", rt_stream_abandon_next, NULL, NULL},
};

/* ---- sleep, yield ---- */

int act_yield(act_self *self)
{
	struct task *t;
	int rc = rt_await(self, &t);
	if (rc != ACT_OK)
		return rc;
	t->result = ACT_OK;
	t->wait_of = WAIT_GRANTED;
	rt_enqueue(self->sh, self->a);
	return ACT_WAIT;
}

int act_sleep_until(act_self *self, int64_t at_ns)
{
	struct task *t;
	int rc = rt_await(self, &t);
	if (rc != ACT_OK)
		return rc;
	if (at_ns <= self->sh->now_ns)
		return act_yield(self);
	rt_wheel_add(&self->sh->wheel, &t->timer, at_ns);
	return rt_park(self->sh, t, WAIT_SLEEP);
}

int act_sleep(act_self *self, int64_t ns)
{
	int64_t at;
	if (__builtin_add_overflow(self->sh->now_ns, ns, &at))
		at = INT64_MAX;
	return act_sleep_until(self, at);
}

/* ---- mail of tasks ---- */

int act_recv(act_self *self, act_msg **ret_m)
{
	act_shard *sh = self->sh;
	struct task *t;
	int rc = rt_await(self, &t);
	if (rc != ACT_OK)
		return rc;
	struct actor *a = self->a;
	rt_mail_note_depth(a);
	while (a->tail != NULL) {
		act_msg *m = rt_mail_shift(a);
		if (a->more != NULL)
			rt_mailbox_room(sh, a);
		if (m->token != 0 && !rt_ask_taken(sh, m)) {
			rt_msg_free(sh, m);
			continue;
		}
		a->received++;
		COUNT(sh, delivered, 1);
		*ret_m = m;
		rc = rt_done(sh, t, ACT_OK);
		if (rc == ACT_WAIT)
			rt_granted(t, GRANTED_MSG, m);
		return rc;
	}
	t->w.on.ret_item = ret_m;
	return rt_park(sh, t, WAIT_RECV);
}

/* ---- operations of the outside ---- */

enum op_state { OP_NEW, OP_AWAITED, OP_COMPLETE, OP_OVER };

void act_op_init(struct act_op *op, void (*cancel)(struct act_op *), void *user)
{
	*op = (struct act_op){.cancel = cancel, .user = user, .state = OP_NEW};
}

int act_op_await(act_self *self, struct act_op *op)
{
	struct task *t;
	int rc = rt_await(self, &t);
	if (rc == ACT_EBUG)
		return rc;
	if (op->state == OP_COMPLETE) {
		op->state = OP_OVER;
		return rt_done(self->sh, t, op->rc);
	}
	if (op->state != OP_NEW)
		return ACT_EBUG;
	if (rc != ACT_OK) {
		op->state = OP_OVER;
		if (op->cancel != NULL)
			op->cancel(op);
		return rc;
	}
	op->state = OP_AWAITED;
	op->waiter = t;
	t->w.op = op;
	return rt_park(self->sh, t, WAIT_OP);
}

static bool abandon_op(act_shard *sh, struct task *t)
{
	(void)sh;
	struct act_op *op = t->w.op;
	op->state = OP_OVER;
	op->waiter = NULL;
	if (op->cancel != NULL)
		op->cancel(op);
	return true;
}

void act_op_complete(act_shard *shard, struct act_op *op, int rc)
{
	if (op->state == OP_NEW) {
		op->state = OP_COMPLETE;
		op->rc = rc;
	} else if (op->state == OP_AWAITED) {
		struct task *t = op->waiter;
		op->state = OP_OVER;
		op->waiter = NULL;
		rt_task_wake(shard, t, rc);
	}
}
