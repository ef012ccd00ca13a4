/*
 * control_explain -- the method job.explain: what the tasks of a job wait for, or what became of
 * one, from its actor, and the named objects its tasks wait for, as one answer.
 */
#include "actor/control_job.h"
#include "actor/control_methods.h"
#include "actor/control_state.h"
#include "actor/named.h"
#include "proto/result.h"

#include <stdio.h>

struct explain_params {
	const char *job, *path;
};

static const struct field fields[] = {
	F_STRING("job", struct explain_params, job, 1, 24, FIELD_REQUIRED, "its id, as \"j7\""),
	F_STRING("path", struct explain_params, path, 0, 512, FIELD_OPTIONAL, "of a task")};
static const struct field_table table = FIELD_TABLE("params", fields);

struct explain_frame {
	struct keeper_ask ask; /* first two: given at the start */
	struct named_explain objects;
	act_co co;
	int rc;
	act_msg *reply, *rows;
};

static void add_object(struct bytes *b, const struct named_row *r, int64_t now_ns)
{
	bytes_printf(b, "{\"%s\":", named_kind_text(r->kind));
	result_add_string(b, slice_of(r->name));
	bytes_add_str(b, ",\"task\":");
	result_add_string(b, slice_of(r->task));
	bytes_printf(b, ",\"since_ms\":%lld,\"position\":%u,\"waiting_in_all\":%u",
		     (long long)((now_ns - r->since_ns) / NS_PER_MS), r->position, r->n_waiting);
	if (r->holder[0] != '\0') {
		bytes_add_str(b, ",\"holder\":");
		result_add_string(b, slice_of(r->holder));
		bytes_printf(b, ",\"held_ms\":%lld",
			     (long long)((now_ns - r->held_since_ns) / NS_PER_MS));
	}
	bytes_add_byte(b, '}');
}

static void add_objects(struct bytes *b, const struct named_rows *rows, int64_t now_ns)
{
	if (b->err != ERR_OK || rows->n == 0 || b->p[b->n - 1] != '}')
		return;
	b->n--;
	bytes_add_str(b, ",\"objects\":[");
	for (uint32_t i = 0; i < rows->n; i++) {
		bytes_add_str(b, i > 0 ? "," : "");
		add_object(b, &rows->row[i], now_ns);
	}
	bytes_add_str(b, "]}");
}

static bool is_answered(const act_msg *m)
{
	union {
		const act_msg *in;
		act_msg *out;
	} cast = {.in = m};
	return ((const struct job_reply *)act_data(cast.out))->kind == KIND_NONE;
}

static int explain_step(act_self *self, void *frame)
{
	struct explain_frame *f = frame;
	struct call *call = act_arg(self);
	CO_BEGIN(&f->co);
	call->own = NULL; /* the ask takes it */
	CO_AWAIT(&f->co, f->rc,
		 act_ask_buf(self, house_of(self)->jobs, f->ask.type, f->ask.payload, f->ask.size,
			     f->ask.dtor, &f->reply));
	if (f->rc != ACT_OK || !is_answered(f->reply)) {
		call_take_reply(self, call, f->rc, f->reply);
		if (f->rc == ACT_OK)
			act_drop(self, f->reply);
		return ACT_OK;
	}
	CO_AWAIT(&f->co, f->rc,
		 act_ask(self, house_of(self)->named, NAMED_EXPLAIN, &f->objects,
			 sizeof(f->objects), &f->rows));
	if (f->rc == ACT_OK) {
		struct job_reply *r = act_data(f->reply);
		add_objects(&r->body, act_data(f->rows), act_now_ns(self));
		act_drop(self, f->rows);
	}
	call_take_reply(self, call, f->rc, f->reply);
	act_drop(self, f->reply);
	CO_END(&f->co);
}

void control_job_explain(act_self *self, struct call *call)
{
	struct explain_params p = {.path = ""};
	if (!call_params(self, call, &table, &p))
		return;
	struct job_call *jc = call_job_new(self, call, JOB_CALL_EXPLAIN);
	if (jc == NULL || !call_job_id(self, call, slice_of(p.job), jc))
		return;
	bytes_add_str(&jc->text, p.path);
	struct explain_frame f = {.ask = {.type = JOBS_CALL,
					  .payload = jc,
					  .size = sizeof(*jc),
					  .dtor = job_call_free}};
	snprintf(f.objects.job, sizeof(f.objects.job), "%s", p.job);
	call->own = jc;
	call->own_free = job_call_free;
	call_spawn(self, call, explain_step, sizeof(f), &f, sizeof(f));
}
