/*
 * cond_tree -- the inside of a condition, shared by its parser and its evaluation only.
 */
#pragma once

#include "model/cond.h"
#include "model/kindset.h"
#include "model/statuses.h"

enum cond_test_kind {
	COND_TEST_STATUS,
	COND_TEST_KIND,
	COND_TEST_HEADER,
	COND_TEST_POINTER,
	COND_TEST_ANY,
	COND_TEST_NOT,
};

struct cond_test {
	enum cond_test_kind kind;
	union {
		struct statuses statuses;
		struct kindset kinds;
		struct {
			struct slice name;
			const struct slice *glob; /* one of them matches */
			size_t n_glob;
		} header;
		struct {
			struct slice at;
			const json_t *equal, *lt, *gt; /* NULL: not asked */
			struct slice glob;	       /* p == NULL: not asked */
			/* References may stand in what is asked; last as in struct tmpl. */
			const json_t *match; /* instead of glob; NULL: not asked */
			const struct interp_env *last;
			bool has_refs;
		} pointer;
		struct {
			const struct cond *const *part;
			size_t n_part;
		} any;
		const struct cond *unless;
	} u;
};

struct cond {
	struct slice of; /* n == 0: that of the condition around it */
	const struct cond_test *test;
	size_t n_test;
};
