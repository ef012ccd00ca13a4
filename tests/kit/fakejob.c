/*
 * fakejob -- see fakejob.h. It keeps to the control protocol in what clients look at.
 */
#include "tests/kit/fakejob.h"

#include "proto/jsonscan.h"
#include "proto/result.h"

#include <stdlib.h>
#include <string.h>

static struct slice param(struct slice request, const char *name)
{
	struct slice params = {"", 0}, v = {"", 0};
	jsonscan_member(request, "params", &params);
	jsonscan_member(params, name, &v);
	return v;
}

static uint64_t number(struct slice request, const char *name)
{
	uint64_t n = 0;
	jsonscan_u64(param(request, name), &n);
	return n;
}

static void answer_feed(struct fakejob *j, struct slice request, struct bytes *out)
{
	struct jsonscan_iter it;
	struct slice item;
	uint64_t at = number(request, "offset");
	if (jsonscan_items(param(request, "items"), &it) != ERR_OK)
		abort();
	for (; jsonscan_next_item(&it, &item); at++) {
		if (at < j->n)
			continue; /* sent again */
		bytes_add_slice(&j->url, item);
		bytes_add_byte(&j->url, '\0');
		j->n++;
	}
	j->has_end |= slice_is(param(request, "end"), "true");
	bytes_printf(out, "{\"next\":%llu}", (unsigned long long)j->n);
}

static enum spserver_say answer_results(struct fakejob *j, struct slice request, struct bytes *out)
{
	uint64_t after = number(request, "after"), last = after + 100 < j->n ? after + 100 : j->n;
	bool done = last == j->n && (j->has_end || j->is_cancelled) && !j->never_done;
	const char *url = j->url.p;
	done |= j->is_cancelled;
	if (last == after && !done && number(request, "wait_ms") != 0)
		return SPSERVER_PARK;
	bytes_printf(out,
		     "{\"next\":%llu,\"done\":%s,\"total\":%llu,\"ok\":%llu,\"failed\":0,"
		     "\"cancelled\":0,\"waiting\":null,\"results\":[\n",
		     (unsigned long long)last, done ? "true" : "false", (unsigned long long)j->n,
		     (unsigned long long)last);
	for (uint64_t i = 0; i < last; i++, url += strlen(url) + 1) {
		if (i < after)
			continue;
		bytes_printf(out,
			     "{\"job\":\"j1\",\"seq\":%llu,\"task\":\"0.%llu\",\"url\":%s,"
			     "\"ok\":true,\"status\":200%s%s}%s\n",
			     (unsigned long long)i + 1, (unsigned long long)i, url,
			     j->body != NULL ? "," : "", j->body != NULL ? j->body : "",
			     i + 1 < last ? "," : "");
	}
	bytes_add_str(out, "]}");
	return SPSERVER_REPLY;
}

static void answer_body(struct fakejob *j, struct slice request, struct bytes *out)
{
	uint64_t offset = number(request, "offset"), length = number(request, "length");
	uint64_t n = offset < j->big_body ? j->big_body - offset : 0;
	struct bytes piece = {.limit = 0};
	for (uint64_t i = 0; i < n && i < length; i++)
		bytes_add_byte(&piece, (char)('a' + (offset + i) % 26));
	bytes_add_str(out, "{\"base64\":\"");
	result_add_base64(out, bytes_slice(&piece));
	bytes_add_str(out, "\"}");
	bytes_fini(&piece);
}

static void answer_get(const struct fakejob *j, struct bytes *out)
{
	bytes_printf(
		out,
		"{\"job\":\"j1\",\"name\":\"fetch\",\"state\":\"%s\",\"tasks\":{\"total\":%llu,"
		"\"ok\":%llu,\"failed\":0,\"handled\":0,\"cancelled\":0,\"not_started\":0},"
		"\"elapsed_ms\":5}",
		j->is_cancelled ? "cancelled" : j->state, (unsigned long long)j->n,
		(unsigned long long)j->n);
}

static enum spserver_say answer_method(struct fakejob *j, struct slice method, struct slice request,
				       struct bytes *out)
{
	if (slice_is(method, "job.submit"))
		bytes_add_str(out, "{\"job\":\"j1\",\"state\":\"running\"}");
	else if (slice_is(method, "job.feed"))
		answer_feed(j, request, out);
	else if (slice_is(method, "job.results"))
		return answer_results(j, request, out);
	else if (slice_is(method, "job.body"))
		answer_body(j, request, out);
	else if (slice_is(method, "job.get"))
		answer_get(j, out);
	else
		bytes_add_str(out, "{}");
	j->is_cancelled |= slice_is(method, "job.cancel");
	return SPSERVER_REPLY;
}

static void add_error(struct bytes *out, const char *kind)
{
	bytes_printf(out,
		     "\"error\":{\"code\":-32000,\"message\":\"it is %s\",\"data\":{\"kind\":"
		     "\"%s\",\"line\":2,\"column\":3}}}",
		     kind, kind);
}

enum spserver_say fakejob_script(void *state, struct slice request, struct bytes *out)
{
	struct fakejob *j = state;
	struct slice id, method;
	if (!jsonscan_member(request, "id", &id) || !jsonscan_member(request, "method", &method) ||
	    jsonscan_plain(method, &method) != ERR_OK)
		abort();
	j->asked++;
	bytes_printf(out, "{\"jsonrpc\":\"2.0\",\"id\":%.*s,", (int)id.n, id.p);
	if (j->submit_error != NULL && slice_is(method, "job.submit")) {
		add_error(out, j->submit_error);
		return SPSERVER_REPLY;
	}
	if (j->lost_after != 0 && j->asked > j->lost_after) {
		if (j->asked == j->lost_after + 1)
			return SPSERVER_CLOSE;
		add_error(out, "not_found");
		return SPSERVER_REPLY;
	}
	bytes_add_str(out, "\"result\":");
	enum spserver_say say = answer_method(j, method, request, out);
	bytes_add_byte(out, '}');
	if (j->close_after != 0 && j->asked % j->close_after == 0)
		return SPSERVER_CLOSE;
	return say;
}
