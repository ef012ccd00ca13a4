/*
 * rpc -- the texts of JSON-RPC 2.0: a request cut into slices, answers put together.
 *
 * Pure; texts must have passed jsonscan_check. An answer is a head with the id, then a tail that
 * is the same for whoever asks the same thing again.
 */
#pragma once

#include "base/bytes.h"
#include "proto/errors.h"
#include "proto/jsonscan.h"

#include <stdbool.h>

#define RPC_METHOD_MAX 64
#define RPC_BATCH_MAX  256

enum rpc_code {
	RPC_PARSE_ERROR = -32700,
	RPC_INVALID_REQUEST = -32600,
	RPC_NO_METHOD = -32601,
	RPC_INVALID_PARAMS = -32602,
	RPC_INTERNAL = -32603,
	RPC_REFUSED = -32000, /* data.kind says why */
};

struct rpc_request {
	struct slice id;     /* raw; n == 0: a notification */
	struct slice method; /* without quotes */
	struct slice params; /* raw object; n == 0: none */
};

/* What a call went wrong with, and where in the text if that is known. */
struct rpc_error {
	enum rpc_code code;
	enum kind kind;
	const char *message;
	uint32_t line, column; /* 0: unknown */
	const char *path;      /* JSON Pointer; NULL: none */
};

/* The code that goes with a kind. */
enum rpc_code rpc_code_of(enum kind kind);

/* One request object. INVALID: *ret_why says what is wrong; ret->id is set if there is one. */
enum err rpc_request_parse(struct slice object, struct rpc_request *ret, const char **ret_why);

/* `{"jsonrpc":"2.0","id":ID,` -- an id that is not known is null. */
void rpc_add_head(struct bytes *out, struct slice id);
/* How long that is. */
size_t rpc_head_bytes(struct slice id);
/* `"error":{...}}` */
void rpc_add_error_tail(struct bytes *out, const struct rpc_error *e);
/* jsonscan's error as ours. */
struct rpc_error rpc_scan_error(const struct jsonscan_error *e);
