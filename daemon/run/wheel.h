/*
 * wheel -- hierarchical timing wheel (Varghese and Lauck 1987): 4 levels of 256 slots, ticks of
 * 1 ms, bitmaps of occupied slots so that empty ticks are skipped.
 *
 * Never early: a timer's tick is its time rounded up. Nodes are embedded (act_wheel_node), so
 * arming cannot fail; a node is on at most one list. Later than 2^32 ticks: parked at the far end
 * and placed again on the way. O(1) arm and disarm. Threads: one owner.
 */
#pragma once

#include "run/actor.h"

enum { WHEEL_LEVELS = 4, WHEEL_SLOTS = 256, WHEEL_TICK_NS = 1000000 };

struct wheel {
	struct act_wheel_node slot[WHEEL_LEVELS][WHEEL_SLOTS];
	uint64_t used[WHEEL_LEVELS][WHEEL_SLOTS / 64];
	struct act_wheel_node due; /* expired, in order, not yet fired */
	uint64_t now;		   /* ticks below it have expired; it has too */
	uint64_t n;
};

void rt_wheel_init(struct wheel *w, int64_t now_ns);
/* Arms a node that is not armed. at_ns in the past: fires at the next advance. */
void rt_wheel_add(struct wheel *w, struct act_wheel_node *node, int64_t at_ns);
/* Disarms; a node not armed (next == NULL) is ignored. */
void rt_wheel_remove(struct wheel *w, struct act_wheel_node *node);
/* Collects what is due at now_ns; rt_wheel_pop gives it out, disarmed, in order of ticks. */
void rt_wheel_advance(struct wheel *w, int64_t now_ns);
struct act_wheel_node *rt_wheel_pop(struct wheel *w);
/* When to advance next: not later than the first timer; INT64_MAX: none. */
int64_t rt_wheel_next_ns(const struct wheel *w);

static inline bool rt_wheel_armed(const struct act_wheel_node *node)
{
	return node->next != NULL;
}
