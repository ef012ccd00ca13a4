/*
 * failmalloc -- a preload that makes allocations fail: the FAILMALLOC_AT-th and those after it for
 * FAILMALLOC_FOR calls, or one in FAILMALLOC_ONE_IN of all (by a fixed sequence).
 *
 * Counting starts when the file named by FAILMALLOC_ARM exists, so that only what the test does
 * fails, and not the loader. FAILMALLOC_OUT gets the number of calls seen.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);

static atomic_ulong calls, chance = 88172645463325252UL;
static atomic_int armed, ready;
static unsigned long at, n_for, one_in;

static unsigned long number(const char *name)
{
	const char *text = getenv(name);
	return text != NULL ? strtoul(text, NULL, 10) : 0;
}

__attribute__((constructor)) static void read_orders(void)
{
	at = number("FAILMALLOC_AT");
	n_for = number("FAILMALLOC_FOR");
	one_in = number("FAILMALLOC_ONE_IN");
	ready = 1;
}

static int is_armed(void)
{
	static atomic_ulong looked;
	if (armed || !ready)
		return armed;
	const char *file = getenv("FAILMALLOC_ARM");
	if (file == NULL || (looked++ & 15) != 0)
		return 0;
	int before = errno;
	armed = access(file, F_OK) == 0;
	errno = before;
	return armed;
}

static int fails(void)
{
	if (!is_armed())
		return 0;
	unsigned long n = ++calls;
	if (one_in != 0) {
		unsigned long x = chance;
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		chance = x;
		return x % one_in == 0;
	}
	return n >= at && n < at + n_for;
}

void *malloc(size_t n)
{
	if (!fails())
		return __libc_malloc(n);
	errno = ENOMEM;
	return NULL;
}

void *calloc(size_t n, size_t size)
{
	if (!fails())
		return __libc_calloc(n, size);
	errno = ENOMEM;
	return NULL;
}

void *realloc(void *p, size_t n)
{
	if (!fails())
		return __libc_realloc(p, n);
	errno = ENOMEM;
	return NULL;
}
