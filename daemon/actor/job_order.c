/*
 * job_order -- a user's word: cancel, pause, resume, forget. It is committed as a fact, then
 * obeyed, then answered.
 */
#include "actor/job_state.h"
#include "actor/store.h"
#include "job/results.h"

struct order {
	act_co co;
	int rc;
	struct job *j;
	struct job_call *call;
	act_msg *m;
	enum err result;
};

static const enum store_command command_of[JOB_CALLS] = {
	[JOB_CALL_CANCEL] = STORE_COMMAND_CANCEL,
	[JOB_CALL_PAUSE] = STORE_COMMAND_PAUSE,
	[JOB_CALL_RESUME] = STORE_COMMAND_RESUME,
};

static struct store_batch *order_batch(struct job *j, struct job_call *c)
{
	struct store_batch *b = store_batch_new();
	bool forget = c->kind == JOB_CALL_FORGET;
	struct store_op *op =
		b != NULL ? store_batch_add(b, forget ? STORE_JOB_FORGET : STORE_JOB_COMMAND)
			  : NULL;
	if (op == NULL) {
		store_batch_free(b);
		return NULL;
	}
	b->is_urgent = true;
	if (forget) {
		op->ref.job = j->number;
		return b;
	}
	op->command = (struct store_command_op){.job = j->number,
						.command = command_of[c->kind],
						.uid = c->uid,
						.wall_at_ns = clock_wall_ns(j->peers->clock)};
	store_batch_copy(b, bytes_slice(&c->text), &op->command.why);
	return b;
}

static void obey_cancel(act_self *self, struct job *j)
{
	j->cancel_asked = true;
	job_becomes(self, j, STORE_JOB_CANCELLING);
	act_event_set(j->env->go);
	if (j->root.scope != NULL)
		act_scope_cancel_ref(self, j->root, ACT_WHY_CANCEL, NULL);
	act_event_set(j->started); /* a queued one ends without having begun */
}

static void obey(act_self *self, struct job *j, enum job_call_kind kind)
{
	bool runs = j->root.scope != NULL;
	switch (kind) {
	case JOB_CALL_CANCEL:
		obey_cancel(self, j);
		break;
	case JOB_CALL_PAUSE:
		act_event_clear(j->env->go);
		job_becomes(self, j, STORE_JOB_PAUSED);
		break;
	case JOB_CALL_RESUME:
		act_event_set(j->env->go);
		job_becomes(self, j, runs ? STORE_JOB_RUNNING : STORE_JOB_QUEUED);
		break;
	case JOB_CALL_FORGET:
		j->is_forgotten = j->is_gone = true;
		break;
	default:
		break;
	}
}

static void finish(act_self *self, struct order *o)
{
	struct job *j = o->j;
	struct job_call *c = o->call;
	o->call = NULL;
	if (o->result == ERR_OK) {
		if (!job_has_ended(j) || c->kind == JOB_CALL_FORGET)
			obey(self, j, c->kind);
		struct bytes body = BYTES_LIMIT(0);
		job_record(j, &body);
		job_call_done(self, c, &body);
		bytes_fini(&body);
		job_stir(self, j);
	} else if (o->result == ERR_NOT_FOUND) {
		job_call_unknown(self, c);
	} else if (o->result == ERR_CONFLICT) {
		job_call_refuse(self, c, KIND_CONFLICT, "the job has ended already");
	} else {
		job_call_refuse(self, c, KIND_BUSY, err_text(o->result));
	}
}

static int order_step(act_self *self, void *frame)
{
	struct order *o = frame;
	struct store_batch *b;
	CO_BEGIN(&o->co);
	b = order_batch(o->j, o->call);
	if (b == NULL) {
		o->result = ERR_NOMEM;
		finish(self, o);
		return ACT_OK;
	}
	CO_AWAIT(&o->co, o->rc,
		 act_ask_buf_patient(self, o->j->store, STORE_APPLY, b, sizeof(*b),
				     store_batch_drop, &o->m));
	o->result = o->rc == ACT_OK ? ((struct store_batch *)act_data(o->m))->result : ERR_BUSY;
	if (o->rc == ACT_OK)
		act_drop(self, o->m);
	finish(self, o);
	CO_END(&o->co);
}

static void order_ended(void *env)
{
	jobenv_unref(env);
}

static bool start_order(act_self *self, struct job *j, struct job_call *c)
{
	struct order o = {.j = j, .call = c};
	struct act_task_opts opts = {.name = "order",
				     .frame_init = &o,
				     .frame_init_size = sizeof(o),
				     .arg = jobenv_ref(j->env),
				     .arg_dtor = order_ended};
	return act_spawn_task(self, order_step, sizeof(o), &opts) != 0;
}

void job_on_order(act_self *self, struct job *j, struct job_call *c)
{
	if (c->kind == JOB_CALL_FORGET && !job_has_ended(j))
		job_call_refuse(self, c, KIND_CONFLICT, "the job has not ended");
	else if (c->kind != JOB_CALL_FORGET && job_has_ended(j))
		job_call_refuse(self, c, KIND_CONFLICT, "the job has ended already");
	else if (!start_order(self, j, c))
		job_call_refuse(self, c, KIND_MEMORY, "out of memory");
}

void job_on_attach_lost(act_self *self, struct job *j, struct job_call *c)
{
	if (!j->is_attached || job_has_ended(j)) {
		job_call_done(self, c, NULL);
		return;
	}
	c->kind = JOB_CALL_CANCEL;
	bytes_clear(&c->text);
	bytes_add_str(&c->text, "its command is gone");
	job_on_order(self, j, c);
}
