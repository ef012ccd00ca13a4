/*
 * job_upload -- what clients bring for the requests of the job: written by a worker, answered when
 * it is on disk; all of it goes when the job has ended.
 */
#include "actor/job_state.h"
#include "edge/uploads.h"
#include "proto/base64.h"
#include "run/offload.h"

#include <stdlib.h>

/* What a worker does; freed by whoever has it. */
struct upload_work {
	struct uploads *uploads;
	struct upload_of of;
	struct job_call *call; /* a piece to be written; NULL: all files go */
	enum err result;
	uint64_t next;
};

static void work_free(void *arg)
{
	struct upload_work *w = arg;
	if (w == NULL)
		return;
	job_call_free(w->call);
	free(w);
}

static void write_piece(struct upload_work *w)
{
	const struct job_upload_call *c = &w->call->upload;
	struct bytes data = BYTES_LIMIT(0);
	w->result = base64_decode(bytes_slice(&c->data), &data);
	struct upload_piece p = {.of = w->of,
				 .name = bytes_slice(&w->call->text),
				 .offset = c->offset,
				 .data = bytes_slice(&data),
				 .is_end = c->end};
	if (w->result == ERR_OK)
		w->result = uploads_write(w->uploads, &p, &w->next);
	bytes_fini(&data);
}

static int run_work(void *arg)
{
	struct upload_work *w = arg;
	if (w->call != NULL)
		write_piece(w);
	else
		uploads_forget(w->uploads, &w->of);
	return ACT_OK;
}

/* Takes the call. */
static int submit(act_self *self, struct job *j, struct job_call *c)
{
	struct upload_work *w = calloc(1, sizeof(*w));
	if (w == NULL)
		return ACT_ENOMEM;
	*w = (struct upload_work){.uploads = j->peers->uploads,
				  .of = {.job = j->number, .is_volatile = j->is_volatile}};
	struct act_work work = {
		.fn = run_work, .arg = w, .dtor = work_free, .cls = j->peers->body_class};
	w->call = c;
	int rc = act_offload_signal(self, &work, 0);
	if (rc != ACT_OK) {
		w->call = NULL;
		work_free(w);
	}
	return rc;
}

void job_on_upload(act_self *self, struct job *j, struct job_call *c)
{
	if (job_has_ended(j)) {
		job_call_refuse(self, c, KIND_CLOSED, "the job has ended");
		return;
	}
	if (j->peers->uploads == NULL) {
		job_call_refuse(self, c, KIND_STORE_FULL, "this daemon has no place for uploads");
		return;
	}
	int rc = submit(self, j, c);
	if (rc != ACT_OK)
		job_call_refuse(self, c, rc == ACT_ENOMEM ? KIND_MEMORY : KIND_BUSY,
				act_rc_text(rc));
}

static void answer(act_self *self, struct upload_work *w)
{
	struct bytes body = BYTES_LIMIT(256);
	struct job_call *c = w->call;
	w->call = NULL;
	switch (w->result) {
	case ERR_OK:
		bytes_printf(&body, "{\"next\":%llu}", (unsigned long long)w->next);
		job_call_done(self, c, &body);
		break;
	case ERR_CONFLICT:
		bytes_printf(&body, "the upload has only %llu bytes", (unsigned long long)w->next);
		job_call_refuse(self, c, KIND_CONFLICT, bytes_cstr(&body));
		break;
	case ERR_INVALID:
		job_call_refuse(self, c, KIND_REQUEST_INVALID,
				"an upload has a name of at most 200 bytes, and base64 for data");
		break;
	case ERR_FULL:
		job_call_refuse(self, c, KIND_STORE_FULL, "there is no room for uploads");
		break;
	default:
		job_call_refuse(self, c, KIND_LOCAL_RESOURCE, "the upload could not be written");
		break;
	}
	bytes_fini(&body);
}

void job_upload_worked(act_self *self, struct job *j, void *work)
{
	struct upload_work *w = work;
	if (w->call != NULL) {
		j->is_tidied = false; /* it may have ended meanwhile */
		answer(self, w);
	}
	work_free(w);
	job_upload_tidy(self, j);
}

void job_upload_tidy(act_self *self, struct job *j)
{
	struct uploads *u = j->peers->uploads;
	if (u == NULL || j->is_tidied || !job_has_ended(j))
		return;
	/* A full line is tried again with the next event; in the end a start sweeps. */
	j->is_tidied = uploads_is_empty(u) || submit(self, j, NULL) == ACT_OK;
}
