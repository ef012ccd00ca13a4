/*
 * head_fields -- what the fields of a response head mean for its body and its connection.
 * Belongs to head.c and to those
 * who undo what the fields say.
 */
#pragma once

#include "model/head.h"

/* Content-Length and Transfer-Encoding: the fields two readers must not read differently. */
bool fields_frame_the_body(struct slice name);
/* The next comma-separated item of *rest, trimmed, empty ones skipped. False at the end. */
bool fields_next_item(struct slice *rest, struct slice *ret_item);
/* A transfer coding that changes the bytes: gzip, x-gzip, deflate. */
bool fields_compress(struct slice coding);
/* Sets framing, length, reusable, keep_alive_ms; false with kind and why if it is refused. */
bool fields_verdict(struct head *h);
