/*
 * capture -- the bounded memory of what a program writes: the beginning of stdout, the end of
 * stderr, since an error is told last. What is beyond is read and forgotten, so that the program
 * never waits for us. Threads: one owner.
 */
#pragma once

#include "base/bytes.h"

enum capture_keep { CAPTURE_BEGINNING, CAPTURE_END };

struct capture {
	enum capture_keep keep;
	size_t max;
	struct bytes kept;
	bool is_cut;
};

void capture_init(struct capture *c, enum capture_keep keep, size_t max);
void capture_fini(struct capture *c);
/* Without memory it keeps less. */
void capture_add(struct capture *c, const char *p, size_t n);
/* At most max bytes. */
struct slice capture_bytes(const struct capture *c);
/* Reads what is there, at most a share of it. False: its writers are gone. */
bool capture_read(struct capture *c, int fd);
