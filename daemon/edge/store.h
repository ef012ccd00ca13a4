/*
 * store -- what the daemon must remember, behind one contract with two keepers: SQLite on disk
 * (durable jobs) and memory (volatile jobs, simulation). tests/unit/edge/test_store_contract.c
 * runs the same promises against both.
 *
 * Blocking code without threads of its own: the caller decides where it runs.
 *
 * Threads    SQLite: store_apply from one thread at a time (the writer), store_read from one thread
 *            at a time (the reader); the two may overlap. Memory: one thread for everything; it
 *            never blocks. batch and rows: one owner at a time, freed by any thread.
 * Atomicity  store_apply is ONE transaction over all its batches. ERR_OK means committed and
 * synced: only then may anything be acknowledged. A batch whose condition does not hold (see the
 *            ops) is left out whole, says why in .result, and does not disturb the others.
 * Order      batches apply in array order, ops in batch order; a batch sees what stood before it.
 * Failure    ERR_FULL: nothing happened, the disk is full, the store still works. ERR_NOMEM:
 * nothing happened. ERR_IO, ERR_CORRUPT: sticky. After a failed write or sync nobody knows what the
 * disk holds, so every later call fails too and the process has to start anew. Bounds     a batch:
 * STORE_BATCH_OPS ops, STORE_BATCH_BYTES bytes. Rows: see struct store_query. Times nanoseconds of
 * the wall clock unless a name says otherwise; 0 = none.
 */
#pragma once

#include "base/bytes.h"
#include "base/fault.h"
#include "base/log.h"

struct bodydir;
struct store;

#define STORE_BATCH_OPS	  65536
#define STORE_BATCH_BYTES (16u << 20)
#define STORE_TEXT_MAX	  (8u << 20) /* one text: lines of a chunk, a spec */
#define STORE_URL_MAX	  16384
#define STORE_NAME_MAX	  1024 /* a path, key, hold or counter name */

/* ---- records: the same structs go in by ops and come out as rows -------------------------- */

enum store_job_state { /* stored as text */
		       STORE_JOB_QUEUED,
		       STORE_JOB_RUNNING,
		       STORE_JOB_PAUSED,
		       STORE_JOB_CANCELLING,
		       STORE_JOB_SUCCEEDED, /* from here on: ended */
		       STORE_JOB_FAILED,
		       STORE_JOB_CANCELLED,
		       STORE_JOB_EXPIRED,
		       STORE_JOB_FORGOTTEN, /* no query shows it; pruning deletes what is left of it
					     */
		       STORE_JOB_STATES
};

/* "queued" …; never NULL. */
const char *store_job_state_text(enum store_job_state s);
static inline bool store_job_has_ended(enum store_job_state s)
{
	return s >= STORE_JOB_SUCCEEDED;
}

/* ok, failed and cancelled grow with every chunk of results by themselves; the end sets them all.
 */
struct store_totals {
	uint64_t total, ok, failed, handled, cancelled, not_started;
};

struct store_job {
	uint64_t id;
	uint32_t uid;
	uint8_t priority; /* 1 to 9 */
	bool is_attached;
	bool was_started; /* rows only: it has been RUNNING once */
	enum store_job_state state;
	struct slice name, idem;    /* idem empty: none */
	struct slice spec, vars;    /* JSON text; JOB_PUT and STORE_Q_JOB only */
	struct slice error, scopes; /* JSON text of the final record; STORE_Q_JOB only */
	int64_t wall_created_ns, wall_started_ns, wall_ended_ns;
	int64_t wall_due_ns;	  /* not before; 0 = now */
	int64_t wall_deadline_ns; /* 0 = none */
	int64_t remaining_ns;	  /* of the deadline when it was stored */
	int64_t keep_ns;	  /* after the end; 0 = the default of PRUNE */
	struct store_totals totals;
	uint64_t last_seq, acked_seq; /* rows only */
	uint64_t n_bytes;	      /* rows only: results and bodies it has in the store */
};

/* Items first … first + n - 1 of the source at path, one per line, each ended by '\n'. */
struct store_feed {
	uint64_t job;
	struct slice path;
	uint64_t first;
	uint32_t n;
	bool is_eof;   /* nothing comes after these */
	bool is_inner; /* ADD: made by the job itself, which ends from the reserve: never FULL */
	struct slice lines;
};

/* What a live scope still needs. One fact per (job, path, n); meaning belongs to the interpreter.
 */
struct store_fact {
	uint64_t job;
	struct slice path;
	uint64_t n;
	struct slice kind; /* a short word */
	int64_t wall_at_ns;
	struct slice data;
};

/* Results first_seq … first_seq + n - 1, one JSON object per line, each ended by '\n'. */
struct store_chunk {
	uint64_t job;
	uint64_t first_seq;
	uint32_t n, n_ok, n_failed, n_cancelled;
	struct slice done; /* the item ranges it finished; opaque here */
	struct slice lines;
};

/* Where a source stood when seq was committed; later chunks' `done` complete it. */
struct store_cursor {
	uint64_t job;
	struct slice path;
	uint64_t watermark;
	struct slice gaps; /* opaque here */
	uint64_t seq;
};

struct store_key {
	struct slice name;
	int64_t tat_ns, horizon_ns, blocked_until_ns;
	struct slice quota, learned; /* opaque here */
};

/* A body in a file of its own (bodyfile.h), made durable before this. */
struct store_body {
	uint64_t id;
	uint64_t job, seq;
	uint64_t size;
	uint8_t sha256[32];
};

struct store_hold {
	struct slice name, session;
	uint64_t fence;
	struct slice data; /* opaque here */
};

/* What a named object keeps: an item of a queue, a word about an event. By (name, n). */
struct store_named {
	struct slice name;
	uint64_t n;
	struct slice holder; /* who has taken it; empty: nobody */
	struct slice was;    /* NAMED_HOLD only: who must have it before */
	uint32_t tries;	     /* how often it came back */
	struct slice data;   /* opaque here */
};

/* What a server called the present state of a resource. Both texts empty: nothing. */
struct store_validator {
	uint32_t uid;
	struct slice url; /* at most STORE_URL_MAX */
	struct slice etag, last_modified;
	int64_t wall_at_ns;
};

struct store_opid {
	uint32_t uid;
	struct slice op_id;
	int64_t wall_at_ns;
	struct slice answer;
};

struct store_counter {
	struct slice name;
	uint64_t value;
};

struct store_usage {
	uint64_t n_jobs, n_queued,
		n_open;	     /* not forgotten; queued; running, paused or cancelling */
	uint64_t n_bytes;    /* results and bodies kept */
	uint64_t disk_bytes; /* of the database with its log; 0 in memory */
	bool is_low;	     /* below the low-water mark: new jobs are refused */
};

/* ---- ops ----------------------------------------------------------------------------------- */

enum store_op_kind {
	/* .job. Refused: EXISTS if (uid, idem) is there with the same spec and vars, CONFLICT if
	 * with others (.ret_job names it); EXISTS if the id is there; FULL below the low-water mark
	 * or above max_bytes. Raises the counter "job" to its id. */
	STORE_JOB_PUT,
	/* .state. Refused: NOT_FOUND. */
	STORE_JOB_STATE,
	/* .command: a user's word, remembered as a fact at path "" with n = the command, and the
	 * state it leads to. Refused: NOT_FOUND; CONFLICT if the job has ended (RETRY: if it has
	 * not). */
	STORE_JOB_COMMAND,
	/* .ref: gone for every query at once; rows and bodies go by and by (PRUNE). Refused:
	   NOT_FOUND. */
	STORE_JOB_FORGET,
	/* .feed. A chunk with the same first stays as it was. Refused: NOT_FOUND; FULL below the
	 * low-water mark. */
	STORE_FEED_ADD,
	/* .range: forgets feed chunks wholly below n; the one with is_eof stays. */
	STORE_FEED_DROP,
	/* .fact: puts or replaces. Refused: NOT_FOUND. */
	STORE_FACT_PUT,
	/* .range: the fact at path and n. */
	STORE_FACT_DROP,
	/* .range: all facts, cursors and feed chunks at path and below it. */
	STORE_TREE_DROP,
	/* .chunk. Adds to the job's totals; with n = 0 that is all. Refused: NOT_FOUND; EXISTS if
	 * its seqs are not new. */
	STORE_CHUNK_ADD,
	/* .ack: results up to seq may be dropped. Never goes back. Refused: NOT_FOUND. */
	STORE_ACK,
	/* .cursor: puts or replaces. Refused: NOT_FOUND. */
	STORE_CURSOR_PUT,
	/* .key: puts or replaces; .counter.name says which one KEY_DROP takes away. */
	STORE_KEY_PUT,
	STORE_KEY_DROP,
	/* .body. Syncs the directory of bodies first. Raises the counter "body" to its id. Refused:
	 * NOT_FOUND. */
	STORE_BODY_PUT,
	/* .body: id is the body of result seq from now on, and goes when that goes. */
	STORE_BODY_SEQ,
	/* .hold: by (name, session). */
	STORE_HOLD_PUT,
	STORE_HOLD_DROP,
	/* .named. PUT: puts or replaces. HOLD: holder and tries, if `was` has it now; else nothing.
	 * DROP: if `holder` has it. */
	STORE_NAMED_PUT,
	STORE_NAMED_HOLD,
	STORE_NAMED_DROP,
	/* .validator: puts or replaces by (uid, url); without texts what is there goes. */
	STORE_VALIDATOR_PUT,
	/* .opid. Refused: EXISTS if (uid, op_id) is there: .ret_answer is what was answered then.
	 */
	STORE_OPID_PUT,
	/* .counter: raises it to value, never lowers it. */
	STORE_COUNTER_PUT,
	/* .prune: a bounded piece of forgetting. */
	STORE_PRUNE,
	STORE_OP_KINDS
};

enum store_command {
	STORE_COMMAND_PAUSE,  /* -> paused */
	STORE_COMMAND_RESUME, /* -> running if it was ever started, else queued */
	STORE_COMMAND_CANCEL, /* -> cancelling */
	STORE_COMMAND_RETRY,  /* -> queued */
	STORE_COMMANDS
};

struct store_state_op {
	uint64_t job;
	enum store_job_state state;
	int64_t wall_at_ns; /* RUNNING sets the start once, an ended state sets the end */
	bool has_totals;
	struct store_totals totals;
	struct slice error, scopes; /* empty: as it was */
};

struct store_command_op {
	uint64_t job;
	enum store_command command;
	uint32_t uid; /* who said it */
	int64_t wall_at_ns;
	struct slice why; /* the fact's data */
};

struct store_ref_op {
	uint64_t job;
};

struct store_range_op {
	uint64_t job;
	struct slice path;
	uint64_t n;
};

struct store_ack_op {
	uint64_t job;
	uint64_t seq;
};

/*
 * Forgets, in this order and at most max_rows rows at a time: what is left of forgotten jobs; op
 * ids before wall_opid_before_ns; validators before wall_validator_before_ns, and the oldest beyond
 * STORE_VALIDATORS; ended jobs whose keep time is over; acknowledged chunks that no
 * recovery needs (ended, or behind every cursor), of attached jobs always, of others, oldest first,
 * while more than max_bytes are kept.
 */
struct store_prune_op {
	int64_t wall_now_ns, wall_opid_before_ns, wall_validator_before_ns;
	int64_t default_keep_ns; /* 0 = for ever */
	uint64_t max_bytes;	 /* 0 = no limit */
	uint64_t full_bytes;	 /* from now on new work is refused above it; 0 = as before */
	uint32_t max_rows;
	bool ret_more; /* there is more to forget: ask again */
	uint64_t ret_rows;
};

struct store_op {
	enum store_op_kind kind;
	union {
		struct store_job job;
		struct store_state_op state;
		struct store_command_op command;
		struct store_ref_op ref;
		struct store_feed feed;
		struct store_range_op range;
		struct store_fact fact;
		struct store_chunk chunk;
		struct store_ack_op ack;
		struct store_cursor cursor;
		struct store_key key;
		struct store_body body;
		struct store_hold hold;
		struct store_named named;
		struct store_validator validator;
		struct store_opid opid;
		struct store_counter counter;
		struct store_prune_op prune;
	};
};

#define STORE_VALIDATORS 10000

/* Memory that goes with a batch or with rows: freed in one go. Internal. */
struct store_block;
struct store_mem {
	struct store_block *block;
};

/* Ops that happen together or not at all. JOB_FORGET and PRUNE come last in theirs. All texts they
 * point to must live as long as it does. */
struct store_batch {
	uint64_t tag;	/* the caller's own */
	bool is_urgent; /* do not wait for more to commit with it; store_apply does not care */
	struct store_op *op;
	uint32_t n, cap;
	struct store_mem mem;
	/* what came of it, after store_apply returned ERR_OK */
	enum err result;
	uint64_t ret_job;	 /* JOB_PUT refused: the job that is there */
	struct slice ret_answer; /* OPID_PUT refused: owned by the batch */
};

/* NULL on NOMEM. */
struct store_batch *store_batch_new(void);
void store_batch_free(struct store_batch *b);
/* A zeroed op at its end, valid until the next add; NULL on NOMEM or at STORE_BATCH_OPS. */
struct store_op *store_batch_add(struct store_batch *b, enum store_op_kind kind);
/* Copies text into memory that lives as long as the batch. NOMEM, TOO_LARGE (STORE_TEXT_MAX). */
enum err store_batch_copy(struct store_batch *b, struct slice text, struct slice *ret);
/* Takes malloc'd memory to be freed with the batch (on ERR_OK). NOMEM. */
enum err store_batch_adopt(struct store_batch *b, void *p);
/* Bytes of all it carries, for bounds. */
size_t store_batch_bytes(const struct store_batch *b);

/* ---- queries ------------------------------------------------------------------------------- */

enum store_query_kind {
	STORE_Q_JOB,	  /* job -> .job with all its texts */
	STORE_Q_JOB_IDEM, /* uid, text (the idempotency key) -> .job without texts */
	STORE_Q_JOBS,	  /* has_uid/uid, after -> .job without texts, by growing id */
	STORE_Q_OPEN,	  /* after -> .job of running, paused, cancelling jobs, by growing id */
	STORE_Q_QUEUED,	  /* priority, after -> .job by priority from 9 down, then id; start with 9,
			   * 0,   go on with the last row's */
	STORE_Q_FACTS,	  /* job, after_path, after_n, has_after -> .fact by (path, n) */
	STORE_Q_FEED,	  /* job, path, after: chunks with an item >= after, or the end -> .feed */
	STORE_Q_CHUNKS,	  /* job, after (seq) -> .chunk that hold a seq > after, with lines */
	STORE_Q_DONE,	  /* the same without lines */
	STORE_Q_CURSORS,  /* job, after_path, has_after -> .cursor by path */
	STORE_Q_KEYS,	  /* text: name to start after (has_after) -> .key by name */
	STORE_Q_HOLDS, /* text, after_path: name and session to start after (has_after) -> .hold */
	STORE_Q_NAMED, /* text, after_n: name and n to start after (has_after) -> .named */
	STORE_Q_VALIDATOR, /* uid, text: the URL -> .validator */
	STORE_Q_OPID,	   /* uid, text -> .opid */
	STORE_Q_BODY,	   /* job, after (the seq itself) -> .body of that result */
	STORE_Q_BODIES,	   /* job, after (body id) -> .body by growing id */
	STORE_Q_COUNTER,   /* text -> .counter; 0 if it was never raised */
	STORE_Q_USAGE,	   /* -> .usage */
	STORE_QUERY_KINDS
};

#define STORE_ROWS_MAX	     1000
#define STORE_ROWS_BYTES_MAX (4u << 20)

struct store_query {
	enum store_query_kind kind;
	uint64_t job;
	uint64_t after;
	uint32_t uid;
	uint8_t priority;
	bool has_uid, has_after;
	struct slice path, after_path, text;
	uint64_t after_n;
	uint32_t max_rows;  /* 0 or more than STORE_ROWS_MAX: STORE_ROWS_MAX */
	uint32_t max_bytes; /* 0 or more than STORE_ROWS_BYTES_MAX: that; one row always fits */
};

struct store_row {
	union {
		struct store_job job;
		struct store_feed feed;
		struct store_fact fact;
		struct store_chunk chunk;
		struct store_cursor cursor;
		struct store_key key;
		struct store_body body;
		struct store_hold hold;
		struct store_named named;
		struct store_validator validator;
		struct store_opid opid;
		struct store_counter counter;
		struct store_usage usage;
	};
};

/* Zero-initialised: empty. */
struct store_rows {
	struct store_row *row; /* texts are owned by the rows */
	uint32_t n, cap;
	bool more; /* cut at max_rows or max_bytes */
	size_t n_bytes;
	struct store_mem mem;
};

void store_rows_fini(struct store_rows *rows);

/* ---- the store ----------------------------------------------------------------------------- */

enum store_kind { STORE_SQLITE, STORE_MEMORY };

struct store_options {
	enum store_kind kind;
	const char *dir; /* SQLITE: exists, locked by the caller (lockfile.h). MEMORY: may be NULL:
			  * then it has no place for bodies */
	struct bodydir
		*bodies; /* MEMORY without dir: another's place for bodies, which outlives it */
	bool plays_disk; /* MEMORY: not immediate, so that it is used as a disk is; for simulation
			  */
	uint64_t max_bytes;	  /* results and bodies kept; 0 = no limit */
	uint64_t low_water_bytes; /* free space below which new work is refused; 0 = the default */
	uint64_t ballast_bytes;	  /* kept aside for a full disk; 0 = the default */
	const struct log *log;
	struct fault *fault;
	/* Seams for tests. NULL: the system's. */
	const char *vfs;
	void *free_ctx;
	uint64_t (*free_bytes)(void *ctx);
};

/*
 * Opens, creates or migrates; recovers what a crash left; sweeps bodies without a row.
 * Errors: IO, CORRUPT, FULL, NOMEM, UNSUPPORTED (written by a newer version), INVALID (no
 * directory).
 */
enum err store_open(const struct store_options *o, struct store **ret_store);
/* SQLite: moves its log into the database. */
void store_close(struct store *s);

/*
 * Work that would delay the next acknowledgement if store_apply did it: moves the log into the
 * database past a mark, gives free pages back, restores the ballast. To be called between applies,
 * on the writer's thread, when store_is_untidy (any thread) says so. Errors: the sticky ones.
 */
bool store_is_untidy(const struct store *s);
enum err store_tidy(struct store *s);

/* Blocks for the disk. batches of one call may be any of the caller's; they stay the caller's. */
enum err store_apply(struct store *s, struct store_batch *const *batch, size_t n);

/*
 * Appends to *rows (empty before). NOT_FOUND: nothing there, for kinds that name one thing.
 * CORRUPT: a text does not match its checksum (only this query fails) or the database is broken
 * (sticky). On any error *rows is empty.
 */
enum err store_read(struct store *s, const struct store_query *q, struct store_rows *rows);

/* ERR_OK, or the sticky failure. Any thread. */
enum err store_failed(const struct store *s);
/* "store.db: disk I/O error (…)" of the first failure, for the log; "" if none. Any thread. */
const char *store_failure_text(const struct store *s);
/* It never blocks and is to be called on the caller's own thread (memory). */
bool store_is_immediate(const struct store *s);
/* Where bodies live, owned by the store; NULL: no place for them. */
struct bodydir *store_bodies(struct store *s);
