/*
 * runnerwire -- what the daemon and musterd-runner say to each other, without any I/O.
 *
 * A stream of frames: length of the payload u32, kind u8, payload; numbers are big-endian. Texts
 * inside a payload are u32 length, bytes, and for arguments a NUL that the length does not count.
 *
 *	runner → daemon   HELLO  version u32, first and once
 *	daemon → runner   RUN    a program to run
 *	daemon → runner   CANCEL id; the program's ENDED comes all the same
 *	runner → daemon   ENDED  how a program ended; exactly one for each RUN
 *
 * Closing the connection ends everything that was asked for through it. Lengths are bounded before
 * they are believed. Threads: none of its own.
 */
#pragma once

#include "base/bytes.h"

#include <stdint.h>

#define RUNNERWIRE_VERSION    1
#define RUNNERWIRE_HEAD	      5
#define RUNNERWIRE_TEXTS_MAX  1000	 /* arguments; and as many of the environment */
#define RUNNERWIRE_RUN_MAX    (8u << 20) /* payload bytes of a RUN */
#define RUNNERWIRE_OUTPUT_MAX (16u << 20)
#define RUNNERWIRE_ENDED_MAX  (2 * RUNNERWIRE_OUTPUT_MAX + 64)
#define RUNNERWIRE_PROGRAMS   256 /* at once, of one runner */

enum runnerwire_kind {
	RUNNERWIRE_HELLO = 1,
	RUNNERWIRE_RUN,
	RUNNERWIRE_CANCEL,
	RUNNERWIRE_ENDED,
};

struct runnerwire_frame {
	enum runnerwire_kind kind;
	struct slice payload; /* within the input */
	size_t n_total;	      /* bytes of the input this frame took */
};

/*
 * Looks for one whole frame at the start of the input. AGAIN: not all there, *ret_need bytes in all
 * are needed to go on. TOO_LARGE: announces more than max payload bytes. CORRUPT: of no known kind.
 * After the last two the connection has to end.
 */
enum err runnerwire_parse(const void *in, size_t n, size_t max, struct runnerwire_frame *ret,
			  size_t *ret_need);

/* The lists end with NULL. */
struct runnerwire_run {
	uint64_t id;
	uint64_t timeout_ms;   /* 0: none */
	uint64_t memory_bytes; /* of address space; 0: no limit */
	uint32_t output_bytes; /* of stdout and of stderr each */
	const char *const *argv;
	const char *const *env; /* "NAME=VALUE" */
	struct slice input;	/* of stdin */
};

enum runnerwire_how {
	RUNNERWIRE_EXITED = 1,	/* number: its status */
	RUNNERWIRE_SIGNALED,	/* number: the signal */
	RUNNERWIRE_TIMED_OUT,	/* it was killed */
	RUNNERWIRE_CANCELLED,	/* it was killed */
	RUNNERWIRE_NOT_STARTED, /* number: errno */
};

struct runnerwire_ended {
	uint64_t id;
	enum runnerwire_how how;
	uint32_t number;
	bool out_cut, err_cut;	/* there was more */
	struct slice out;	/* the beginning of stdout */
	struct slice err_bytes; /* the end of stderr */
};

/* Each appends one frame. Errors: those of bytes; TOO_LARGE also beyond the bounds above. */
enum err runnerwire_add_hello(struct bytes *out);
enum err runnerwire_add_run(struct bytes *out, const struct runnerwire_run *run);
enum err runnerwire_add_cancel(struct bytes *out, uint64_t id);
enum err runnerwire_add_ended(struct bytes *out, const struct runnerwire_ended *ended);

/* Room for the lists of one RUN. */
struct runnerwire_texts {
	const char *p[2 * (RUNNERWIRE_TEXTS_MAX + 1)];
};

/* Payloads back. What is returned points into the payload (and texts). Errors: CORRUPT. */
enum err runnerwire_read_hello(struct slice payload, uint32_t *ret_version);
enum err runnerwire_read_run(struct slice payload, struct runnerwire_texts *texts,
			     struct runnerwire_run *ret);
enum err runnerwire_read_cancel(struct slice payload, uint64_t *ret_id);
enum err runnerwire_read_ended(struct slice payload, struct runnerwire_ended *ret);
