/*
 * fault -- see fault.h.
 */
#include "base/fault.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const char *const point_name[FAULT_POINTS_N] = {[FAULT_NONE] = "",
#define X(name, where) [FAULT_##name] = #name,
						       FAULT_LIST(X)
#undef X
};

#define FAULT_COUNT_MAX 1000000

static enum err count_parse(const char *text, unsigned *ret_count)
{
	char *end;
	unsigned long n;

	if (*text == '\0') {
		*ret_count = 1;
		return ERR_OK;
	}
	n = strtoul(text + 1, &end, 10);
	if (text[1] < '0' || text[1] > '9' || *end != '\0' || n < 1 || n > FAULT_COUNT_MAX)
		return ERR_INVALID;
	*ret_count = (unsigned)n;
	return ERR_OK;
}

enum err fault_arm(struct fault *f, const char *text)
{
	size_t n = strcspn(text, ":");
	unsigned count;

	if (count_parse(text + n, &count) != ERR_OK)
		return ERR_INVALID;
	for (int i = FAULT_NONE + 1; i < FAULT_POINTS_N; i++) {
		if (strlen(point_name[i]) == n && memcmp(point_name[i], text, n) == 0) {
			f->point = (enum fault_point)i;
			atomic_store(&f->left, count);
			return ERR_OK;
		}
	}
	return ERR_INVALID;
}

void fault_hit(struct fault *f, enum fault_point point)
{
	if (f == NULL || f->point != point)
		return;
	if (atomic_fetch_sub(&f->left, 1) == 1)
		raise(SIGKILL);
}
