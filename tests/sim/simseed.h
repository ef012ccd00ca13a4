/*
 * simseed -- what programs of seeded schedules share: which seeds to run, each twice, naming the
 * one that failed.
 *
 *	NAME [--schedules N] [--seed S]		SIM_SCHEDULES in the environment is N as well
 *
 * Schedule i has seed S + i. With SIM_LOG in the environment a run tells what happens in it.
 */
#pragma once

#include "base/bytes.h"

#include <check.h>
#include <stdbool.h>
#include <stdint.h>

#define SIM_EXPECT(cond)                                                                           \
	ck_assert_msg(cond, "seed %llu: %s", (unsigned long long)simseed_now(), #cond)

/* Runs one schedule; its trace. */
typedef uint64_t (*simseed_run)(uint64_t seed);
/* All of them, twice each: both must leave the same trace. */
void simseed_each(simseed_run run);
unsigned long simseed_count(void);
uint64_t simseed_now(void);
/* Of runs outside of simseed_each. */
void simseed_set(uint64_t seed);

bool simseed_is_told(void);
/* On stderr, if it is told. */
void simseed_show(const char *what, struct slice text);
_Noreturn void simseed_abort(const char *what, struct slice text);

/* The program: a suite of that name with these tests. n_default: schedules if nobody says. */
int simseed_main(int argc, char **argv, const char *name, unsigned long n_default,
		 const TTest *const *test, size_t n);
