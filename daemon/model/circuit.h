/*
 * circuit -- stops asking a key that only fails: after so many failures in a row it opens for a
 * while, then lets one probe through, which closes or re-opens it.
 *
 * Pure: time is a parameter. Threads: none of its own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum circuit_state {
	CIRCUIT_CLOSED,
	CIRCUIT_OPEN,	 /* nothing passes until .until_ns */
	CIRCUIT_PROBING, /* one is under way, the others wait for what it says */
};

struct circuit {
	uint32_t failures; /* in a row that open it; 0: no circuit */
	int64_t open_ns;
	enum circuit_state state;
	uint32_t failed; /* in a row */
	int64_t until_ns;
};

/* OPEN after its time counts as CLOSED: the next one is the probe. */
enum circuit_state circuit_state_at(const struct circuit *c, int64_t now_ns);
/* One passes. True: it is the probe. */
bool circuit_pass(struct circuit *c, int64_t now_ns);
/* What came of one; an unused probe leaves the circuit ready for another. */
enum circuit_result { CIRCUIT_OK, CIRCUIT_FAILED, CIRCUIT_UNUSED };
/* Returns true if this opened it. */
bool circuit_ended(struct circuit *c, bool was_probe, enum circuit_result r, int64_t now_ns);
