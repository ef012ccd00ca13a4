/*
 * fetchbody -- what `muster fetch` sends: -d, --json, -F, -T.
 */
#pragma once

#include "client/args.h"
#include "client/status.h"

#include <jansson.h>

/* Sets the body, its method and Content-Type in a fetch object whose "headers" are pairs.
 * Failures are said: USAGE. */
enum status fetchbody_add(json_t *fetch, const struct args *a);
