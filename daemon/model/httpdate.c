#include "model/httpdate.h"

#include "base/clock.h"

#include <string.h>

struct reader {
	struct slice in;
	bool failed;
};

static void expect(struct reader *r, const char *text)
{
	size_t n = strlen(text);
	if (r->in.n < n || memcmp(r->in.p, text, n) != 0) {
		r->failed = true;
		return;
	}
	r->in = (struct slice){r->in.p + n, r->in.n - n};
}

/* Exactly n digits; with `blank`, a leading space counts as 0 (asctime). */
static int number(struct reader *r, size_t n, bool blank)
{
	int v = 0;
	if (r->in.n < n) {
		r->failed = true;
		return 0;
	}
	for (size_t i = 0; i < n; i++) {
		char c = r->in.p[i];
		if (c == ' ' && blank && i == 0)
			c = '0';
		if (c < '0' || c > '9')
			r->failed = true;
		v = v * 10 + (c - '0');
	}
	r->in = (struct slice){r->in.p + n, r->in.n - n};
	return v;
}

static int month(struct reader *r)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	for (int i = 0; i < 12 && r->in.n >= 3; i++) {
		if (memcmp(r->in.p, names + (size_t)i * 3, 3) == 0) {
			r->in = (struct slice){r->in.p + 3, r->in.n - 3};
			return i + 1;
		}
	}
	r->failed = true;
	return 1;
}

struct date {
	int year, month, day, hour, minute, second;
};

static void time_of_day(struct reader *r, struct date *d)
{
	d->hour = number(r, 2, false);
	expect(r, ":");
	d->minute = number(r, 2, false);
	expect(r, ":");
	d->second = number(r, 2, false);
}

/* "06 Nov 1994 08:49:37 GMT", after the day's name. */
static void imf_fixdate(struct reader *r, struct date *d)
{
	d->day = number(r, 2, false);
	expect(r, " ");
	d->month = month(r);
	expect(r, " ");
	d->year = number(r, 4, false);
	expect(r, " ");
	time_of_day(r, d);
	expect(r, " GMT");
}

static int64_t days_of(int year, int month, int day);

/* "06-Nov-94 08:49:37 GMT" */
static void rfc850(struct reader *r, struct date *d, int64_t wall_now_s)
{
	d->day = number(r, 2, false);
	expect(r, "-");
	d->month = month(r);
	expect(r, "-");
	int two = number(r, 2, false);
	expect(r, " ");
	time_of_day(r, d);
	expect(r, " GMT");
	int now = 1970 + (int)(wall_now_s / 31556952);
	d->year = now - now % 100 + two;
	if (d->year > now + 50)
		d->year -= 100;
	else if (d->year <= now - 50)
		d->year += 100;
}

/* "Nov  6 08:49:37 1994" */
static void asctime_date(struct reader *r, struct date *d)
{
	d->month = month(r);
	expect(r, " ");
	d->day = number(r, 2, true);
	expect(r, " ");
	time_of_day(r, d);
	expect(r, " ");
	d->year = number(r, 4, false);
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar (Hinnant's days_from_civil). */
static int64_t days_of(int year, int month, int day)
{
	int64_t y = year - (month <= 2);
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool is_real(const struct date *d)
{
	static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	return d->day >= 1 && d->day <= days[d->month - 1] && d->hour <= 23 && d->minute <= 59 &&
	       d->second <= 60;
}

enum err httpdate_parse(struct slice text, int64_t wall_now_s, int64_t *ret_s)
{
	size_t name = 0;
	while (name < text.n && text.p[name] != ',' && text.p[name] != ' ')
		name++;
	if (name < 3 || name > 9 || name == text.n)
		return ERR_INVALID;
	struct reader r = {{text.p + name, text.n - name}, false};
	struct date d = {0};
	if (text.p[name] == ' ') {
		expect(&r, " ");
		asctime_date(&r, &d);
	} else {
		expect(&r, ", ");
		if (name == 3)
			imf_fixdate(&r, &d);
		else
			rfc850(&r, &d, wall_now_s);
	}
	if (r.failed || r.in.n != 0 || !is_real(&d))
		return ERR_INVALID;
	*ret_s = days_of(d.year, d.month, d.day) * 86400 + d.hour * 3600 + d.minute * 60 + d.second;
	return ERR_OK;
}

static bool all_digits(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	}
	return s.n > 0;
}

int64_t retryafter_parse(struct slice text, int64_t wall_now_ns)
{
	while (text.n > 0 && (*text.p == ' ' || *text.p == '\t'))
		text = (struct slice){text.p + 1, text.n - 1};
	while (text.n > 0 && (text.p[text.n - 1] == ' ' || text.p[text.n - 1] == '\t'))
		text.n--;
	if (all_digits(text)) {
		int64_t ms = 0;
		for (size_t i = 0; i < text.n && ms <= RETRYAFTER_MAX_MS; i++)
			ms = ms * 10 + (text.p[i] - '0') * MS_PER_S;
		return ms > RETRYAFTER_MAX_MS ? RETRYAFTER_MAX_MS : ms;
	}
	int64_t at_s;
	if (httpdate_parse(text, wall_now_ns / NS_PER_S, &at_s) != ERR_OK)
		return -1;
	int64_t ms = at_s * MS_PER_S - wall_now_ns / NS_PER_MS;
	if (ms < 0)
		return 0;
	return ms > RETRYAFTER_MAX_MS ? RETRYAFTER_MAX_MS : ms;
}
