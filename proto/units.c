/*
 * units -- parsing and printing of durations, sizes and rates. Pure; no locale is asked.
 */
#include "proto/units.h"

#define SIZE_LIMIT (INT64_C(1) << 62)

struct unit {
	const char *name;
	int64_t scale;
};

static const struct unit duration_unit[] = {
	{"d", UNITS_DAY_MS}, {"h", UNITS_HOUR_MS}, {"m", UNITS_MINUTE_MS}, {"s", UNITS_SECOND_MS},
	{"ms", 1},
};
#define N_DURATION_UNIT (sizeof(duration_unit) / sizeof(duration_unit[0]))

static const struct unit size_unit[] = {
	{"G", 1LL << 30},
	{"M", 1LL << 20},
	{"k", 1LL << 10},
	{"", 1},
};
#define N_SIZE_UNIT (sizeof(size_unit) / sizeof(size_unit[0]))

/* Takes the leading digits off *text. */
static enum err take_number(struct slice *text, int64_t limit, int64_t *ret)
{
	int64_t v = 0;
	size_t i = 0;
	while (i < text->n && text->p[i] >= '0' && text->p[i] <= '9') {
		int64_t digit = text->p[i++] - '0';
		if (v > (limit - digit) / 10)
			return ERR_TOO_LARGE;
		v = v * 10 + digit;
	}
	if (i == 0)
		return ERR_INVALID;
	*text = (struct slice){text->p + i, text->n - i};
	*ret = v;
	return ERR_OK;
}

static const struct unit *find_unit(const struct unit *u, size_t n, struct slice name)
{
	for (size_t i = 0; i < n; i++)
		if (slice_is(name, u[i].name))
			return &u[i];
	return NULL;
}

enum err units_duration(struct slice text, int64_t *ret_ms)
{
	int64_t v;
	struct slice rest = text;
	enum err e = take_number(&rest, UNITS_MAX_MS, &v);
	if (e != ERR_OK)
		return e;
	if (rest.n == 0 && v == 0) {
		*ret_ms = 0;
		return ERR_OK;
	}
	const struct unit *u = find_unit(duration_unit, N_DURATION_UNIT, rest);
	if (u == NULL)
		return ERR_INVALID;
	if (v > UNITS_MAX_MS / u->scale)
		return ERR_TOO_LARGE;
	*ret_ms = v * u->scale;
	return ERR_OK;
}

enum err units_size(struct slice text, int64_t *ret_bytes)
{
	int64_t v;
	struct slice rest = text;
	enum err e = take_number(&rest, SIZE_LIMIT, &v);
	if (e != ERR_OK)
		return e;
	const struct unit *u = NULL;
	for (size_t i = 0; i < N_SIZE_UNIT && u == NULL; i++)
		if (slice_eq_nocase(rest, slice_of(size_unit[i].name)))
			u = &size_unit[i];
	if (u == NULL)
		return ERR_INVALID;
	if (v > SIZE_LIMIT / u->scale)
		return ERR_TOO_LARGE;
	*ret_bytes = v * u->scale;
	return ERR_OK;
}

enum err units_rate(struct slice text, struct units_rate *ret_rate)
{
	struct units_rate rate = {.per_ms = 0};
	struct slice rest = text;
	enum err e = take_number(&rest, 1000000000, &rate.n);
	if (e != ERR_OK)
		return e;
	if (rate.n == 0 || rest.n < 2 || rest.p[0] != '/')
		return ERR_INVALID;
	rest = (struct slice){rest.p + 1, rest.n - 1};
	const struct unit *u = find_unit(duration_unit, N_DURATION_UNIT, rest);
	if (u != NULL)
		rate.per_ms = u->scale;
	else if ((e = units_duration(rest, &rate.per_ms)) != ERR_OK)
		return e;
	if (rate.per_ms == 0)
		return ERR_INVALID;
	*ret_rate = rate;
	return ERR_OK;
}

enum err units_u64(struct slice text, uint64_t *ret)
{
	int64_t v;
	struct slice rest = text;
	enum err e = take_number(&rest, INT64_MAX, &v);
	if (e != ERR_OK)
		return e;
	if (rest.n != 0)
		return ERR_INVALID;
	*ret = (uint64_t)v;
	return ERR_OK;
}

static void add_scaled(struct bytes *b, int64_t v, const struct unit *u, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (v % u[i].scale == 0) {
			bytes_add_i64(b, v / u[i].scale);
			bytes_add_str(b, u[i].name);
			return;
		}
	}
}

void units_add_duration(struct bytes *b, int64_t ms)
{
	if (ms == 0)
		bytes_add_byte(b, '0');
	else
		add_scaled(b, ms, duration_unit, N_DURATION_UNIT);
}

void units_add_size(struct bytes *b, int64_t bytes)
{
	if (bytes == 0)
		bytes_add_byte(b, '0');
	else
		add_scaled(b, bytes, size_unit, N_SIZE_UNIT);
}

void units_add_rate(struct bytes *b, struct units_rate rate)
{
	bytes_add_i64(b, rate.n);
	bytes_add_byte(b, '/');
	for (size_t i = 0; i < N_DURATION_UNIT; i++) {
		if (rate.per_ms == duration_unit[i].scale) {
			bytes_add_str(b, duration_unit[i].name);
			return;
		}
	}
	units_add_duration(b, rate.per_ms);
}

void units_add_elapsed(struct bytes *b, int64_t ms)
{
	if (ms < 1000) {
		bytes_printf(b, "%lld ms", (long long)ms);
		return;
	}
	if (ms < 60 * UNITS_SECOND_MS) {
		bytes_printf(b, "%lld.%lld s", (long long)(ms / 1000),
			     (long long)(ms % 1000 / 100));
		return;
	}
	for (size_t i = 0; i + 1 < N_DURATION_UNIT; i++) {
		const struct unit *big = &duration_unit[i], *small = &duration_unit[i + 1];
		if (ms < big->scale)
			continue;
		bytes_printf(b, "%lld%s", (long long)(ms / big->scale), big->name);
		int64_t rest = ms % big->scale / small->scale;
		if (rest != 0)
			bytes_printf(b, " %lld%s", (long long)rest, small->name);
		return;
	}
}

void units_add_bytes(struct bytes *b, int64_t bytes)
{
	for (size_t i = 0; i + 1 < N_SIZE_UNIT; i++) {
		if (bytes < size_unit[i].scale)
			continue;
		bytes_printf(b, "%.1f%s", (double)bytes / (double)size_unit[i].scale,
			     size_unit[i].name);
		return;
	}
	bytes_add_i64(b, bytes);
}
