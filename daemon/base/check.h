/*
 * check -- invariants that hold in release builds too.
 *
 * CHECK is for what only a mistake of ours can break: it prints the expression and place to stderr
 * and aborts. What peers, users, disks or the kernel can cause is never a CHECK but an enum err.
 */
#pragma once

/* Prints "CHECK failed: EXPR at FILE:LINE" and aborts. Safe from any thread. */
_Noreturn void check_failed(const char *expr, const char *file, int line);

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (__builtin_expect(!(cond), 0))                                                  \
			check_failed(#cond, __FILE__, __LINE__);                                   \
	} while (0)

/* Costlier invariants: compiled in only where DEBUG_CHECKS is defined (sanitizer and debug builds).
 */
#ifdef DEBUG_CHECKS
#define CHECK_DEBUG(cond) CHECK(cond)
#else
#define CHECK_DEBUG(cond)                                                                          \
	do {                                                                                       \
	} while (0)
#endif
