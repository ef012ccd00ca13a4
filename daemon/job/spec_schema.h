/*
 * spec_schema -- the JSON Schema (2020-12) of a job file, made from the tables it is read by, so
 * that editors know what the reader takes. It is wider than the reader: what it refuses, the reader
 * refuses too; names, references and numbers that depend on each other only the reader can check.
 */
#pragma once

#include "base/bytes.h"

/* Appends the text, indented, with a newline at its end. Errors: those of bytes, NOMEM. */
enum err job_schema_add(struct bytes *out);
