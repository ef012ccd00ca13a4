#include "model/cookies_parse.h"

#include "model/cookies.h"

#include <string.h>

static struct slice trim(struct slice s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = (struct slice){s.p + 1, s.n - 1};
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* The text up to c, and what comes after it; without c all of it. */
static struct slice cut(struct slice *rest, char c)
{
	const char *at = rest->n > 0 ? memchr(rest->p, c, rest->n) : NULL;
	struct slice head = {rest->p, at != NULL ? (size_t)(at - rest->p) : rest->n};
	size_t taken = head.n + (at != NULL);
	*rest = (struct slice){rest->n > 0 ? rest->p + taken : rest->p, rest->n - taken};
	return head;
}

/* ---- attributes ---- */

static void on_expires(struct cookie_draft *d, struct slice v)
{
	int64_t s;
	if (cookies_date(v, &s) == ERR_OK) {
		d->has_expires = true;
		d->expires_s = s;
	}
}

static void on_max_age(struct cookie_draft *d, struct slice v)
{
	bool is_negative = v.n > 0 && v.p[0] == '-';
	int64_t n = 0;
	if (v.n == (size_t)is_negative)
		return;
	for (size_t i = is_negative; i < v.n; i++) {
		if (v.p[i] < '0' || v.p[i] > '9')
			return;
		if (n < (int64_t)1 << 40)
			n = n * 10 + (v.p[i] - '0');
	}
	d->has_max_age = true;
	d->max_age_s = is_negative ? -n : n;
}

static void on_domain(struct cookie_draft *d, struct slice v)
{
	if (v.n > 0 && v.p[0] == '.')
		v = (struct slice){v.p + 1, v.n - 1};
	d->domain = v;
}

static void on_path(struct cookie_draft *d, struct slice v)
{
	d->path = v;
}

static void on_secure(struct cookie_draft *d, struct slice v)
{
	(void)v;
	d->is_secure = true;
}

static void on_http_only(struct cookie_draft *d, struct slice v)
{
	(void)v;
	d->is_http_only = true;
}

static const struct {
	const char *name;
	void (*on)(struct cookie_draft *d, struct slice v);
} attributes[] = {{"Expires", on_expires}, {"Max-Age", on_max_age}, {"Domain", on_domain},
		  {"Path", on_path},	   {"Secure", on_secure},   {"HttpOnly", on_http_only}};

bool cookie_parse(struct slice field, struct cookie_draft *ret)
{
	struct slice rest = field;
	*ret = (struct cookie_draft){.has_max_age = false};
	for (size_t i = 0; i < field.n; i++)
		if (((unsigned char)field.p[i] < 0x20 && field.p[i] != '\t') || field.p[i] == 0x7f)
			return false;
	struct slice pair = cut(&rest, ';');
	if (pair.n == 0 || memchr(pair.p, '=', pair.n) == NULL)
		return false;
	ret->name = trim(cut(&pair, '='));
	ret->value = trim(pair);
	while (rest.n > 0) {
		struct slice value = cut(&rest, ';');
		struct slice name = trim(cut(&value, '='));
		for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++)
			if (slice_eq_nocase(name, slice_of(attributes[i].name)))
				attributes[i].on(ret, trim(value));
	}
	return ret->name.n > 0;
}

/* ---- dates, as servers really write them (5.1.1) ---- */

struct date {
	int day, month, year, hour, minute, second; /* -1: not found yet */
};

/* Up to max digits at *at; -1: none, or more of them. */
static int number(struct slice t, size_t *at, size_t max)
{
	int n = 0;
	size_t from = *at;
	while (*at < t.n && t.p[*at] >= '0' && t.p[*at] <= '9' && *at - from < max)
		n = n * 10 + (t.p[(*at)++] - '0');
	bool goes_on = *at < t.n && t.p[*at] >= '0' && t.p[*at] <= '9';
	return *at == from || goes_on ? -1 : n;
}

static bool read_time(struct slice t, struct date *d)
{
	size_t at = 0;
	int part[3];
	for (int i = 0; i < 3; i++) {
		part[i] = number(t, &at, 2);
		if (part[i] < 0 || (i < 2 && (at == t.n || t.p[at++] != ':')))
			return false;
	}
	d->hour = part[0];
	d->minute = part[1];
	d->second = part[2];
	return true;
}

static bool read_month(struct slice t, struct date *d)
{
	static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";
	for (int i = 0; i < 12 && t.n >= 3; i++)
		if (slice_eq_nocase((struct slice){t.p, 3}, (struct slice){names + 3 * i, 3})) {
			d->month = i + 1;
			return true;
		}
	return false;
}

static void read_date_token(struct slice t, struct date *d)
{
	size_t at = 0;
	if (d->hour < 0 && read_time(t, d))
		return;
	int n = number(t, &at, 2);
	if (d->day < 0 && n >= 0) {
		d->day = n;
		return;
	}
	if (d->month < 0 && read_month(t, d))
		return;
	at = 0;
	n = number(t, &at, 4);
	if (d->year < 0 && n >= 0 && at >= 2)
		d->year = n >= 70 && n <= 99 ? 1900 + n : n < 70 ? 2000 + n : n;
}

static bool is_delimiter(char c)
{
	unsigned char u = (unsigned char)c;
	return u == 0x09 || (u >= 0x20 && u <= 0x2f) || (u >= 0x3b && u <= 0x40) ||
	       (u >= 0x5b && u <= 0x60) || (u >= 0x7b && u <= 0x7e);
}

/* Days since 1970 of the proleptic Gregorian calendar (Hinnant, days_from_civil). */
static int64_t days_of(const struct date *d)
{
	int64_t y = d->year - (d->month <= 2);
	int64_t era = y / 400, yoe = y - era * 400;
	int64_t doy = (153 * (d->month + (d->month > 2 ? -3 : 9)) + 2) / 5 + d->day - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static bool is_date(const struct date *d)
{
	static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool is_leap = d->year % 4 == 0 && (d->year % 100 != 0 || d->year % 400 == 0);
	return d->hour >= 0 && d->hour <= 23 && d->minute <= 59 && d->second <= 59 &&
	       d->year >= 1601 && d->month > 0 && d->day > 0 && d->day <= days[d->month - 1] &&
	       (is_leap || d->month != 2 || d->day <= 28);
}

enum err cookies_date(struct slice text, int64_t *ret_s)
{
	struct date d = {-1, -1, -1, -1, -1, -1};
	for (size_t at = 0; at < text.n;) {
		size_t from = at;
		while (at < text.n && !is_delimiter(text.p[at]))
			at++;
		if (at > from)
			read_date_token((struct slice){text.p + from, at - from}, &d);
		else
			at++;
	}
	if (!is_date(&d))
		return ERR_INVALID;
	*ret_s = days_of(&d) * 86400 + d.hour * 3600 + d.minute * 60 + d.second;
	return ERR_OK;
}
