#include "base/err.h"

const char *err_text(enum err e)
{
	static const char *const text[] = {
#define X(name, words) words,
		ERR_LIST(X)
#undef X
	};
	return (unsigned)e < ERR_COUNT ? text[e] : "unknown error";
}
