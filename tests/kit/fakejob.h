/*
 * fakejob -- a script for spserver: a daemon with one job, j1, whose items become results at once.
 */
#pragma once

#include "tests/kit/spserver.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fakejob {
	const char *state, *submit_error, *body; /* body: raw member of each line */
	int close_after; /* connections end after that many requests; 0: never */
	int lost_after;	 /* from that request on there is no such job; 0: never */
	int asked;
	bool never_done, is_cancelled, has_end;
	uint64_t n;
	struct bytes url; /* raw JSON of item i, each NUL-terminated */
	size_t big_body;  /* bytes of what job.body gives */
};

/* state: a struct fakejob. */
enum spserver_say fakejob_script(void *state, struct slice request, struct bytes *out);
