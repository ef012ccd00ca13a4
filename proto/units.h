/*
 * units -- how durations, sizes and rates are written, and printed back.
 *
 * Durations `250ms 5s 2m 1h 1d`: digits and one unit, no sign, no fraction; a bare number is
 * refused, except "0". Sizes `512 64k 16M 1G` (k = 1024; also K m g). Rates `5/s 3/10s 100/m`.
 */
#pragma once

#include "base/bytes.h"

#include <stdint.h>

#define UNITS_SECOND_MS 1000LL
#define UNITS_MINUTE_MS 60000LL
#define UNITS_HOUR_MS	3600000LL
#define UNITS_DAY_MS	86400000LL
/* The longest duration that is understood: a hundred years. */
#define UNITS_MAX_MS (36525LL * UNITS_DAY_MS)

struct units_rate {
	int64_t n;	/* at least 1 */
	int64_t per_ms; /* at least 1 */
};

/* Errors: INVALID (not one), TOO_LARGE (above UNITS_MAX_MS). */
enum err units_duration(struct slice text, int64_t *ret_ms);
/* Errors: INVALID, TOO_LARGE (above 2^62). */
enum err units_size(struct slice text, int64_t *ret_bytes);
/* Errors: INVALID (also for n = 0), TOO_LARGE (n above 10^9). */
enum err units_rate(struct slice text, struct units_rate *ret_rate);
/* Decimal digits only. Errors: INVALID, TOO_LARGE. */
enum err units_u64(struct slice text, uint64_t *ret);

/* In the largest unit that holds it exactly: 90000 is "90s", 0 is "0". */
void units_add_duration(struct bytes *b, int64_t ms);
void units_add_size(struct bytes *b, int64_t bytes);
void units_add_rate(struct bytes *b, struct units_rate rate);
/* For people, rounded, at most two units: "1h 2m", "3.4 s", "12 ms". */
void units_add_elapsed(struct bytes *b, int64_t ms);
/* For people, rounded: "3.4 MB" is written "3.4M". */
void units_add_bytes(struct bytes *b, int64_t bytes);
