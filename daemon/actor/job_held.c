#include "actor/job_held.h"

#include "actor/job.h"
#include "proto/result.h"

#define KEYS_MAX 16

/* One key with all the requests of this job that stand at it. */
struct held_by {
	const struct limit_row *row; /* of the one that waits longest */
	uint32_t n;
};

static uint32_t group(const struct limit_rows *rows, struct held_by out[KEYS_MAX])
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < rows->n; i++) {
		const struct limit_row *r = &rows->row[i];
		uint32_t k = 0;
		while (k < n && out[k].row->serial != r->serial)
			k++;
		if (k == KEYS_MAX)
			continue;
		if (k == n)
			out[n++] = (struct held_by){.row = r};
		out[k].n++;
		if (r->since_ns < out[k].row->since_ns)
			out[k].row = r;
	}
	return n;
}

static void add_key(struct bytes *b, const struct held_by *h, int64_t now_ns)
{
	const struct limit_row *r = h->row;
	bytes_add_str(b, "{\"key\":");
	result_add_string(b, slice_of(r->key));
	bytes_printf(b, ",\"why\":\"%s\",\"waiting\":%u,\"since_ms\":%lld,\"position\":%u",
		     limit_why_text(r->why), h->n, (long long)((now_ns - r->since_ns) / NS_PER_MS),
		     r->position);
	if (r->until_ns > now_ns)
		bytes_printf(b, ",\"in_ms\":%lld", (long long)((r->until_ns - now_ns) / NS_PER_MS));
	if (r->behind_job != 0) {
		bytes_add_str(b, ",\"behind\":\"");
		job_id_add(b, r->behind_job / 2, r->behind_job % 2 != 0);
		bytes_add_byte(b, '"');
	}
	bytes_printf(b, ",\"held\":%u,\"waiting_in_all\":%u}", r->held, r->waiting);
}

void job_held_add(struct bytes *out, const struct limit_rows *rows, int64_t now_ns)
{
	struct held_by by[KEYS_MAX];
	uint32_t n = group(rows, by);
	bytes_add_byte(out, '[');
	for (uint32_t i = 0; i < n; i++) {
		bytes_add_str(out, i > 0 ? "," : "");
		add_key(out, &by[i], now_ns);
	}
	bytes_add_byte(out, ']');
}
