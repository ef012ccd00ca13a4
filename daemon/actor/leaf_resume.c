/*
 * leaf_resume -- a body that was cut is gone on with instead of begun anew: `"resume":true`.
 *
 * Only the answer to a GET that asks for the whole can be a beginning, and only the same URL is
 * asked for its rest: a range of one's own, a body to send or another method turn it off.
 */
#include "actor/leaf_fetch_state.h"

static bool has_header(const struct fetch *f, const char *name)
{
	for (uint32_t i = 0; i < f->spec->n_header; i++)
		if (slice_eq_nocase(f->spec->header[i].name, slice_of(name)))
			return true;
	return false;
}

void fetch_hold_cut(struct fetch *f)
{
	struct task *t = f->leaf.task;
	struct job *j = fetch_job(f);
	char path[TASK_PATH_MAX];
	if (!f->spec->resume || !slice_is(f->spec->method, "GET") || has_header(f, "Range") ||
	    has_header(f, "If-Range") || f->spec->body_kind != FETCH_BODY_NONE)
		return;
	/* NULL: without memory for it there is no resuming */
	f->partial = host_partial_new(j->peers->hosts, j->is_volatile ? 0 : j->number,
				      task_path_in(t, path));
}

/* Whether more of the whole may come at all. */
static bool has_room(const struct fetch *f, const struct resume_held *held)
{
	return f->spec->max_body_bytes == 0 || held->size < (uint64_t)f->spec->max_body_bytes;
}

void fetch_resume_fields(struct fetch *f, struct own_fields *o)
{
	struct resume_held held;
	f->resume_from = 0;
	if (f->partial == NULL)
		return;
	if (!has_header(f, "Accept-Encoding"))
		bytes_add_str(own_field(o, "Accept-Encoding"), "identity");
	struct slice url = host_partial_held(f->partial, &held);
	if (held.size == 0 || f->is_from_start || !has_room(f, &held) ||
	    !slice_eq(url, url_text(&f->at)))
		return;
	f->resume_from = held.size;
	bytes_printf(own_field(o, "Range"), "bytes=%llu-", (unsigned long long)held.size);
	bytes_add_slice(own_field(o, "If-Range"), resume_validator(&held));
}

void fetch_resume(struct fetch *f, struct host_call *c)
{
	if (f->partial == NULL)
		return;
	c->partial = host_partial_ref(f->partial);
	c->url = host_call_text(c, url_text(&f->at));
	c->resume_from = f->resume_from;
	c->is_last_try = f->attempt >= f->policy.attempts;
	if (f->resume_from > 0 && f->spec->max_body_bytes > 0)
		c->req.limits.body_bytes -= (int64_t)f->resume_from;
}

bool fetch_starts_over(struct fetch *f)
{
	if (!f->done->is_misfit || f->is_from_start)
		return false;
	f->is_from_start = true;
	f->kind = KIND_NONE;
	f->phase = NULL;
	bytes_clear(&f->message);
	return true;
}

bool fetch_is_resumed(const struct fetch *f)
{
	return f->done->is_resumed && (f->done->status == 206 || f->done->status == 416);
}
