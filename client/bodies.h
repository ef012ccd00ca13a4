/*
 * bodies -- where the bodies of results go: into files named after their place and URL, or back
 * into the line. Bodies stored beside their record are fetched from the daemon in pieces.
 */
#pragma once

#include "client/session.h"

#include <stdbool.h>

#define BODIES_NAME_MAX	   120
#define BODIES_PIECE_BYTES (256u << 10)

struct bodies {
	const char *path; /* of -o; NULL: none */
	bool is_file;	  /* path is one file, not a directory */
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

/* Takes a piece of a decoded body; false stops. */
typedef bool (*bodies_take)(void *ctx, struct slice piece);

/* Hands the decoded body over in pieces. OK, or a status that has been said. */
enum status bodies_read(struct session *s, const struct body *b, bodies_take take, void *ctx);
/* Writes it to its file: PATH.part, then renamed. Appends the path to ret_path. */
enum status bodies_write(const struct bodies *where, struct session *s, const struct body *b,
			 struct bytes *ret_path);
/* Appends `<index>-<last path segment>`: index is what of the task path follows "0.". */
void bodies_add_name(struct bytes *out, struct slice task, struct slice url);
