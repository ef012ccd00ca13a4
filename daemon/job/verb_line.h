/*
 * verb_line -- frames of the small verbs: emit, exec, sleep, fail.
 */
#pragma once

#include "job/line.h"

struct feed;

struct emit_frame {
	act_co co;
	int rc;
	char *text; /* the value, malloc'd */
	struct results_wait wait;
	struct feed *feed; /* of the generator it is in, once its item is there; NULL: none */
	uint64_t next;	   /* the index behind it */
};

struct exec_frame {
	act_co co;
	int rc;
	struct leaf_exec *leaf; /* malloc'd */
};

struct sleep_frame {
	act_co co;
	int rc;
	int64_t until_ns;
	struct line_plain line;
};

struct fail_frame {
	act_co co;
	int rc;
	struct line_plain line;
};
