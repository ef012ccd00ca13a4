/*
 * job_port -- what the leaves of a job reach of the outside: see job/leaf.h.
 */
#include "actor/job_state.h"
#include "actor/leaf_exec.h"
#include "actor/leaf_fetch.h"
#include "actor/limiter.h"
#include "actor/named.h"
#include "actor/store.h"
#include "job/bodypiece.h"
#include "job/task.h"
#include "run/offload.h"

static int apply(act_self *self, void *ctx, struct store_batch *batch, act_msg **ret_m)
{
	struct job *j = ctx;
	/* A full disk may hold a batch for as long as it likes: nothing is lost meanwhile. */
	return act_ask_buf_patient(self, j->store, STORE_APPLY, batch, sizeof(*batch),
				   store_batch_drop, ret_m);
}

static int read_store(act_self *self, void *ctx, const struct store_query *q, act_msg **ret_m)
{
	struct job *j = ctx;
	struct store_reading *r = store_reading_new(q);
	if (r == NULL)
		return ACT_ENOMEM;
	return act_ask_buf(self, j->store, STORE_READ, r, sizeof(*r), store_reading_drop, ret_m);
}

static const struct store_rows *rows(act_msg *m)
{
	const struct store_reading *r = act_data(m);
	return r->result == ERR_OK ? &r->rows : NULL;
}

static struct bodypiece *body(void *ctx, const struct store_body *row, size_t length)
{
	struct job *j = ctx;
	return j->peers->bodies != NULL ? bodypiece_new(j->peers->bodies, row, length) : NULL;
}

static int piece(act_self *self, void *ctx, struct bodypiece *p)
{
	struct job *j = ctx;
	struct act_work w = {.fn = bodypiece_read,
			     .arg = p,
			     .dtor = bodypiece_free,
			     .cls = j->peers->body_class};
	return act_offload(self, &w);
}

static void fill_in(const struct job *j, struct named_ask *ask)
{
	ask->uid = j->uid;
	ask->owner = j->self_id;
	ask->is_volatile = j->is_volatile;
}

static int ask_named(act_self *self, void *ctx, struct named_ask *ask, act_msg **ret_m)
{
	struct job *j = ctx;
	if (ask == NULL)
		return ACT_ENOMEM;
	fill_in(j, ask);
	return act_ask_buf_patient(self, j->peers->named, NAMED_ASK, ask, sizeof(*ask),
				   named_ask_free, ret_m);
}

static void tell_named(act_self *self, void *ctx, struct named_ask *ask)
{
	struct job *j = ctx;
	if (ask == NULL)
		return; /* the end of the job gives it back */
	fill_in(j, ask);
	named_tell(self, j->peers->named, ask);
}

static int ask_permit(act_self *self, void *ctx, const struct task *t, struct slice key,
		      int64_t cost, act_msg **ret_m)
{
	struct job *j = ctx;
	struct limit_ask ask = {
		.job = j->number * 2 + j->is_volatile,
		.is_durable = !j->is_volatile,
		.leaf = t->index,
		.uid = j->uid,
		.priority = (uint8_t)j->spec->priority,
		.deadline_ns = act_deadline(self),
		.attempt = 1,
		.key = key,
		.cost = (uint32_t)cost,
	};
	return limit_acquire(self, j->peers->limiter, limit_ticket_new(&ask), ret_m);
}

static void *permit_of(act_msg *m, enum kind *ret_kind, const char **ret_message)
{
	const struct limit_refusal *no = limit_refused(m);
	if (no == NULL)
		return limit_granted(m);
	*ret_kind = no->kind != KIND_NONE ? no->kind : KIND_LIMIT_WAIT;
	*ret_message = no->message;
	return NULL;
}

static void permit_back(act_self *self, void *ctx, void *permit)
{
	struct job *j = ctx;
	struct limit_outcome o = {.use = LIMIT_USED, .retry_after_ms = -1};
	limit_release(self, j->peers->limiter, permit, &o);
}

static void permit_drop(void *permit)
{
	limit_abandon(permit);
}

static void stirred(act_self *self, void *ctx)
{
	job_stir(self, ctx);
}

struct leaf_port job_port(struct job *j)
{
	return (struct leaf_port){
		.ctx = j,
		.fetch_size = leaf_fetch_size(),
		.fetch = leaf_fetch_step,
		.fetch_fini = leaf_fetch_fini,
		.exec_size = leaf_exec_size(),
		.exec = leaf_exec_step,
		.exec_fini = leaf_exec_fini,
		.apply = apply,
		.read = read_store,
		.rows = rows,
		.body = body,
		.piece = piece,
		.named_ask = ask_named,
		.named_tell = tell_named,
		.permit = ask_permit,
		.permit_of = permit_of,
		.permit_back = permit_back,
		.permit_drop = permit_drop,
		.stirred = stirred,
	};
}
