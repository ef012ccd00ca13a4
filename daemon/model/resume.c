#include "model/resume.h"

#include "model/httpdate.h"

#include <string.h>

#define SIZE_MOST (1ULL << 53)

static struct slice field_of(const struct head_field *f, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (slice_eq_nocase(f[i].name, slice_of(name)))
			return f[i].value;
	return (struct slice){NULL, 0};
}

/* ---- Content-Range ---- */

static bool take_number(struct slice *s, uint64_t *ret)
{
	uint64_t v = 0;
	size_t i = 0;
	for (; i < s->n && s->p[i] >= '0' && s->p[i] <= '9'; i++) {
		v = v * 10 + (uint64_t)(s->p[i] - '0');
		if (v > SIZE_MOST)
			return false;
	}
	if (i == 0)
		return false;
	*s = (struct slice){s->p + i, s->n - i};
	*ret = v;
	return true;
}

static bool take_char(struct slice *s, char c)
{
	if (s->n == 0 || s->p[0] != c)
		return false;
	*s = (struct slice){s->p + 1, s->n - 1};
	return true;
}

static bool take_range(struct slice *s, uint64_t *ret_first, uint64_t *ret_last)
{
	*ret_first = 1;
	*ret_last = 0;
	if (take_char(s, '*'))
		return true;
	return take_number(s, ret_first) && take_char(s, '-') && take_number(s, ret_last) &&
	       *ret_first <= *ret_last;
}

enum err resume_content_range(struct slice text, uint64_t *ret_first, uint64_t *ret_last,
			      int64_t *ret_total)
{
	static const struct slice unit = {"bytes", 5};
	uint64_t first, last, total = 0;
	if (text.n < unit.n || !slice_eq_nocase((struct slice){text.p, unit.n}, unit))
		return ERR_INVALID;
	struct slice s = {text.p + unit.n, text.n - unit.n};
	if (!take_char(&s, ' '))
		return ERR_INVALID;
	while (take_char(&s, ' '))
		;
	if (!take_range(&s, &first, &last) || !take_char(&s, '/'))
		return ERR_INVALID;
	bool is_said = !take_char(&s, '*');
	if ((is_said && !take_number(&s, &total)) || s.n > 0)
		return ERR_INVALID;
	bool is_range = first <= last;
	if ((is_said && is_range && last >= total) || (!is_said && !is_range))
		return ERR_INVALID;
	*ret_first = first;
	*ret_last = last;
	*ret_total = is_said ? (int64_t)total : -1;
	return ERR_OK;
}

/* ---- what may be gone on with ---- */

static bool is_strong_tag(struct slice tag)
{
	return tag.n >= 2 && tag.p[0] == '"' && tag.p[tag.n - 1] == '"';
}

/* RFC 9110 8.8.2.2: it had not changed for a second when the server looked at it. */
static bool is_strong_date(struct slice date, struct slice now)
{
	int64_t date_s, now_s;
	return httpdate_parse(date, 0, &date_s) == ERR_OK &&
	       httpdate_parse(now, 0, &now_s) == ERR_OK && date_s < now_s;
}

static int64_t length_of(const struct head_field *fields, size_t n)
{
	struct slice text = field_of(fields, n, "Content-Length");
	uint64_t v;
	if (field_of(fields, n, "Transfer-Encoding").p != NULL || !take_number(&text, &v) ||
	    text.n > 0)
		return -1;
	return (int64_t)v;
}

static bool is_coded(const struct head_field *fields, size_t n)
{
	struct slice coding = field_of(fields, n, "Content-Encoding");
	return coding.n > 0 && !slice_eq_nocase(coding, SLICE_LIT("identity"));
}

bool resume_may(int status, const struct head_field *fields, size_t n, struct resume_held *ret)
{
	struct slice tag = field_of(fields, n, "ETag");
	struct slice date = field_of(fields, n, "Last-Modified");
	if (status != 200 || is_coded(fields, n) ||
	    slice_eq_nocase(field_of(fields, n, "Accept-Ranges"), SLICE_LIT("none")))
		return false;
	if (!is_strong_tag(tag))
		tag = (struct slice){NULL, 0};
	if (!is_strong_date(date, field_of(fields, n, "Date")))
		date = (struct slice){NULL, 0};
	*ret = (struct resume_held){
		.total = length_of(fields, n), .etag = tag, .last_modified = date};
	return tag.n > 0 || date.n > 0;
}

struct slice resume_validator(const struct resume_held *held)
{
	return held->etag.n > 0 ? held->etag : held->last_modified;
}

/* ---- what came ---- */

/* A server that ignores If-Range still says what it is a part of. */
static bool is_same_version(const struct resume_held *held, const struct head_field *fields,
			    size_t n)
{
	struct slice tag = field_of(fields, n, "ETag");
	struct slice date = field_of(fields, n, "Last-Modified");
	if (held->etag.n > 0 && tag.n > 0)
		return slice_eq(held->etag, tag);
	return held->last_modified.n == 0 || date.n == 0 || slice_eq(held->last_modified, date);
}

enum resume_step resume_judge(const struct resume_held *held, int status,
			      const struct head_field *fields, size_t n, uint64_t *ret_last,
			      int64_t *ret_total)
{
	uint64_t first = 0, last = 0;
	int64_t total = -1;
	bool has_range = resume_content_range(field_of(fields, n, "Content-Range"), &first, &last,
					      &total) == ERR_OK;
	if (status == 200)
		return RESUME_ANEW;
	if (status == 416)
		return has_range && first > last && total == (int64_t)held->size &&
				       (held->total < 0 || held->total == total)
			       ? RESUME_WHOLE
			       : RESUME_MISFIT;
	if (status != 206)
		return RESUME_LATER;
	if (!has_range || first != held->size || first > last || is_coded(fields, n) ||
	    (held->total >= 0 && total >= 0 && total != held->total) ||
	    !is_same_version(held, fields, n))
		return RESUME_MISFIT;
	*ret_last = last;
	*ret_total = total >= 0 ? total : held->total;
	return RESUME_GOES_ON;
}
