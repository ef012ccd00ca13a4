/*
 * urlcheck -- whether a URL of the command line can be one at all, before anything is submitted.
 * The daemon has the last word; this finds slips of the hand.
 */
#pragma once

#include "base/bytes.h"

/* NULL if it may be one, else what is wrong with it, as a phrase. */
const char *urlcheck(struct slice url);
/* Scheme and host without brackets or port; false if it is no http or https URL. */
bool urlcheck_host(struct slice url, bool *ret_is_https, struct slice *ret_host);
