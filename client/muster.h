/*
 * muster -- libmuster: talks to musterd over its control socket (JSON-RPC 2.0 over SP).
 *
 * No threads, no signals, no globals for ipc:// addresses: a blocking call for simple programs, and
 * for others a file descriptor to poll and any number of requests outstanding. Addresses of other
 * machines (tcp://, tls+tcp://) go through libnng, which starts threads of its own; after the
 * first use of one do not fork without exec.
 *
 *	struct muster *m;
 *	struct muster_reply r;
 *	if (muster_open(&m, NULL) != MUSTER_OK) ... muster_message(m) ...
 *	if (muster_call(m, "job.submit", "{\"spec\":{\"run\":\"http://h/\"}}", 10000, &r) ==
 *MUSTER_OK) printf("%.*s\n", (int)r.n_result, r.result); muster_close(m);
 *
 * Threads    one thread at a time per struct muster.
 * Ownership  texts given to it are copied; texts in a reply live until the next call on it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum muster_status {
	MUSTER_OK,
	MUSTER_UNREACHABLE, /* no daemon answers at the address */
	MUSTER_LOST,	    /* the connection ended; what was outstanding will have no answer */
	MUSTER_REFUSED,	    /* the daemon answered with an error: see the reply */
	MUSTER_TIMEOUT,
	MUSTER_INVALID, /* not an address, not a request, not an answer */
	MUSTER_NOMEM
};

/* Files in PEM; NULL = none. For tls+tcp:// only. */
struct muster_tls {
	const char *ca_file;
	const char *cert_file;
	const char *key_file;
};

struct muster_options {
	const char *address; /* NULL: $MUSTER_SOCKET alone, else the first default that accepts */
	struct muster_tls tls;
	int timeout_ms; /* to connect; 0 = 5000 */
};

struct muster_reply {
	uint32_t id;	  /* what muster_send gave */
	const char *text; /* the whole message; not NUL-terminated */
	size_t n_text;
	const char *result; /* NULL for an error */
	size_t n_result;
	int code;	       /* of JSON-RPC; 0 for a result */
	char kind[32];	       /* "not_found" ...; "" for a result */
	char message[512];     /* a sentence; "" for a result */
	uint32_t line, column; /* of the text sent, if the error stands in it; else 0 */
	char path[128];	       /* of the member there, a JSON pointer; "" = none */
};

struct muster;

/*
 * options may be NULL. *ret is set unless MUSTER_NOMEM, also on failure, so that muster_message
 * can be asked; close it in any case.
 */
enum muster_status muster_open(struct muster **ret, const struct muster_options *options);
/* NULL is allowed. */
void muster_close(struct muster *m);
/* Connects again after MUSTER_LOST; what was outstanding is forgotten. Blocks up to timeout_ms. */
enum muster_status muster_reopen(struct muster *m);
/* Why the last call failed: one sentence. Never NULL. */
const char *muster_message(const struct muster *m);
/* Where it is, or was last, connected. Never NULL. */
const char *muster_address(const struct muster *m);

/*
 * The open file that came with the reply returned last ("file":true in the result of job.body),
 * for reading; the caller's to close. Once, and before the next call on m. -1: none.
 */
int muster_take_file(struct muster *m);

/*
 * One request and its answer; blocks. params is JSON text, NULL = none. timeout_ms < 0: no end.
 * Answers to other requests that come meanwhile wait for muster_next.
 */
enum muster_status muster_call(struct muster *m, const char *method, const char *params,
			       int timeout_ms, struct muster_reply *ret);

/* The answer to a request that was sent; as the second half of muster_call. */
enum muster_status muster_await(struct muster *m, uint32_t id, int timeout_ms,
				struct muster_reply *ret);

/* Queues a request. *ret_id tells its reply. */
enum muster_status muster_send(struct muster *m, const char *method, const char *params,
			       size_t n_params, uint32_t *ret_id);
/* What to poll: the descriptor and POLLIN, POLLOUT. */
int muster_fd(const struct muster *m);
short muster_events(const struct muster *m);
/* Reads and writes what can be without blocking. */
enum muster_status muster_turn(struct muster *m);
/* The next reply that has come, or false. */
bool muster_next(struct muster *m, struct muster_reply *ret);

#ifdef __cplusplus
}
#endif
