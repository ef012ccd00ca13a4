/*
 * clock -- time as a parameter. Code never asks the kernel; it asks the clock it was given, which
 * in tests is a fake one. All in nanoseconds.
 */
#pragma once

#include <stdint.h>

#define NS_PER_US 1000LL
#define NS_PER_MS 1000000LL
#define NS_PER_S  1000000000LL
#define MS_PER_S  1000LL

struct clock {
	void *ctx;
	/* Monotonic, stands still during suspend: for timeouts of attempts. */
	int64_t (*mono_ns)(void *ctx);
	/* Monotonic, counts suspend: for deadlines of jobs and waits told in wall time. */
	int64_t (*boot_ns)(void *ctx);
	/* Since 1970, may jump: for records and what must outlive a restart. */
	int64_t (*wall_ns)(void *ctx);
};

static inline int64_t clock_mono_ns(const struct clock *c)
{
	return c->mono_ns(c->ctx);
}

static inline int64_t clock_boot_ns(const struct clock *c)
{
	return c->boot_ns(c->ctx);
}

static inline int64_t clock_wall_ns(const struct clock *c)
{
	return c->wall_ns(c->ctx);
}
