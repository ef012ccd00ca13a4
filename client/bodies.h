/*
 * bodies -- where the bodies of results go: into files named after their place and URL, or back
 * into the line. Bodies stored beside their record are fetched from the daemon in pieces.
 */
#pragma once

#include "client/stored.h"

#include <stdbool.h>

#define BODIES_NAME_MAX 120

struct bodies {
	const char *path; /* of -o; NULL: none */
	bool is_file;	  /* path is one file, not a directory */
	bool may_link;	  /* as of a stored_target */
};

/*
 * Settles what path is: a directory, unless there is exactly one URL, no such directory and no
 * slash at its end. Makes the directory. IO: errno says why.
 */
enum err bodies_open(struct bodies *b, const char *path, bool is_one_url);

/* One result, as slices of its line. */
struct body {
	struct slice job, seq, task, url; /* seq: digits; the rest without quotes */
	struct slice raw;		  /* the raw member: string of body, body_base64 or file */
	bool is_base64, is_stored;
};

/* Hands the decoded body over in pieces. FAILED with *why; other failures are said. */
enum status bodies_read(struct session *s, const struct body *b, stored_take take, void *ctx,
			struct stored_failure *why);
/* Writes it to its file: PATH.part, then renamed. Appends the path to ret_path; as bodies_read. */
enum status bodies_write(const struct bodies *where, struct session *s, const struct body *b,
			 struct bytes *ret_path, struct stored_failure *why);
/* Appends `<index>-<last path segment>`: index is what of the task path follows "0.". */
void bodies_add_name(struct bytes *out, struct slice task, struct slice url);
