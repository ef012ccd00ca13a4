/*
 * spec -- the parsed job file: an immutable tree of tasks.
 *
 * A text either becomes a whole tree that passed every check that can be made before running, or
 * one error with its place. Nothing in the tree changes after job_spec_parse; everything in it
 * lives until the last job_spec_unref.
 *
 * Text values are templates (model/interp.h). Variables of the job are replaced while parsing, so
 * what is left refers to what exists only at run time: item names, ids, `error`, `outcome`.
 *
 * Threads    references are counted without locks: one thread.
 */
#pragma once

#include "base/bytes.h"
#include "job/fetchspec.h"
#include "model/cond.h"
#include "model/interp.h"
#include "model/kindset.h"
#include "model/statuses.h"
#include "proto/units.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define SPEC_MAX_DEPTH	     32 /* tasks within tasks */
#define SPEC_MAX_NODES	     10000
#define SPEC_MAX_CONCURRENCY 65536
#define SPEC_MAX_ATTEMPTS    1000
#define SPEC_MAX_LIST	     1000 /* catch clauses, with entries, headers, mirrors, argv ... */
#define SPEC_MAX_NAME	     200  /* of a job, queue, lock, event, semaphore */

enum verb {
#define VERB(name, ...) VERB_##name,
#include "job/verbs.def"
#undef VERB
	VERB_COUNT
};

/* "fetch"; never NULL. */
const char *verb_name(enum verb v);
/* A leaf does something outside and gives a result line. */
bool verb_is_leaf(enum verb v);

/* ---- values that may hold references ---- */

struct spec_dur {
	int64_t ms;	      /* if t is NULL */
	const struct tmpl *t; /* else rendered and read as a duration */
};

struct spec_value {
	const json_t *json;	       /* NULL: absent */
	bool has_refs;		       /* else json is the value itself */
	const struct interp_env *last; /* the variables, as in struct tmpl */
};

/* Duration in ms. INVALID (also for what the text turns out to be), NOT_FOUND, NOMEM, TOO_LARGE. */
enum err spec_dur_render(const struct spec_dur *d, const struct interp_env *env, int64_t *ret_ms,
			 struct interp_error *e);
/* A new reference, not to be changed by the caller. */
enum err spec_value_render(const struct spec_value *v, const struct interp_env *env, json_t **ret,
			   struct interp_error *e);

/* ---- tasks ---- */

struct node;

enum source_kind {
	SOURCE_LIST,	/* .value renders to an array */
	SOURCE_RANGE,	/* .value renders to [from,to] or [from,to,step]; to is not included */
	SOURCE_FILE,	/* .path */
	SOURCE_FEED,	/* at most one in a job */
	SOURCE_QUEUE,	/* .name */
	SOURCE_PAGES,	/* .task is the first, .pages */
	SOURCE_JSON,	/* .task, .items */
	SOURCE_LINES,	/* .task */
	SOURCE_BETWEEN, /* .task, .open, .close */
	SOURCE_EMITS,	/* .task */
};

struct spec_range {
	int64_t from, to, step; /* step != 0 */
};

struct source {
	enum source_kind kind;
	struct spec_value value;
	bool has_range; /* SOURCE_RANGE without references: .range is it */
	struct spec_range range;
	struct slice path; /* SOURCE_FILE: an absolute path */
	const struct tmpl *name;
	const struct node *task; /* its path piece is ".s"; of pages ".s.<number of the page>" */
	struct slice items;	 /* a JSON pointer; "" is the whole */
	struct slice open, close;
	struct {
		bool by_link;	   /* the Link header's rel=next, else .next */
		struct slice next; /* a pointer to the URL of the next page */
		struct slice items;
	} pages;
};

/* Reads a rendered range. INVALID with a sentence: not two or three integers, step 0. */
enum err spec_range_read(const json_t *v, struct spec_range *ret, char sentence[128]);
/* How many items it has. */
uint64_t spec_range_count(const struct spec_range *r);

enum each_mode { EACH_GATHER, EACH_GROUP };

struct each_spec {
	struct source in;
	struct slice as; /* "item" */
	int64_t concurrency;
	enum each_mode mode;
	int64_t min_ok; /* 0: none */
	const struct cond *where;
	const struct node *run; /* `do`; its path piece is the item's index */
	/* `do` is {"fetch":"${as}"}: items are URLs or fetch objects and may stay raw text. */
	bool is_fetch_item;
};

struct exec_env {
	struct slice name;
	struct tmpl value;
};

struct exec_spec {
	const struct tmpl *argv;
	uint32_t n_argv;
	const struct tmpl *input; /* stdin; NULL: none */
	const struct exec_env *env;
	uint32_t n_env;
	struct spec_dur timeout; /* ms 0: none */
};

struct retry_spec {
	int64_t attempts;   /* the first included */
	int64_t backoff_ms; /* of the first wait, before jitter */
	int64_t max_ms;	    /* of one wait */
	bool has_on;	    /* else by the rules of fetch */
	bool on_is_here;    /* said on this very task, not by defaults: allows POST and the like */
	struct kindset on_kinds;
	struct statuses on_statuses;
};

struct catch_clause {
	struct kindset kinds;
	const struct node *run; /* ".ck" */
};

enum with_kind { WITH_LOCK, WITH_SEMAPHORE, WITH_PERMIT, WITH_ENTER };

struct with_spec {
	enum with_kind kind;
	const struct tmpl *name;  /* lock, semaphore, permit key */
	int64_t capacity, units;  /* semaphore */
	int64_t cost;		  /* permit */
	const struct node *enter; /* ".wi" */
	const struct node *exit;  /* ".xi"; NULL: none */
	struct slice as;	  /* n == 0: none */
};

/*
 * What is known only when the task starts: members whose form has to be checked (numbers, lists of
 * kinds, marks) and in which references stand. The rest of them has been read already.
 */
enum late_phase { LATE_WHEN, LATE_OUTER, LATE_INNER, LATE_PHASES };

enum late_kind {
	LATE_OF_WHEN,	 /* the condition */
	LATE_OF_RETRY,	 /* members of it */
	LATE_OF_CATCH,	 /* kinds of clause .index */
	LATE_OF_GATHER,	 /* {"min_ok":…} */
	LATE_OF_EACH,	 /* members: concurrency, mode, min_ok */
	LATE_OF_WHERE,	 /* the condition */
	LATE_OF_BETWEEN, /* the marks */
	LATE_OF_JSON,	 /* the pointer to the items */
	LATE_OF_PAGES,	 /* members: next, items */
};

struct spec_late {
	enum late_kind kind;
	uint32_t index;
	struct spec_value value;
	const struct spec_late *next;
};

/* Where a node hangs: what the last piece of its path looks like. */
enum node_place {
	PLACE_ROOT,    /* "0" */
	PLACE_CHILD,   /* ".3" */
	PLACE_EACH,    /* ".<index of the item>" */
	PLACE_CATCH,   /* ".c0" */
	PLACE_FINALLY, /* ".f" */
	PLACE_SOURCE,  /* ".s" */
	PLACE_PAGE,    /* ".s.<number of the page>" */
	PLACE_ENTER,   /* ".w0" */
	PLACE_EXIT,    /* ".x0" */
};

struct node {
	enum verb verb;
	enum node_place place;
	uint32_t index;	 /* within its place */
	uint32_t serial; /* in order of the text; root 0, < job_spec.n_nodes: for tables aside */
	uint32_t depth;	 /* root 0 */
	const struct node *parent;
	const struct spec_late *late[LATE_PHASES]; /* NULL: none */

	struct slice id;       /* n == 0: none */
	bool is_read;	       /* some ${id} or `of` asks for its value or outcome */
	struct spec_value tag; /* for result lines; a fetch's own tag goes before */

	/* Modifiers, outside in; absent ones are NULL, n 0, or has_ false. */
	const struct cond *when;
	const struct node *finally;
	const struct catch_clause *catch;
	uint32_t n_catch;
	bool has_timeout;
	struct spec_dur timeout;
	const struct retry_spec *retry; /* never NULL for fetch */
	const struct with_spec *with;
	uint32_t n_with;

	/* group gather any fallback sequence */
	const struct node *const *child;
	uint32_t n_child;

	union {
		struct fetch_tmpl fetch;
		struct {
			int64_t min_ok; /* 0: none */
		} gather;
		struct {
			bool has_stagger; /* else the next starts only after a failure */
			struct spec_dur stagger;
		} any;
		struct each_spec each;
		struct spec_dur sleep;
		struct spec_value emit;
		const struct tmpl *fail;
		struct exec_spec exec;
		struct {
			const struct tmpl *queue;
			struct spec_value value;
		} put;
		const struct tmpl *take;  /* queue */
		const struct tmpl *event; /* set clear wait */
	} u;
};

/* A node whose late members have been read; made for one task. */
struct late_node;
struct job_spec;
/* A copy of n without any of them. NULL: no memory. */
struct late_node *late_node_new(struct job_spec *s, const struct node *n);
void late_node_free(struct late_node *l);
const struct node *late_node(const struct late_node *l);
/* Reads those of the phase. INVALID with a sentence, NOMEM. */
enum err late_node_read(struct late_node *l, enum late_phase phase, const struct interp_env *env,
			char sentence[512]);

/* The last piece of a node's path with its dot: ".3", ".c0", ".f"; root "0"; PLACE_EACH "",
 * PLACE_PAGE ".s". */
#define NODE_PIECE_MAX 16
void node_piece(const struct node *n, char ret[NODE_PIECE_MAX]);

/*
 * Every node in the order of serial. visit returning false stops. Children, `do`, sources,
 * handlers, finally, enter and exit are all visited.
 */
void node_walk(const struct node *root, bool (*visit)(void *ctx, const struct node *n), void *ctx);

/* ---- the job ---- */

/* In .select whenever the job has one: job, seq, task and ok always, else what it names. */
#define RESULTS_SELECT_SAID (UINT32_C(1) << 31)

struct results_spec {
	bool body_inline; /* true; else none */
	const struct cond *where;
	uint32_t select;	     /* of enum result_key; 0: all */
	const struct slice *pointer; /* selected members of the JSON body, beside select */
	uint32_t n_pointer;
	bool has_keep;
	int64_t keep_ms;
	bool ordered;
};

struct job_limits {
	bool has_rate;
	struct units_rate rate;
	int64_t burst;	     /* 1 */
	int64_t concurrency; /* 0: not said */
};

struct job_spec {
	struct slice name; /* n == 0: none */
	bool has_deadline;
	int64_t deadline_ms;
	bool durable;
	struct slice idempotency_key; /* n == 0: none */
	int64_t priority;	      /* 1 to 9 */
	struct job_limits limits;
	struct results_spec results;
	struct fetch_spec fetch_defaults; /* no url */
	struct retry_spec retry_defaults;
	const struct slice *cookie; /* lines of a cookie file: what the jar begins with */
	uint32_t n_cookie;
	const json_t *schedule; /* job files of the configuration; NULL: none */
	bool has_feed;		/* some source is {"feed":true} */
	uint32_t n_nodes;
	uint32_t verbs; /* bit of every verb that occurs */
	const struct node *root;
};

struct spec_options {
	bool from_config; /* a job file of the configuration: may have `schedule` and {"file":…} */
	const json_t *vars; /* an object, or NULL: names that ${…} may use, any type */
	uint64_t seed[2];   /* for jsonscan's table of member names */
	size_t max_bytes;   /* of the tree; 0 = 64 MiB */
};

struct spec_error {
	enum kind kind;	       /* REQUEST_INVALID, REQUEST_TOO_LARGE, URL_INVALID, MEMORY */
	uint32_t line, column; /* from 1, in the text */
	char path[512];	       /* a JSON pointer: "/run/each/do" */
	char sentence[512];    /* "unknown member \"ulr\"; did you mean \"url\"?" */
};

/*
 * Parses and checks the whole text. The tree has one reference, the caller's. Errors, all told in
 * *e: INVALID, TOO_LARGE, NOMEM.
 */
enum err job_spec_parse(struct slice text, const struct spec_options *o, struct job_spec **ret,
			struct spec_error *e);
/* "line 3, column 7, at /run/group/0: unknown member …" */
void spec_error_add(struct bytes *out, const struct spec_error *e);

struct job_spec *job_spec_ref(struct job_spec *s);
/* NULL is allowed. */
void job_spec_unref(struct job_spec *s);
/* NULL if no task bears that id. */
const struct node *job_spec_by_id(const struct job_spec *s, struct slice id);
