/*
 * base64 -- decoding (RFC 4648 section 4); encoding is in proto/result.h.
 */
#pragma once

#include "base/bytes.h"

/* Appends the decoded bytes. INVALID leaves out as it was. */
enum err base64_decode(struct slice text, struct bytes *out);
