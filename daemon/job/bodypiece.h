/*
 * bodypiece -- one piece of a body that stands in a file beside its record, read by a worker.
 *
 * The file is opened, and checked against its hash, with the first piece; it stays open in .read
 * for the next ones. Threads: whoever has it; bodypiece_read blocks for the disk.
 */
#pragma once

#include "edge/store.h"

struct bodyread;

#define BODYPIECE_MAX (1u << 20)

/* A body that a task still needs is kept, whatever results are acknowledged: its row has this seq
 * until bodytext_release. */
#define BODYPIECE_HELD ((uint64_t)INT64_MAX - 1)

struct bodypiece {
	struct bodydir *dir;
	struct bodyread *read; /* NULL: to be opened */
	int fd;		       /* of bodypiece_open; -1: none */
	struct store_body row;
	uint64_t offset; /* where the next piece begins */
	size_t length;	 /* most that is wanted at once, <= BODYPIECE_MAX */
	enum err result;
	size_t n; /* what there was; 0: the end */
	char *data;
};

/* NULL: no memory. */
struct bodypiece *bodypiece_new(struct bodydir *dir, const struct store_body *row, size_t length);
/* NULL is ignored. */
void bodypiece_free(void *piece);
/* The work of an offload: reads at offset. */
int bodypiece_read(void *piece);
/* Another one: opens the file itself, unchecked, into .fd. */
int bodypiece_open(void *piece);
