/*
 * outcome -- see outcome.h.
 */
#include "client/outcome.h"

#include "client/say.h"
#include "proto/jsonscan.h"
#include "proto/units.h"

#include <stdio.h>
#include <string.h>

void outcome_fini(struct outcome *o)
{
	bytes_fini(&o->text);
}

static void read_number(struct slice object, const char *name, uint64_t *ret)
{
	struct slice raw;
	if (jsonscan_member(object, name, &raw))
		jsonscan_u64(raw, ret);
}

enum err outcome_read(struct slice record, struct outcome *ret)
{
	struct slice raw, state, tasks;
	*ret = (struct outcome){.total = 0};
	if (!jsonscan_member(record, "state", &raw) || jsonscan_plain(raw, &state) != ERR_OK)
		return ERR_INVALID;
	snprintf(ret->state, sizeof(ret->state), "%.*s", (int)state.n, state.p);
	read_number(record, "elapsed_ms", &ret->elapsed_ms);
	if (jsonscan_member(record, "tasks", &tasks)) {
		read_number(tasks, "total", &ret->total);
		read_number(tasks, "ok", &ret->ok);
		read_number(tasks, "failed", &ret->failed);
		read_number(tasks, "handled", &ret->handled);
		read_number(tasks, "cancelled", &ret->cancelled);
		read_number(tasks, "not_started", &ret->not_started);
	}
	return bytes_add_slice(&ret->text, record);
}

enum status outcome_get(struct session *s, const char *job, struct outcome *ret)
{
	struct bytes params = {.limit = 0};
	struct muster_reply r;
	enum status status;
	bytes_printf(&params, "{\"job\":\"%s\"}", job);
	enum muster_status ms = session_call(s, "job.get", bytes_cstr(&params), &r, &status);
	bytes_fini(&params);
	if (ms == MUSTER_REFUSED)
		return ask_failed(s->m, "job.get", ms, &r);
	if (ms != MUSTER_OK)
		return status;
	if (outcome_read((struct slice){r.result, r.n_result}, ret) == ERR_OK)
		return STATUS_OK;
	say("job.get: the answer makes no sense");
	return STATUS_NO_DAEMON;
}

bool outcome_is_end(const struct outcome *o)
{
	static const char *const ends[] = {"succeeded", "failed", "cancelled", "expired"};
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (strcmp(o->state, ends[i]) == 0)
			return true;
	return false;
}

enum status outcome_status(const struct outcome *o)
{
	return status_of_state(slice_of(o->state), o->failed);
}

/* The counts of the group error, as "status 2, read.timeout 1". */
static void add_counts(struct bytes *out, const struct outcome *o)
{
	struct slice error, counts, name, value;
	struct jsonscan_iter it;
	const char *comma = " (";
	if (!jsonscan_member(bytes_slice(&o->text), "error", &error) ||
	    !jsonscan_member(error, "counts", &counts) || jsonscan_members(counts, &it) != ERR_OK)
		return;
	while (jsonscan_next_member(&it, &name, &value)) {
		bytes_printf(out, "%s%.*s %.*s", comma, (int)name.n, name.p, (int)value.n, value.p);
		comma = ", ";
	}
	if (comma[0] == ',')
		bytes_add_byte(out, ')');
}

void outcome_add_sentence(struct bytes *out, const struct outcome *o)
{
	if (o->failed != 0)
		bytes_printf(out, "%llu of %llu failed", (unsigned long long)o->failed,
			     (unsigned long long)o->total);
	else
		bytes_printf(out, "%s", o->state);
	add_counts(out, o);
	bytes_printf(out, ", %llu ok", (unsigned long long)o->ok);
	if (o->handled != 0)
		bytes_printf(out, ", %llu handled", (unsigned long long)o->handled);
	if (o->cancelled != 0)
		bytes_printf(out, ", %llu cancelled", (unsigned long long)o->cancelled);
	if (o->not_started != 0)
		bytes_printf(out, ", %llu not started", (unsigned long long)o->not_started);
	bytes_add_str(out, " in ");
	units_add_elapsed(out, (int64_t)o->elapsed_ms);
}
