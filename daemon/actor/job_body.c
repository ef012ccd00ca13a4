/*
 * job_body -- a piece of the body of a result: out of its file beside the record, or out of the
 * line; or that file itself, open for reading, for a caller on the same machine.
 *
 * A file is opened by reading it through once against its hash, so the job keeps the last one open:
 * a client that takes a body piece by piece has it checked once. Everything that blocks is
 * offloaded.
 */
#include "actor/job_state.h"
#include "actor/store.h"
#include "edge/bodyfile.h"
#include "job/bodypiece.h"
#include "proto/base64.h"
#include "proto/jsonscan.h"
#include "proto/units.h"
#include "run/offload.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct reading {
	act_co co, line_co;
	int rc;
	struct job *j;
	struct job_call *call;
	act_msg *m;
	struct bodypiece *piece;
	uint64_t file;
};

/* ---- answers ---- */

static void answer(act_self *self, struct reading *r, struct slice data, uint64_t size)
{
	struct bytes body = BYTES_LIMIT(0);
	struct job_call *c = r->call;
	r->call = NULL;
	bytes_printf(&body, "{\"size\":%llu,\"base64\":\"", (unsigned long long)size);
	result_add_base64(&body, data);
	bytes_add_str(&body, "\"}");
	job_call_done(self, c, &body);
	bytes_fini(&body);
}

/* The caller copies it meanwhile, and asks for a piece in the end to hear that it is sound. */
static void answer_file(act_self *self, struct reading *r, struct bodypiece *p)
{
	struct bytes body = BYTES_LIMIT(0);
	struct job_call *c = r->call;
	r->call = NULL;
	bytes_printf(&body, "{\"size\":%llu,\"file\":true}", (unsigned long long)p->row.size);
	job_call_done_file(self, c, &body, p->fd);
	p->fd = -1;
	bytes_fini(&body);
}

static void refuse(act_self *self, struct reading *r, enum kind kind, const char *why)
{
	struct job_call *c = r->call;
	r->call = NULL;
	job_call_refuse(self, c, kind, why);
}

/* ---- from its file ---- */

static struct bodypiece *piece_new(struct reading *r, const struct store_body *row)
{
	struct job *j = r->j;
	const struct job_body_call *c = &r->call->body;
	size_t n = c->length > 0 && c->length < BODYPIECE_MAX ? c->length : BODYPIECE_MAX;
	if (c->wants_file)
		n = 0;
	struct bodypiece *p = bodypiece_new(j->peers->bodies, row, n);
	if (p == NULL)
		return NULL;
	p->offset = c->offset;
	if (!c->wants_file && j->body_read != NULL && j->body_id == row->id) {
		p->read = j->body_read;
		j->body_read = NULL; /* the worker has it */
	}
	return p;
}

/* False: there is no such row. */
static bool begin_file(struct reading *r)
{
	const struct store_reading *rows = act_data(r->m);
	if (rows->result != ERR_OK || rows->rows.n == 0 || r->j->peers->bodies == NULL)
		return false;
	r->piece = piece_new(r, &rows->rows.row[0].body);
	return r->piece != NULL;
}

static void end_file(act_self *self, struct reading *r)
{
	struct bodypiece *p = r->piece;
	struct job *j = r->j;
	r->piece = NULL;
	if (p->result != ERR_OK) {
		refuse(self, r, KIND_STORE_CORRUPT, "the stored body is damaged or gone");
		bodypiece_free(p);
		return;
	}
	if (p->fd >= 0) {
		answer_file(self, r, p);
		bodypiece_free(p);
		return;
	}
	answer(self, r, (struct slice){p->data, p->n}, p->row.size);
	bodyread_close(j->body_read);
	j->body_read = p->read;
	j->body_id = p->row.id;
	p->read = NULL;
	bodypiece_free(p);
}

/* ---- from the line ---- */

static bool body_of(struct slice line, struct bytes *out)
{
	struct slice raw, plain;
	if (jsonscan_member(line, "body", &raw))
		return jsonscan_string(raw, out) == ERR_OK;
	return jsonscan_member(line, "body_base64", &raw) &&
	       jsonscan_plain(raw, &plain) == ERR_OK && base64_decode(plain, out) == ERR_OK;
}

static bool find_line(const struct store_chunk *c, uint64_t seq, struct slice *ret)
{
	if (seq < c->first_seq || seq >= c->first_seq + c->n)
		return false;
	const char *at = c->lines.p, *end = c->lines.p + c->lines.n;
	for (uint64_t i = c->first_seq; i < seq && at < end; i++)
		at = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;
	const char *nl = memchr(at, '\n', (size_t)(end - at));
	*ret = (struct slice){at, nl != NULL ? (size_t)(nl - at) : (size_t)(end - at)};
	return true;
}

static void from_line(act_self *self, struct reading *r)
{
	const struct store_reading *rows = act_data(r->m);
	const struct job_body_call *c = &r->call->body;
	struct bytes body = BYTES_LIMIT(0);
	struct slice line;
	bool ok = rows->result == ERR_OK && rows->rows.n > 0 &&
		  find_line(&rows->rows.row[0].chunk, c->seq, &line) && body_of(line, &body);
	if (!ok) {
		refuse(self, r, KIND_NOT_FOUND, "this result has no body");
	} else {
		size_t from = c->offset < body.n ? (size_t)c->offset : body.n;
		size_t n = body.n - from;
		if (n > BODYPIECE_MAX)
			n = BODYPIECE_MAX;
		if (c->length > 0 && c->length < n)
			n = c->length;
		answer(self, r, (struct slice){body.n > 0 ? body.p + from : "", n}, body.n);
	}
	bytes_fini(&body);
}

/* ---- the task ---- */

static int ask(act_self *self, struct reading *r, enum store_query_kind kind, uint64_t after)
{
	struct store_query q = {.kind = kind, .job = r->j->number, .after = after, .max_rows = 1};
	struct store_reading *rows = store_reading_new(&q);
	if (rows == NULL)
		return ACT_ENOMEM;
	return act_ask_buf(self, r->j->store, STORE_READ, rows, sizeof(*rows), store_reading_drop,
			   &r->m);
}

static int offload(act_self *self, struct reading *r)
{
	struct act_work w = {.fn = r->call->body.wants_file ? bodypiece_open : bodypiece_read,
			     .arg = r->piece,
			     .dtor = bodypiece_free,
			     .cls = r->j->peers->body_class};
	return act_offload(self, &w);
}

/* The body that the line names, if it does; 0: none. */
static uint64_t named_file(struct reading *r)
{
	const struct store_reading *rows = act_data(r->m);
	struct slice line, raw, name;
	uint64_t id = 0;
	if (rows->result != ERR_OK || rows->rows.n == 0 ||
	    !find_line(&rows->rows.row[0].chunk, r->call->body.seq, &line) ||
	    !jsonscan_member(line, "file", &raw) || jsonscan_plain(raw, &name) != ERR_OK ||
	    units_u64(name, &id) != ERR_OK)
		return 0;
	return id;
}

/* A step: opens what the line names (a body that a task still needs stands under no seq), or
 * answers with what is in the line. */
static int line_step(act_self *self, void *frame)
{
	struct reading *r = frame;
	CO_BEGIN(&r->line_co);
	CO_AWAIT(&r->line_co, r->rc, ask(self, r, STORE_Q_CHUNKS, r->call->body.seq - 1));
	if (r->rc != ACT_OK) {
		refuse(self, r, KIND_BUSY, act_rc_text(r->rc));
		return ACT_OK;
	}
	r->file = named_file(r);
	if (r->file == 0)
		from_line(self, r);
	act_drop(self, r->m);
	if (r->file == 0)
		return ACT_OK;
	CO_AWAIT(&r->line_co, r->rc, ask(self, r, STORE_Q_BODIES, r->file - 1));
	if (r->rc == ACT_OK) {
		begin_file(r);
		act_drop(self, r->m);
	}
	if (r->piece == NULL)
		refuse(self, r, KIND_NOT_FOUND, "this result has no body");
	CO_END(&r->line_co);
}

static int body_step(act_self *self, void *frame)
{
	struct reading *r = frame;
	CO_BEGIN(&r->co);
	CO_AWAIT(&r->co, r->rc, ask(self, r, STORE_Q_BODY, r->call->body.seq));
	if (r->rc == ACT_OK) {
		begin_file(r);
		act_drop(self, r->m);
	}
	if (r->piece == NULL)
		CO_CALL(&r->co, r->rc, line_step, r);
	if (r->piece == NULL)
		return ACT_OK;
	CO_AWAIT(&r->co, r->rc, offload(self, r));
	if (r->rc == ACT_OK)
		end_file(self, r);
	else
		refuse(self, r, KIND_BUSY, act_rc_text(r->rc));
	CO_END(&r->co);
}

static void body_ended(void *env)
{
	jobenv_unref(env);
}

static bool start(act_self *self, struct job *j, struct job_call *c)
{
	struct reading r = {.j = j, .call = c};
	struct act_task_opts o = {.name = "body",
				  .frame_init = &r,
				  .frame_init_size = sizeof(r),
				  .arg = jobenv_ref(j->env),
				  .arg_dtor = body_ended};
	return act_spawn_task(self, body_step, sizeof(r), &o) != 0;
}

void job_on_body(act_self *self, struct job *j, struct job_call *c)
{
	if (c->body.seq == 0)
		job_call_refuse(self, c, KIND_NOT_FOUND, "results are counted from 1");
	else if (!start(self, j, c))
		job_call_refuse(self, c, KIND_MEMORY, "out of memory");
}
