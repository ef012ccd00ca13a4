/*
 * verb_any -- tasks that compete: the frame, for the table of verbs.
 */
#pragma once

#include "job/children.h"

struct any_frame {
	act_co co;
	int rc;
	struct task *t;
	struct children c;
	act_event *next;    /* the one before has failed: start another */
	bool is_begun;	    /* what an earlier life began has begun again */
	uint32_t n_excused; /* failures that start nothing any more */
	json_t *value;	    /* the winner's */
};
