/*
 * bodyfile_state -- what bodyfile.c and bodykept.c share. Nobody else includes it.
 */
#pragma once

#include "edge/bodyfile.h"
#include "edge/bodyfresh.h"
#include "edge/bodykept.h"

#include <openssl/evp.h>
#include <stdatomic.h>

#define BODY_FANOUT 256
#define BODY_NAME   64
#define BODY_KEPT   "kept"

struct bodydir {
	int fd; /* of DIR/bodies */
	bool is_durable;
	struct failure *failure;
	struct fault *fault;
	struct bodyfresh fresh;
	atomic_uint_fast64_t last_id;
	atomic_uchar dirty[BODY_FANOUT]; /* files were renamed into it since its last sync */
};

struct bodyfile {
	struct bodydir *dir;
	int fd; /* -1: parked */
	bool is_finished;
	uint64_t id, size;
	uint64_t flushed;  /* the kernel was told to begin writing that much */
	uint64_t kept_job; /* 0: in tmp; else the job whose it is, and it lies with the kept */
	EVP_MD_CTX *md;
};

enum err bodyfile_io_err(int no);
uint64_t bodydir_next_id(struct bodydir *d);
/* Opens or makes the file of that id, unhashed. IO, FULL, NOMEM. */
enum err bodyfile_make(struct bodydir *d, uint64_t id, uint64_t kept_job, int flags,
		       struct bodyfile **ret_file);
void bodykept_name(uint64_t job, uint64_t id, char name[BODY_NAME]);
/* Removes what is written down about it. */
void bodykept_forget_about(const struct bodyfile *f);
