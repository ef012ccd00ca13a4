/*
 * jobs_list -- the jobs a caller may see, durable ones first, then volatile ones.
 */
#include "actor/jobs_state.h"
#include "actor/store.h"
#include "run/task.h"
#include "proto/result.h"

struct listing {
	act_co co;
	int rc;
	struct keeper *k;
	struct jobs_list ask;
	uint64_t token;
	act_msg *m;
	struct bytes out;
	uint32_t n;
	int which; /* 0: durable, 1: memory */
};

static act_id store_of(const struct listing *l)
{
	return l->which == 0 ? l->k->peers->durable : l->k->peers->memory;
}

static int ask(act_self *self, struct listing *l)
{
	struct store_query q = {.kind = STORE_Q_JOBS,
				.uid = l->ask.uid,
				.has_uid = !l->ask.is_admin,
				.after = l->ask.after,
				.max_rows = l->ask.max};
	struct store_reading *r = store_reading_new(&q);
	if (r == NULL)
		return ACT_ENOMEM;
	return act_ask_buf(self, store_of(l), STORE_READ, r, sizeof(*r), store_reading_drop, &l->m);
}

static void add_job(struct listing *l, const struct store_job *j)
{
	struct bytes *b = &l->out;
	if (l->n++ > 0)
		bytes_add_byte(b, ',');
	bytes_add_str(b, "{\"job\":\"");
	job_id_add(b, j->id, l->which == 1);
	bytes_printf(b, "\",\"state\":\"%s\"", store_job_state_text(j->state));
	if (j->name.n > 0) {
		bytes_add_str(b, ",\"name\":");
		result_add_string(b, j->name);
	}
	bytes_printf(b,
		     ",\"uid\":%u,\"priority\":%u,\"ok\":%llu,\"failed\":%llu,\"cancelled\":%llu",
		     j->uid, j->priority, (unsigned long long)j->totals.ok,
		     (unsigned long long)j->totals.failed, (unsigned long long)j->totals.cancelled);
	bytes_add_str(b, ",\"created\":");
	result_add_instant(b, j->wall_created_ns);
	bytes_add_byte(b, '}');
}

static void take(act_self *self, struct listing *l)
{
	const struct store_reading *r = act_data(l->m);
	for (uint32_t i = 0; r->result == ERR_OK && i < r->rows.n; i++)
		add_job(l, &r->rows.row[i].job);
	act_drop(self, l->m);
}

static int list_step(act_self *self, void *frame)
{
	struct listing *l = frame;
	struct bytes head = BYTES_LIMIT(0);
	CO_BEGIN(&l->co);
	bytes_add_str(&l->out, "{\"jobs\":[");
	for (l->which = 0; l->which < 2; l->which++) {
		if (store_of(l) == 0)
			continue;
		CO_AWAIT(&l->co, l->rc, ask(self, l));
		if (l->rc != ACT_OK)
			break;
		take(self, l);
	}
	bytes_add_str(&l->out, "]}");
	if (l->rc == ACT_OK)
		job_reply_send(self, l->token, JOBS_LIST, job_reply_new(&head, &l->out));
	else
		act_reply_error(self, l->token, l->rc);
	bytes_fini(&l->out);
	CO_END(&l->co);
}

void keeper_list(act_self *self, struct keeper *k, const struct jobs_list *ask_for, uint64_t token)
{
	struct listing l = {.k = k, .ask = *ask_for, .token = token};
	struct act_task_opts o = {
		.name = "jobs.list", .frame_init = &l, .frame_init_size = sizeof(l)};
	if (act_spawn_task(self, list_step, sizeof(l), &o) == 0)
		act_reply_error(self, token, ACT_ENOMEM);
}
