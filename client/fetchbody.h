/*
 * fetchbody -- what `muster fetch` sends: -d, --json, -F, -T.
 */
#pragma once

#include "client/args.h"
#include "client/status.h"

#include <jansson.h>

struct upload_list;

/* Sets the body, its method and Content-Type in a fetch object whose "headers" are pairs.
 * What does not go with the job is added to *up. Failures are said: USAGE. */
enum status fetchbody_add(json_t *fetch, const struct args *a, struct upload_list *up);
