/*
 * glob -- patterns with * (any run of bytes), ? (one byte) and \ (what follows, as it is).
 *
 * Linear apart from ?: never more than pattern × text steps, no recursion. Bytes, not characters.
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>

#define GLOB_MAX      256	  /* bytes of a pattern; a longer one matches nothing */
#define GLOB_MAX_TEXT (64 * 1024) /* a longer text is matched by its beginning alone */

/* Whether the whole text is as the pattern says; ignore_case for ASCII letters. */
bool glob_match(struct slice pattern, struct slice text, bool ignore_case);
