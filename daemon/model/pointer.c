#include "model/pointer.h"

#include <string.h>

bool pointer_valid(struct slice s)
{
	if (s.n == 0)
		return true;
	if (s.n > POINTER_MAX || s.p[0] != '/')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\0')
			return false;
		if (s.p[i] == '~' && (i + 1 == s.n || (s.p[i + 1] != '0' && s.p[i + 1] != '1')))
			return false;
	}
	return true;
}

/* RFC 6901 section 4: ~1 is /, then ~0 is ~. */
static size_t unescape(struct slice segment, char *out)
{
	size_t n = 0;
	for (size_t i = 0; i < segment.n; i++) {
		char c = segment.p[i];
		if (c == '~' && i + 1 < segment.n)
			c = segment.p[++i] == '1' ? '/' : '~';
		out[n++] = c;
	}
	return n;
}

static const json_t *item_of(const json_t *array, const char *digits, size_t n)
{
	if (n == 0 || n > 9 || (n > 1 && digits[0] == '0'))
		return NULL;
	size_t index = 0;
	for (size_t i = 0; i < n; i++) {
		if (digits[i] < '0' || digits[i] > '9')
			return NULL;
		index = index * 10 + (size_t)(digits[i] - '0');
	}
	return json_array_get(array, index);
}

const json_t *pointer_get(const json_t *doc, struct slice pointer)
{
	char key[POINTER_MAX];
	if (!pointer_valid(pointer))
		return NULL;
	while (pointer.n > 0 && doc != NULL) {
		const char *begin = pointer.p + 1;
		const char *slash = memchr(begin, '/', pointer.n - 1);
		size_t n = slash != NULL ? (size_t)(slash - begin) : pointer.n - 1;
		size_t n_key = unescape((struct slice){begin, n}, key);
		if (json_is_array(doc))
			doc = item_of(doc, key, n_key);
		else
			doc = json_object_getn(doc, key, n_key);
		pointer = (struct slice){begin + n, pointer.n - 1 - n};
	}
	return doc;
}
