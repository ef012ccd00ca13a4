/*
 * statuses -- a set of HTTP status codes, written 404, "200-299", "200,204,300-399" or a list.
 */
#pragma once

#include "base/bytes.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define STATUSES_MAX 16

struct statuses {
	uint16_t n;
	struct {
		uint16_t low, high; /* both included, 100 to 999 */
	} range[STATUSES_MAX];
};

/* Adds "404", "300-399" or a comma list of them. Errors: INVALID, TOO_LARGE (ranges). */
enum err statuses_add_text(struct statuses *s, struct slice text);
/* Adds a number, a text as above, or a list of those, not empty. Errors: INVALID, TOO_LARGE. */
enum err statuses_add_json(struct statuses *s, const json_t *v);
bool statuses_has(const struct statuses *s, int status);
