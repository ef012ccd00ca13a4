/*
 * rpc -- see rpc.h. Source: https://www.jsonrpc.org/specification (2.0, 2013).
 */
#include "actor/rpc.h"

#include "proto/result.h"

#include <stdio.h>

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

enum err rpc_request_parse(struct slice object, struct rpc_request *ret, const char **ret_why)
{
	struct slice raw;
	*ret = (struct rpc_request){.id = {NULL, 0}};
	if (object.n == 0 || object.p[0] != '{')
		return wrong("a request is an object", ret_why);
	if (jsonscan_member(object, "id", &raw)) {
		if (!is_id(raw))
			return wrong("id is a string, a number or null", ret_why);
		ret->id = raw;
	}
	if (!jsonscan_member(object, "jsonrpc", &raw) || !slice_is(raw, "\"2.0\""))
		return wrong("jsonrpc is \"2.0\"", ret_why);
	if (!jsonscan_member(object, "method", &raw) ||
	    jsonscan_plain(raw, &ret->method) != ERR_OK || ret->method.n > RPC_METHOD_MAX)
		return wrong("method is a name", ret_why);
	if (jsonscan_member(object, "params", &raw)) {
		if (raw.p[0] != '{')
			return wrong("params are an object: members by name", ret_why);
		ret->params = raw;
	}
	return ERR_OK;
}

void rpc_add_head(struct bytes *out, struct slice id)
{
	bytes_add_str(out, "{\"jsonrpc\":\"2.0\",\"id\":");
	if (id.n > 0)
		bytes_add_slice(out, id);
	else
		bytes_add_str(out, "null");
	bytes_add_byte(out, ',');
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
