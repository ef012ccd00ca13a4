/*
 * feed -- the items of a job: arguments first, then lines of a file or of standard input, in
 * chunks that the daemon takes one at a time.
 *
 * A line is a URL, or a fetch object if it starts with {; spaces around it are dropped, empty
 * lines and lines starting with # are skipped. A line that is no JSON object although it starts
 * like one, or that is longer than a chunk, becomes an item that the daemon will fail as
 * url.invalid: one bad line never stops the rest. At most two chunks are in memory.
 */
#pragma once

#include "base/bytes.h"
#include "client/args.h"

#include <stdbool.h>
#include <stdint.h>

#define FEED_CHUNK_BYTES (1u << 20)
#define FEED_CHUNK_ITEMS 4096u

struct proxyenv;

struct feed {
	const struct args_list *arg; /* NULL: none */
	size_t n_arg_taken;
	int fd; /* -1: no input */
	bool is_own_fd, is_eof;
	bool is_optional;	      /* the job may have no use for it: a refusal is no error */
	bool skips_line;	      /* the rest of a line that was too long */
	const struct proxyenv *proxy; /* NULL: none */
	struct bytes in;	      /* read, not yet made into items */
	size_t in_taken;
	struct bytes chunk; /* items under construction, with commas */
	uint32_t n_chunk;
	struct bytes sending; /* items the daemon has not confirmed */
	uint32_t n_sending;
	uint64_t offset; /* of the first item in sending, or in chunk */
	bool is_sending, sends_end, is_over;
};

/* input: path, "-", or NULL. IO: errno says why the input cannot be opened. */
enum err feed_open(struct feed *f, const struct args_list *arg, const char *input);
void feed_close(struct feed *f);
/* The descriptor to poll for reading, or -1 while none is wanted. */
int feed_fd(const struct feed *f);
/* Once readable: one read(2). Errors: IO, NOMEM. */
enum err feed_read(struct feed *f);
/* Whether there is a chunk to send, or one that has to be sent again. */
bool feed_has_chunk(struct feed *f);
/* Appends the parameters of job.feed; the same ones again until feed_done. */
void feed_add_params(struct feed *f, const char *job, struct bytes *out);
/* The daemon has all items below next. True once the end was taken: nothing more to send. */
bool feed_done(struct feed *f, uint64_t next);
