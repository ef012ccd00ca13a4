/*
 * scriptx -- an exchange without a network: answers are made by a script, at times of a fake loop.
 * It keeps the contract of edge/exchange.h: copies the request, no event inside a call, credit,
 * abort. With one seed everything comes in one order.
 */
#pragma once

#include "base/rng.h"
#include "edge/exchange.h"
#include "tests/kit/fakeloop.h"

#define SCRIPTX_HEADERS 8

/* What the script says to one request. Zeroed before the script sees it. */
struct scriptx_answer {
	int64_t latency_ns; /* until the head, or the failure */
	int64_t body_ns;    /* from the head to the last byte */
	int status;	    /* 0: it fails with kind at phase */
	enum kind kind;	    /* with a status: it fails so after `body_n` bytes */
	const char *phase, *message;
	bool is_unsent; /* a failure before anything was sent */
	bool hangs;	/* never answers */
	struct xheader header[SCRIPTX_HEADERS];
	size_t n_headers;
	struct slice body; /* given literally, or */
	size_t body_n;	   /* so many bytes of a pattern */
};

/* Request as its text: what a script needs to know. */
struct scriptx_request {
	bool tls;
	struct slice host, method, target, body;
	uint16_t port;
	const struct xheader *headers;
	size_t n_headers;
	uint64_t number; /* from 1, in order of submission */
	int64_t at_ns;
};

typedef void (*scriptx_script)(void *ctx, const struct scriptx_request *req, struct rng *rng,
			       struct scriptx_answer *ret);

struct scriptx {
	struct exchange base;
	struct fakeloop *fake;
	struct rng rng;
	scriptx_script script;
	void *ctx;
	struct scriptx_call *calls;
	xcall_id next;
	uint64_t n_submitted, n_aborted;
	uint32_t n_calls, most_calls;
	/* called with every request as it arrives at its "server"; may be NULL */
	void (*seen)(void *ctx, const struct scriptx_request *req);
};

/* script NULL: scriptx_by_path. */
void scriptx_init(struct scriptx *x, struct fakeloop *fake, uint64_t seed, scriptx_script script,
		  void *ctx);
void scriptx_fini(struct scriptx *x);
/*
 * The target tells: segments after the first '/', in any number: /status/503 /size/1000 /ms/50
 * (latency) /slow/500 (ms of body) /fail/read.timeout /unsent /hang /retry-after/5
 * /location/%2Fsize%2F3. What else is there is ignored. Default: 200, size 20, 1 to 5 ms.
 */
void scriptx_by_path(void *ctx, const struct scriptx_request *req, struct rng *rng,
		     struct scriptx_answer *ret);
/* Byte i of a body made by pattern. */
char scriptx_byte(size_t i);
