/*
 * status -- see status.h.
 */
#include "client/status.h"

#include <string.h>

static const struct {
	const char *kind;
	enum status status;
} kind_row[] = {
	{"request.invalid", STATUS_USAGE}, {"request.too_large", STATUS_USAGE},
	{"url.invalid", STATUS_USAGE},	   {"not_found", STATUS_FAILED},
	{"internal", STATUS_NO_DAEMON},
};

enum status status_of_kind(const char *kind)
{
	for (size_t i = 0; i < sizeof(kind_row) / sizeof(kind_row[0]); i++)
		if (strcmp(kind_row[i].kind, kind) == 0)
			return kind_row[i].status;
	return STATUS_REFUSED;
}

enum status status_of_state(struct slice state, uint64_t n_failed)
{
	if (slice_is(state, "cancelled"))
		return STATUS_CANCELLED;
	if (slice_is(state, "expired"))
		return STATUS_EXPIRED;
	return slice_is(state, "succeeded") && n_failed == 0 ? STATUS_OK : STATUS_FAILED;
}
