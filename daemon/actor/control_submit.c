/*
 * control_submit -- job.submit: the whole text is parsed and checked before anything is told to the
 * keeper, which answers after the commit. Long texts are parsed by a worker.
 */
#include "actor/control_job.h"
#include "actor/control_methods.h"
#include "actor/control_state.h"
#include "actor/opid.h"
#include "actor/rpc.h"
#include "actor/session.h"
#include "job/spec.h"
#include "proto/jsontree.h"
#include "run/offload.h"

#include <stdlib.h>

/* Owned by the task of the call, or by the worker while that parses. */
struct parse {
	struct bytes text;
	json_t *vars;
	struct spec_options options;
	struct job_spec *spec;
	enum err result;
	struct spec_error error;
};

struct submit_frame {
	struct parse *parse; /* first: given at the start */
	bool is_attached;
	act_co co;
	int rc;
	struct jobs_submit *submit;
	act_msg *reply;
};

static void parse_free(void *p)
{
	struct parse *ps = p;
	if (ps == NULL)
		return;
	job_spec_unref(ps->spec);
	if (ps->vars != NULL)
		json_decref(ps->vars);
	bytes_fini(&ps->text);
	free(ps);
}

static int parse_run(void *p)
{
	struct parse *ps = p;
	ps->result = job_spec_parse(bytes_slice(&ps->text), &ps->options, &ps->spec, &ps->error);
	return ACT_OK;
}

/* ---- parameters ---- */

struct submit_params {
	struct slice spec, text, vars;
	bool is_attached;
};

static const char *read_member(struct submit_params *p, struct slice name, struct slice value)
{
	if (slice_is(name, "spec")) {
		p->spec = value;
		return value.p[0] == '{' ? NULL : "spec: expected a job as an object";
	}
	if (slice_is(name, "text")) {
		p->text = value;
		return value.p[0] == '"' ? NULL : "text: expected a job file as a string";
	}
	if (slice_is(name, "vars")) {
		p->vars = value;
		return value.p[0] == '{' ? NULL : "vars: expected an object";
	}
	if (slice_is(name, "attached"))
		return jsonscan_bool(value, &p->is_attached) == ERR_OK
			       ? NULL
			       : "attached: expected true or false";
	return slice_is(name, "op_id") ? NULL
				       : "only spec, text, vars, attached, op_id are understood";
}

static const char *read_params(const struct call *call, struct submit_params *p)
{
	struct jsonscan_iter it;
	struct slice name, value;
	*p = (struct submit_params){.is_attached = false};
	if (call->params.n == 0 || jsonscan_members(call->params, &it) != ERR_OK)
		return "spec or text is missing";
	while (jsonscan_next_member(&it, &name, &value)) {
		const char *wrong = read_member(p, name, value);
		if (wrong != NULL)
			return wrong;
	}
	if ((p->spec.n > 0) == (p->text.n > 0))
		return "exactly one of spec and text is needed";
	return NULL;
}

static struct parse *parse_new(const struct call *call, const struct submit_params *p)
{
	struct parse *ps = calloc(1, sizeof(*ps));
	if (ps == NULL)
		return NULL;
	enum err e = p->spec.n > 0 ? bytes_add_slice(&ps->text, p->spec)
				   : jsonscan_string(p->text, &ps->text);
	if (e == ERR_OK && p->vars.n > 0) {
		json_error_t why;
		ps->vars = json_loadb(p->vars.p, p->vars.n, 0, &why);
		e = ps->vars != NULL ? ERR_OK : ERR_NOMEM;
	}
	if (e != ERR_OK) {
		parse_free(ps);
		return NULL;
	}
	ps->options.vars = ps->vars;
	ps->options.seed[0] = call->control->seed[0];
	ps->options.seed[1] = call->control->seed[1];
	return ps;
}

/* ---- the task ---- */

static int parse_somewhere(act_self *self, struct parse *ps)
{
	if (ps->text.n <= CONTROL_INLINE_BYTES)
		return parse_run(ps);
	struct act_work w = {
		.fn = parse_run, .arg = ps, .dtor = parse_free, .cls = HOUSE_WORK_PARSE};
	int rc = act_offload(self, &w);
	return rc == ACT_EFULL || rc == ACT_ECLOSED ? parse_run(ps) : rc;
}

static void tell_wrong(act_self *self, struct call *call, const struct spec_error *e)
{
	struct bytes sentence = {.n = 0};
	spec_error_add(&sentence, e);
	struct rpc_error error = {.code = rpc_code_of(e->kind),
				  .kind = e->kind,
				  .message = bytes_cstr(&sentence),
				  .line = e->line,
				  .column = e->column,
				  .path = e->path};
	call_fail_with(self, call, &error);
	bytes_fini(&sentence);
}

static struct jobs_submit *submission(const struct call *call, struct submit_frame *f)
{
	struct jobs_submit *s = jobs_submit_new();
	if (s == NULL)
		return NULL;
	struct parse *ps = f->parse;
	s->is_volatile = !ps->spec->durable;
	s->is_attached = f->is_attached;
	s->session = call->client->id;
	s->uid = call->uid;
	s->spec = ps->spec;
	s->text = ps->text;
	ps->spec = NULL;
	ps->text = (struct bytes){.n = 0};
	call_head(call, &s->head);
	bytes_add_slice(&s->op_id, opid_name(call));
	if (ps->vars != NULL && jsontree_add(&s->vars, ps->vars) != ERR_OK) {
		jobs_submit_free(s);
		return NULL;
	}
	return s;
}

/* The session learns which job its connection has. */
static void attach(act_self *self, struct call *call, act_msg *m)
{
	const struct job_reply *r = act_data(m);
	struct slice result, raw, id;
	struct session_job job = {.conn = call->client->id, .is_new = true};
	struct bytes whole = {.n = 0};
	bytes_add_slice(&whole, bytes_slice(&r->body));
	bytes_add_byte(&whole, '}');
	if (r->kind == KIND_NONE && jsonscan_member(bytes_slice(&whole), "result", &result) &&
	    jsonscan_member(result, "job", &raw) && jsonscan_plain(raw, &id) == ERR_OK &&
	    job_id_parse(id, &job.job, &job.is_volatile))
		session_attach(self, house_of(self)->sessions, &job);
	bytes_fini(&whole);
}

static int submit_step(act_self *self, void *frame)
{
	struct submit_frame *f = frame;
	struct call *call = act_arg(self);
	CO_BEGIN(&f->co);
	call->own = NULL;
	CO_AWAIT(&f->co, f->rc, parse_somewhere(self, f->parse));
	if (f->rc == ACT_ECANCELED)
		return f->rc; /* the runtime frees what is being parsed */
	if (f->rc != ACT_OK || f->parse->result != ERR_OK) {
		if (f->rc != ACT_OK)
			call_take_reply(self, call, f->rc, NULL);
		else
			tell_wrong(self, call, &f->parse->error);
		parse_free(f->parse);
		return ACT_OK;
	}
	f->submit = submission(call, f);
	parse_free(f->parse);
	if (f->submit == NULL) {
		call_fail(self, call, KIND_MEMORY, "out of memory");
		return ACT_OK;
	}
	CO_AWAIT(&f->co, f->rc,
		 act_ask_buf(self, house_of(self)->jobs, JOBS_SUBMIT, f->submit, sizeof(*f->submit),
			     jobs_submit_free, &f->reply));
	if (f->rc == ACT_OK && f->is_attached)
		attach(self, call, f->reply);
	call_take_reply(self, call, f->rc, f->reply);
	if (f->rc == ACT_OK)
		act_drop(self, f->reply);
	CO_END(&f->co);
}

void control_job_submit(act_self *self, struct call *call)
{
	struct submit_params p;
	const char *wrong = read_params(call, &p);
	if (wrong != NULL) {
		call_fail(self, call, KIND_REQUEST_INVALID, "params: %s", wrong);
		return;
	}
	if (p.is_attached && call->via_gateway) {
		call_fail(self, call, KIND_DENIED,
			  "not through a gateway: no attached jobs, no leases");
		return;
	}
	struct submit_frame f = {.is_attached = p.is_attached};
	f.parse = parse_new(call, &p);
	if (f.parse == NULL) {
		call_fail(self, call, KIND_MEMORY, "out of memory");
		return;
	}
	call->own = f.parse;
	call->own_free = parse_free;
	call_spawn(self, call, submit_step, sizeof(f), &f, sizeof(f));
}
