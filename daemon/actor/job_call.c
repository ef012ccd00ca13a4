/*
 * job_call -- calls to jobs and their replies: made, freed, answered; and the names of jobs.
 */
#include "actor/job.h"

#include <stdlib.h>
#include <unistd.h>

struct job_call *job_call_new(enum job_call_kind kind)
{
	struct job_call *c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	c->kind = kind;
	bytes_init(&c->head, 4096);
	bytes_init(&c->text, 4096);
	if (kind == JOB_CALL_FEED)
		bytes_init(&c->feed.items, 0);
	if (kind == JOB_CALL_UPLOAD)
		bytes_init(&c->upload.data, 0);
	return c;
}

void job_call_free(void *call)
{
	struct job_call *c = call;
	if (c == NULL)
		return;
	bytes_fini(&c->head);
	bytes_fini(&c->text);
	if (c->kind == JOB_CALL_FEED)
		bytes_fini(&c->feed.items);
	if (c->kind == JOB_CALL_UPLOAD)
		bytes_fini(&c->upload.data);
	free(c);
}

void job_reply_free(void *reply)
{
	struct job_reply *r = reply;
	if (r == NULL)
		return;
	bytes_fini(&r->message);
	bytes_fini(&r->body);
	if (r->fd >= 0)
		close(r->fd);
	free(r);
}

void job_reply_send(act_self *self, uint64_t token, uint32_t type, struct job_reply *r)
{
	if (r == NULL)
		act_reply_error(self, token, ACT_ENOMEM);
	else
		act_reply_buf(self, token, type, r, sizeof(*r), job_reply_free);
}

/* head.limit is small: what is appended to it is not. */
static void append(struct bytes *head, const struct bytes *body)
{
	head->limit = 0;
	if (body != NULL)
		bytes_add(head, body->p, body->n);
	else
		bytes_add_str(head, "true");
}

struct job_reply *job_reply_new(struct bytes *head, const struct bytes *body)
{
	struct job_reply *r = calloc(1, sizeof(*r));
	if (r == NULL)
		return NULL;
	append(head, body);
	r->fd = -1;
	bytes_init(&r->message, 4096);
	r->body = *head;
	*head = (struct bytes){0};
	if (r->body.err != ERR_OK)
		r->kind = KIND_MEMORY;
	return r;
}

struct job_reply *job_reply_refusal(enum kind kind, const char *message)
{
	struct job_reply *r = calloc(1, sizeof(*r));
	if (r == NULL)
		return NULL;
	r->kind = kind;
	r->fd = -1;
	bytes_init(&r->message, 4096);
	bytes_init(&r->body, 0);
	bytes_add_str(&r->message, message);
	return r;
}

void job_call_done(act_self *self, struct job_call *call, struct bytes *body)
{
	if (call->token != 0)
		job_reply_send(self, call->token, JOB_MSG_CALL, job_reply_new(&call->head, body));
	job_call_free(call);
}

void job_call_done_file(act_self *self, struct job_call *call, struct bytes *body, int fd)
{
	struct job_reply *r = call->token != 0 ? job_reply_new(&call->head, body) : NULL;
	if (r != NULL)
		r->fd = fd;
	else
		close(fd);
	if (call->token != 0)
		job_reply_send(self, call->token, JOB_MSG_CALL, r);
	job_call_free(call);
}

void job_call_refuse(act_self *self, struct job_call *call, enum kind kind, const char *message)
{
	if (call->token != 0)
		job_reply_send(self, call->token, JOB_MSG_CALL, job_reply_refusal(kind, message));
	job_call_free(call);
}

void job_call_unknown(act_self *self, struct job_call *call)
{
	struct bytes why = BYTES_LIMIT(64);
	bytes_add_str(&why, "there is no job ");
	job_id_add(&why, call->job, call->is_volatile);
	job_call_refuse(self, call, KIND_NOT_FOUND, bytes_cstr(&why));
	bytes_fini(&why);
}

bool job_id_parse(struct slice text, uint64_t *ret_id, bool *ret_is_volatile)
{
	uint64_t id = 0;
	if (text.n < 2 || text.n > 20 || (text.p[0] != 'j' && text.p[0] != 'v') || text.p[1] == '0')
		return false;
	for (size_t i = 1; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		id = id * 10 + (uint64_t)(text.p[i] - '0');
	}
	*ret_id = id;
	*ret_is_volatile = text.p[0] == 'v';
	return true;
}

void job_id_add(struct bytes *out, uint64_t id, bool is_volatile)
{
	bytes_add_byte(out, is_volatile ? 'v' : 'j');
	bytes_add_u64(out, id);
}
