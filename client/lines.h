/*
 * lines -- from replies of job.results to what stands on standard output.
 *
 * Lines are passed on as they are, split at newlines and not looked into, unless a body has to be
 * expanded, written to a file, or printed alone: then a reply is copied and worked through line by
 * line, and only as far as the sink has room.
 */
#pragma once

#include "client/bodies.h"
#include "client/sink.h"

#include <stdbool.h>
#include <stdint.h>

/* With more than this waiting, nothing more is asked of the daemon. */
#define LINES_HIGH_BYTES (512u << 10)

enum lines_mode {
	LINES_PLAIN,  /* bodies beside the record are expanded into the line */
	LINES_FILES,  /* bodies into files, their paths into the line */
	LINES_BODIES, /* bodies alone */
};

struct lines {
	enum lines_mode mode;
	struct bodies where;
	struct session *session;
	struct sink *sink;
	struct bytes queue; /* lines that need work */
	size_t queue_taken;
	bool is_muted; /* nobody reads: lines are dropped */
};

/* What a reply of job.results says beside its lines. */
struct lines_head {
	uint64_t next, total, ok, failed, cancelled;
	bool done;
	uint64_t waiting; /* started, but held by a limit or in back-off */
};

void lines_fini(struct lines *l);
/* Finds the body a line holds or names, and the name of its member; false if it has none. */
bool lines_find_body(struct slice line, struct body *ret, struct slice *ret_name);
/* Takes a reply's result. INVALID if it is not one. */
enum err lines_take(struct lines *l, struct slice result, struct lines_head *ret);
/*
 * Works on what waits while the sink has room. OK; FAILED if a body could not be delivered (said,
 * and its line says so); others end the command.
 */
enum status lines_work(struct lines *l);
/* Bytes that wait here and in the sink. */
size_t lines_pending(const struct lines *l);
/* A line waits, and the sink has room for it: lines_work should be called again. */
bool lines_are_ready(const struct lines *l);
