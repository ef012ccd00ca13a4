/*
 * follow -- the heart of fetch, submit and results: feeds a job and passes its results on, with
 * exactly one request of either kind outstanding, until the job has ended and all is written.
 *
 * Back-pressure: while standard output takes nothing, at most two replies are held and nothing is
 * polled; while the daemon parks a feed, at most one further chunk is read. The daemon may go away
 * and come back: everything outstanding is asked again at its cursor.
 */
#pragma once

#include "client/feed.h"
#include "client/lines.h"
#include "client/session.h"

enum follow_summary { SUMMARY_AUTO, SUMMARY_TEXT, SUMMARY_JSON, SUMMARY_NEVER };

enum follow_until {
	FOLLOW_TO_END,	/* of the job */
	FOLLOW_TO_LAST, /* the lines there are now */
	FOLLOW_FED,	/* only feed: until the last item is committed */
};

struct follow_options {
	const char *job;
	struct feed *feed; /* NULL: none */
	enum follow_until until;
	enum lines_mode mode;
	struct bodies where;
	uint64_t after;
	bool acks;    /* the job is ours: lines that were written may be dropped */
	bool cancels; /* a signal or a closed stdout cancels the job */
	bool has_progress;
	enum follow_summary summary;
};

/*
 * The exit status; below 0: the process has to die of that signal (negated). What went wrong has
 * been said.
 */
int follow_run(struct session *s, const struct follow_options *o);
