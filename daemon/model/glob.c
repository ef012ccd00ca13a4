#include "model/glob.h"

static unsigned char fold(char c, bool ignore_case)
{
	unsigned char u = (unsigned char)c;
	return ignore_case && u >= 'A' && u <= 'Z' ? (unsigned char)(u + 32) : u;
}

/* One element of the pattern at *at, which is no star; moves *at behind it. */
static bool one_matches(struct slice p, size_t *at, char c, bool ignore_case)
{
	char want = p.p[*at];
	if (want == '?') {
		*at += 1;
		return true;
	}
	if (want == '\\' && *at + 1 < p.n)
		want = p.p[++*at];
	*at += 1;
	return fold(want, ignore_case) == fold(c, ignore_case);
}

/*
 * Only the last star has to be remembered: whatever an earlier one could take, a later one can
 * take as well. That bounds the steps by the product of the lengths.
 */
bool glob_match(struct slice p, struct slice text, bool ignore_case)
{
	if (p.n > GLOB_MAX)
		return false;
	if (text.n > GLOB_MAX_TEXT)
		text.n = GLOB_MAX_TEXT;
	size_t at = 0, i = 0, star = 0, star_i = 0;
	bool has_star = false;
	while (i < text.n) {
		if (at < p.n && p.p[at] == '*') {
			has_star = true;
			star = ++at;
			star_i = i;
			continue;
		}
		if (at < p.n && one_matches(p, &at, text.p[i], ignore_case)) {
			i++;
			continue;
		}
		if (!has_star)
			return false;
		at = star;
		i = ++star_i;
	}
	while (at < p.n && p.p[at] == '*')
		at++;
	return at == p.n;
}
