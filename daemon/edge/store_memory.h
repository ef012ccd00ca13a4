/*
 * store_memory -- the inside of the memory store, for the files store_memory*.c only.
 *
 * Jobs in an array ordered by id; what belongs to a job in arrays of its own. Every record is one
 * block: its struct, then the bytes of its texts. Without memory in the middle of a batch the store
 * fails for good, since half a batch must not be.
 */
#pragma once

#include "edge/ordered.h"
#include "edge/store_keeper.h"

struct mem_job {
	struct store_job job; /* texts in blocks of their own */
	struct store_mem texts;
	uint64_t pruned_seq;
	int64_t wall_expires_ns;
	struct ordered feed, fact, chunk, cursor, body;
};

struct mem_store {
	struct store base;
	struct ordered job, key, hold, named, validator, opid, counter;
	bool owns_bodies;
	uint64_t used_bytes;
	bool must_prune; /* something was forgotten or acknowledged */
};

/* store_memory.c: order, look-up, records. */
int mem_cmp_job(const void *item, const void *id);
int mem_cmp_feed(const void *item, const void *feed);
int mem_cmp_fact(const void *item, const void *fact);
int mem_cmp_chunk(const void *item, const void *seq);
int mem_cmp_cursor(const void *item, const void *path);
int mem_cmp_body(const void *item, const void *id);
int mem_cmp_key(const void *item, const void *name);
int mem_cmp_hold(const void *item, const void *hold);
int mem_cmp_named(const void *item, const void *named);
int mem_cmp_validator(const void *item, const void *validator);
int mem_cmp_opid(const void *item, const void *opid);
int mem_cmp_counter(const void *item, const void *name);
/* NULL: not there, or forgotten. */
struct mem_job *mem_job_find(const struct mem_store *s, uint64_t id);
/* NULL: none with this key. */
struct mem_job *mem_job_by_idem(const struct mem_store *s, uint32_t uid, struct slice idem);
/* A copy of a record with its n texts (pointers into the record) behind it; NULL: no memory. */
void *mem_record(const void *record, size_t size, struct slice *const *text, size_t n);
/* Order of bytes, shorter first, as SQLite's. */
int mem_cmp_slice(struct slice a, struct slice b);
void mem_list_free(struct ordered *o);
void mem_job_free(struct mem_job *j);

/* store_memory_ops.c */
enum err mem_batch(struct mem_store *s, struct store_batch *b);
/* store_memory_named.c */
enum err mem_named_put(struct mem_store *s, struct store_op *op);
enum err mem_named_hold(struct mem_store *s, struct store_op *op);
enum err mem_named_drop(struct mem_store *s, struct store_op *op);
/* store_memory_validator.c */
enum err mem_validator_put(struct mem_store *s, struct store_op *op);
/* The one told longest ago, if it was before that or they are too many; false: none. */
bool mem_validator_forget(struct mem_store *s, int64_t wall_before_ns);
/* store_memory_prune.c */
enum err mem_prune(struct mem_store *s, struct store_prune_op *op);
/* store_memory_read.c */
enum err mem_read(struct store *base, const struct store_query *q, struct store_rows *rows);
