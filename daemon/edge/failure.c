/*
 * failure -- see failure.h.
 */
#include "edge/failure.h"

#include "base/check.h"

#include <stdio.h>

enum { NONE, WRITING, THERE };

enum err failure_set(struct failure *f, enum err err, const char *what, const char *detail)
{
	int none = NONE;

	CHECK(err != ERR_OK);
	if (!atomic_compare_exchange_strong(&f->phase, &none, WRITING))
		return err;
	f->err = err;
	snprintf(f->text, sizeof(f->text), "%s: %s", what, detail);
	atomic_store_explicit(&f->phase, THERE, memory_order_release);
	return err;
}

enum err failure_err(const struct failure *f)
{
	switch (atomic_load_explicit(&f->phase, memory_order_acquire)) {
	case NONE:
		return ERR_OK;
	case WRITING:
		return ERR_IO;
	default:
		return f->err;
	}
}

const char *failure_text(const struct failure *f)
{
	return atomic_load_explicit(&f->phase, memory_order_acquire) == THERE ? f->text : "";
}
