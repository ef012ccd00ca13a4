/*
 * upload -- what requests send when it is too large for the job itself: files, standard input,
 * texts. The daemon gets it piece by piece after the job was submitted and before its items.
 */
#pragma once

#include "base/bytes.h"
#include "client/session.h"
#include "client/status.h"

#define UPLOAD_INLINE_BYTES (1u << 20) /* what is not larger goes with the job */

struct upload_source {
	uint32_t upload;      /* whose next piece this is */
	const char *path;     /* for people; NULL: text */
	int fd;		      /* open, if there is a path */
	struct bytes text;    /* owned */
	bool drops_line_ends; /* as -d does with files */
};

/* All zero: none. */
struct upload_list {
	struct upload_source *source; /* in order, those of one upload together */
	size_t n;
	uint32_t n_uploads;
};

void upload_list_fini(struct upload_list *l);
/* A new upload; its sources are added next. Its name, as the job calls it. */
void upload_begin(struct upload_list *l, char ret_name[16]);
/* path "-" is standard input. IO: errno says why. NOMEM. */
enum err upload_add_file(struct upload_list *l, const char *path, bool drops_line_ends);
/* Takes over text. NOMEM. */
enum err upload_add_text(struct upload_list *l, struct bytes *text);
/* Sends all of it. OK, or what has been said; a signal is in s->signals. */
enum status upload_send(struct session *s, const struct upload_list *l, const char *job);
