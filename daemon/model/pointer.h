/*
 * pointer -- JSON Pointer (RFC 6901) into a tree.
 */
#pragma once

#include "base/bytes.h"

#include <jansson.h>
#include <stdbool.h>

#define POINTER_MAX 1024 /* bytes */

/* "" or segments that begin with "/", with ~ only as ~0 or ~1, at most POINTER_MAX bytes. */
bool pointer_valid(struct slice pointer);
/* The value there, borrowed; NULL if there is none (also for "-" and "/01" of an array). */
const json_t *pointer_get(const json_t *doc, struct slice pointer);
