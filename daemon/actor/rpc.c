/*
 * rpc -- see rpc.h. Source: https://www.jsonrpc.org/specification (2.0, 2013).
 */
#include "actor/rpc.h"

#include "proto/jsonnames.h"
#include "proto/result.h"

#include <stdio.h>
#include <string.h>

enum rpc_code rpc_code_of(enum kind kind)
{
	switch (kind) {
	case KIND_REQUEST_INVALID:
	case KIND_URL_INVALID:
		return RPC_INVALID_PARAMS;
	case KIND_REQUEST_TOO_LARGE:
		return RPC_INVALID_REQUEST;
	case KIND_INTERNAL:
		return RPC_INTERNAL;
	default:
		return RPC_REFUSED;
	}
}

static bool is_id(struct slice raw)
{
	if (raw.n == 0 || raw.n > 256)
		return false;
	char c = raw.p[0];
	return c == '"' || c == '-' || (c >= '0' && c <= '9') || slice_is(raw, "null");
}

static enum err wrong(const char *why, const char **ret_why)
{
	*ret_why = why;
	return ERR_INVALID;
}

/* One pass: a request with a long member is not walked once per name. */
static void find_members(struct slice object, struct slice *const to[], const struct slice name[],
			 size_t n)
{
	struct jsonscan_iter it;
	struct slice key, value;
	if (jsonscan_members(object, &it) != ERR_OK)
		return;
	while (jsonscan_next_member(&it, &key, &value)) {
		bool is_plain = memchr(key.p, '\\', key.n) == NULL;
		for (size_t i = 0; i < n; i++)
			if (is_plain ? slice_eq(key, name[i]) : jsonnames_same(key, name[i]))
				*to[i] = value;
	}
}

enum err rpc_request_parse(struct slice object, struct rpc_request *ret, const char **ret_why)
{
	static const struct slice name[] = {
		{"id", 2}, {"jsonrpc", 7}, {"method", 6}, {"params", 6}};
	struct slice id = {NULL, 0}, version = {NULL, 0}, method = {NULL, 0}, params = {NULL, 0};
	struct slice *const to[] = {&id, &version, &method, &params};
	*ret = (struct rpc_request){.id = {NULL, 0}};
	if (object.n == 0 || object.p[0] != '{')
		return wrong("a request is an object", ret_why);
	find_members(object, to, name, sizeof(name) / sizeof(name[0]));
	if (id.n > 0 && !is_id(id))
		return wrong("id is a string, a number or null", ret_why);
	ret->id = id;
	if (!slice_is(version, "\"2.0\""))
		return wrong("jsonrpc is \"2.0\"", ret_why);
	if (jsonscan_plain(method, &ret->method) != ERR_OK || ret->method.n > RPC_METHOD_MAX)
		return wrong("method is a name", ret_why);
	if (params.n > 0 && params.p[0] != '{')
		return wrong("params are an object: members by name", ret_why);
	ret->params = params;
	return ERR_OK;
}

static const char head_start[] = "{\"jsonrpc\":\"2.0\",\"id\":";

static struct slice shown_id(struct slice id)
{
	return id.n > 0 ? id : SLICE_LIT("null");
}

void rpc_add_head(struct bytes *out, struct slice id)
{
	bytes_add(out, head_start, sizeof(head_start) - 1);
	bytes_add_slice(out, shown_id(id));
	bytes_add_byte(out, ',');
}

size_t rpc_head_bytes(struct slice id)
{
	return sizeof(head_start) + shown_id(id).n; /* the comma takes the place of the NUL */
}

void rpc_add_error_tail(struct bytes *out, const struct rpc_error *e)
{
	bytes_printf(out, "\"error\":{\"code\":%d,\"message\":", (int)e->code);
	result_add_string(out, slice_of(e->message));
	bytes_printf(out, ",\"data\":{\"kind\":\"%s\"", kind_name(e->kind));
	if (e->line > 0)
		bytes_printf(out, ",\"line\":%u,\"column\":%u", e->line, e->column);
	if (e->path != NULL && e->path[0] != '\0') {
		bytes_add_str(out, ",\"path\":");
		result_add_string(out, slice_of(e->path));
	}
	bytes_add_str(out, "}}}");
}

struct rpc_error rpc_scan_error(const struct jsonscan_error *e)
{
	return (struct rpc_error){.code = RPC_PARSE_ERROR,
				  .kind = KIND_REQUEST_INVALID,
				  .message = e->text,
				  .line = e->line,
				  .column = e->column};
}
