#include "model/kindset.h"

enum err kindset_add(struct kindset *s, struct slice entry)
{
	uint64_t bits = 0;
	for (int k = KIND_NONE + 1; k < KIND_COUNT; k++)
		if (kind_matches(entry, (enum kind)k))
			bits |= UINT64_C(1) << k;
	if (bits == 0)
		return ERR_INVALID;
	s->bits |= bits;
	return ERR_OK;
}
