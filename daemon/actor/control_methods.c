/*
 * control_methods -- the table of methods and how a name finds its row.
 */
#include "actor/control_methods.h"

#include <string.h>

static const struct control_method methods[] = {
#define METHOD(text, fn, bits, words)                                                              \
	{.name = (text), .handler = (fn), .flags = (bits), .doc = (words)},
#include "actor/control_methods.def"
#undef METHOD
};

#define N_METHODS (sizeof(methods) / sizeof(methods[0]))

const struct control_method *control_methods(size_t *ret_n)
{
	*ret_n = N_METHODS;
	return methods;
}

static int compare(const char *name, size_t n, const char *other)
{
	int c = strncmp(name, other, n);
	return c != 0 ? c : -(int)(other[n] != '\0');
}

const struct control_method *control_method_find(const char *name, size_t n)
{
	size_t low = 0, high = N_METHODS;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = compare(name, n, methods[mid].name);
		if (c == 0)
			return &methods[mid];
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}
