/*
 * control_feed -- job.feed, the one method with much text in it: its items are cut out raw and
 * never become a tree.
 */
#include "actor/control_job.h"
#include "actor/control_methods.h"
#include "actor/control_state.h"
#include "proto/jsonscan.h"

struct feed_params {
	struct slice job, items;
	uint64_t offset;
	bool end;
};

static const char *read_member(struct feed_params *p, struct slice name, struct slice value)
{
	if (slice_is(name, "job"))
		return jsonscan_plain(value, &p->job) == ERR_OK ? NULL : "job: expected a string";
	if (slice_is(name, "offset"))
		return jsonscan_u64(value, &p->offset) == ERR_OK
			       ? NULL
			       : "offset: expected a number of items";
	if (slice_is(name, "end"))
		return jsonscan_bool(value, &p->end) == ERR_OK ? NULL
							       : "end: expected true or false";
	if (slice_is(name, "items")) {
		p->items = value;
		return value.p[0] == '[' ? NULL : "items: expected an array";
	}
	return slice_is(name, "op_id") ? NULL : "only job, offset, items, end are understood";
}

static const char *read_params(const struct call *call, struct feed_params *p)
{
	struct jsonscan_iter it;
	struct slice name, value;
	*p = (struct feed_params){.items = SLICE_LIT("[]")};
	if (call->params.n == 0 || jsonscan_members(call->params, &it) != ERR_OK)
		return "job: missing";
	while (jsonscan_next_member(&it, &name, &value)) {
		const char *wrong = read_member(p, name, value);
		if (wrong != NULL)
			return wrong;
	}
	return p->job.n > 0 ? NULL : "job: missing";
}

void control_job_feed(act_self *self, struct call *call)
{
	struct feed_params p;
	const char *wrong = read_params(call, &p);
	if (wrong != NULL) {
		call_fail(self, call, KIND_REQUEST_INVALID, "params: %s", wrong);
		return;
	}
	struct job_call *jc = call_job_new(self, call, JOB_CALL_FEED);
	if (jc == NULL || !call_job_id(self, call, p.job, jc))
		return;
	jc->feed.offset = p.offset;
	jc->feed.end = p.end;
	if (bytes_add_slice(&jc->feed.items, p.items) != ERR_OK) {
		job_call_free(jc);
		call_fail(self, call, KIND_MEMORY, "out of memory");
		return;
	}
	call_touch_session(self, call, jc);
	call_send_job(self, call, jc);
}
