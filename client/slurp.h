/*
 * slurp -- a whole file, or standard input, into bytes with a limit.
 */
#pragma once

#include "base/bytes.h"

/* path "-" is standard input. Errors: IO (errno says why), TOO_LARGE (out's limit), NOMEM. */
enum err slurp(const char *path, struct bytes *out);
