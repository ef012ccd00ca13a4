/*
 * verb_line -- frames of the small verbs: emit, exec, sleep, fail.
 */
#pragma once

#include "job/line.h"

struct emit_frame {
	act_co co;
	int rc;
	char *text; /* the value, malloc'd */
	struct line_plain line;
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
