/*
 * store_keeper -- what SQLite and memory implement for store.c, and the memory of batches and rows.
 * For the files store*.c only.
 */
#pragma once

#include "edge/failure.h"
#include "edge/store.h"

struct store_keeper {
	enum err (*apply)(struct store *s, struct store_batch *const *batch, size_t n);
	enum err (*read)(struct store *s, const struct store_query *q, struct store_rows *rows);
	bool (*is_untidy)(const struct store *s);
	enum err (*tidy)(struct store *s);
	void (*close)(struct store *s);
};

struct store {
	const struct store_keeper *keeper;
	bool is_immediate;
	struct bodydir *bodies;
	const struct log *log;
	struct fault *fault;
	uint64_t max_bytes;
	struct failure failure;
};

enum err store_sqlite_open(const struct store_options *o, struct store **ret_store);
enum err store_memory_open(const struct store_options *o, struct store **ret_store);

/* The seed of all checksums in the store. */
uint64_t store_sum(struct slice text);

/* True if an op of the batch before op number i puts this job: then conditions hold for it. */
bool store_batch_puts_job(const struct store_batch *b, uint32_t i, uint64_t job);
/* The job that an op belongs to, of kinds that only need it to be there. */
uint64_t store_op_owner(const struct store_op *op);
/* A job in this state can hear the command; an ended or cancelled one does not come back but by
 * RETRY. */
bool store_command_fits(enum store_command c, enum store_job_state s);
/* The state a command leads to. */
enum store_job_state store_command_state(enum store_command c, bool was_started);
/* "pause" …: the kind of its fact. */
const char *store_command_text(enum store_command c);
bool store_job_state_parse(struct slice text, enum store_job_state *ret_state);

enum err store_mem_copy(struct store_mem *m, struct slice text, struct slice *ret);
enum err store_mem_adopt(struct store_mem *m, void *p);
void store_mem_free(struct store_mem *m);

/*
 * A zeroed row at the end. END (and .more set) if the rows are full: one more row would pass the
 * limits of the query; NOMEM. n_bytes: what its texts take.
 */
enum err store_rows_add(struct store_rows *rows, const struct store_query *q, size_t n_bytes,
			struct store_row **ret_row);
/* Copies text into the rows' memory and gives *ret the copy. */
enum err store_rows_copy(struct store_rows *rows, struct slice text, struct slice *ret);
