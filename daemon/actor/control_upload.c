/*
 * control_upload -- job.upload: a piece of what a request of the job will send.
 */
#include "actor/control_job.h"
#include "actor/control_methods.h"
#include "proto/jsonscan.h"

struct upload_params {
	struct slice job, upload, data;
	uint64_t offset;
	bool end;
};

static const char *read_member(struct upload_params *p, struct slice name, struct slice value)
{
	if (slice_is(name, "job"))
		return jsonscan_plain(value, &p->job) == ERR_OK ? NULL : "job: expected a string";
	if (slice_is(name, "upload"))
		return jsonscan_plain(value, &p->upload) == ERR_OK ? NULL
								   : "upload: expected a name";
	if (slice_is(name, "offset"))
		return jsonscan_u64(value, &p->offset) == ERR_OK
			       ? NULL
			       : "offset: expected a number of bytes";
	if (slice_is(name, "end"))
		return jsonscan_bool(value, &p->end) == ERR_OK ? NULL
							       : "end: expected true or false";
	if (slice_is(name, "data")) {
		p->data = value;
		return value.p[0] == '"' ? NULL : "data: expected base64 in a string";
	}
	return slice_is(name, "op_id") ? NULL
				       : "only job, upload, offset, data, end are understood";
}

static const char *read_params(const struct call *call, struct upload_params *p)
{
	struct jsonscan_iter it;
	struct slice name, value;
	*p = (struct upload_params){.offset = 0};
	if (call->params.n == 0 || jsonscan_members(call->params, &it) != ERR_OK)
		return "job: missing";
	while (jsonscan_next_member(&it, &name, &value)) {
		const char *wrong = read_member(p, name, value);
		if (wrong != NULL)
			return wrong;
	}
	return p->job.n == 0 ? "job: missing" : p->upload.n == 0 ? "upload: missing" : NULL;
}

void control_job_upload(act_self *self, struct call *call)
{
	struct upload_params p;
	const char *wrong = read_params(call, &p);
	if (wrong != NULL) {
		call_fail(self, call, KIND_REQUEST_INVALID, "params: %s", wrong);
		return;
	}
	struct job_call *jc = call_job_new(self, call, JOB_CALL_UPLOAD);
	if (jc == NULL || !call_job_id(self, call, p.job, jc))
		return;
	jc->upload.offset = p.offset;
	jc->upload.end = p.end;
	bytes_add_slice(&jc->text, p.upload);
	enum err e = p.data.n > 0 ? jsonscan_string(p.data, &jc->upload.data) : ERR_OK;
	if (e != ERR_OK || jc->text.err != ERR_OK) {
		job_call_free(jc);
		call_fail(self, call, KIND_MEMORY, "out of memory");
		return;
	}
	call_touch_session(self, call, jc);
	call_send_job(self, call, jc);
}
