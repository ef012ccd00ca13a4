/*
 * jsontree -- text from strangers to a jansson tree: jsonscan first, then jansson, with one form
 * of error for both.
 */
#pragma once

#include "proto/jsonscan.h"

#include <jansson.h>

/* *ret_tree is the caller's (json_decref). Strings may hold NUL. Errors as jsonscan_check. */
enum err jsontree_parse(struct slice text, const struct jsonscan_limits *limits, json_t **ret_tree,
			struct jsonscan_error *ret_error);
/* Appends compact text of a tree. Errors: those of bytes. */
enum err jsontree_add(struct bytes *out, const json_t *tree);
