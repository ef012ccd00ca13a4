/*
 * link -- the Link header (RFC 8288): where the next page is.
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>

/*
 * The target of the first link in a Link field's value whose relation types hold rel (ASCII case
 * ignored) and that has no anchor; a slice of the value, to be resolved against the page's URL.
 * What is malformed is skipped up to the next comma. False if there is none.
 */
bool link_find(struct slice value, const char *rel, struct slice *ret_target);
