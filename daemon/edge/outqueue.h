/*
 * outqueue -- the frames a connection still has to send, oldest first, bounded by its owner.
 *
 * A frame is a small head of its own and a body that is either its own or shared with other
 * connections (one event to many subscribers); an open file may go with it. Threads: one owner.
 */
#pragma once

#include "base/bytes.h"
#include "base/list.h"

#include <sys/uio.h>

#define OUTQUEUE_HEAD_MAX 48
#define OUTQUEUE_IOV	  64

/* A body with references; freed by the last. */
struct outshare {
	uint32_t refs;
	size_t n;
	char p[];
};

struct outqueue {
	struct link frames;
	uint32_t n_frames; /* small ones behind another count as one with it */
	uint32_t n_files;
	size_t n_bytes; /* unsent */
};

void outqueue_init(struct outqueue *q);
void outqueue_fini(struct outqueue *q);
/* Takes *body over (left empty) in any case. Errors: NOMEM. */
enum err outqueue_push(struct outqueue *q, const void *head, size_t n_head, struct bytes *body);
/* The same with an open file, taken over too. */
enum err outqueue_push_file(struct outqueue *q, const void *head, size_t n_head, struct bytes *body,
			    int fd);
/* Takes one reference of its own. Errors: NOMEM. */
enum err outqueue_push_shared(struct outqueue *q, const void *head, size_t n_head,
			      struct outshare *body);
/* Drops the oldest frame of which nothing has been sent; false if there is none. */
bool outqueue_drop_oldest(struct outqueue *q);
/*
 * What to write next: up to OUTQUEUE_IOV pieces; returns how many. *ret_fd: the file that goes with
 * them, still the queue's; -1: none. Such a frame is written alone, so that whoever receives the
 * file can tell the frame: its bytes are the last of that read.
 */
int outqueue_pieces(const struct outqueue *q, struct iovec v[OUTQUEUE_IOV], int *ret_fd);
/* n bytes of these were sent, and the file with the first. */
void outqueue_sent(struct outqueue *q, size_t n);
void outshare_drop(struct outshare *s);
