/*
 * spec_build -- the inside of spec: what the readers of a job file share while the tree is made.
 *
 * Every reader takes a JSON value and where it stands, and tells errors by fields_fail; NOMEM and
 * TOO_LARGE are those of the arena. The json tree is borrowed and lives as long as the spec.
 */
#pragma once

#include "base/table.h"
#include "job/spec.h"
#include "proto/fields.h"

/* A job_spec with what holds it. */
struct spec_whole {
	struct job_spec s; /* first */
	uint32_t refs;
	struct arena arena;
	json_t *tree;	  /* the text */
	json_t *rendered; /* an array: trees whose variables were replaced */
	json_t *vars;
	struct interp_env vars_env;
	struct table ids; /* id to struct node */
};

/* A name that ${…} may use here; the innermost first. */
struct spec_scope {
	const struct spec_scope *up;
	struct slice name;
	struct node *node; /* of an id; NULL: an item, an entered value, error, outcome */
};

struct spec_build {
	struct spec_whole *w;
	struct arena *a; /* w's */
	struct fields_read rd;
	enum kind kind; /* of the failure */
	bool from_config;
	const struct spec_scope *scope;
	const struct spec_scope *item; /* of the each right around; NULL: none */
	uint32_t depth;
	json_t *kept; /* what spec_keep fills; NULL: w's */
	bool is_late; /* the task starts: what is read has been rendered, no reference is left in it
		       */
};

/* ---- names: spec_names.c ---- */

/* Every reference of t must be known here. *ret_n_run: how many are not variables. */
enum err spec_check_names(struct spec_build *b, const struct tmpl *t, const struct fields_at *at,
			  uint32_t *ret_n_run);
/* `of` of a condition. */
enum err spec_check_of(struct spec_build *b, const struct cond *c, const struct fields_at *at);
/* A name that is to be given: valid, not reserved, not a variable's. */
enum err spec_check_new_name(struct spec_build *b, const char *name, const struct fields_at *at);

/* ---- values: spec_values.c ---- */

/* A string with references; what only needs variables comes out as TMPL_LITERAL. */
enum err spec_read_tmpl(struct spec_build *b, const json_t *v, const struct fields_at *at,
			enum tmpl_use use, struct tmpl *ret);
/* The same into the arena. what: "emit", for the message. */
enum err spec_read_text(struct spec_build *b, const json_t *v, const struct fields_at *at,
			const char *what, const struct tmpl **ret);
/* The name of a queue, lock, event …: as text; if it is known now, 1 to SPEC_MAX_NAME bytes. */
enum err spec_read_name(struct spec_build *b, const json_t *v, const struct fields_at *at,
			const char *what, const struct tmpl **ret);
enum err spec_read_dur(struct spec_build *b, const json_t *v, const struct fields_at *at,
		       const char *what, struct spec_dur *ret);
enum err spec_read_value(struct spec_build *b, const json_t *v, const struct fields_at *at,
			 struct spec_value *ret);
/* A tree where only variables may stand: *ret is without references. */
enum err spec_read_fixed(struct spec_build *b, const json_t *v, const struct fields_at *at,
			 const json_t **ret);
/* ---- what is known when the task starts: spec_late.c ---- */

struct late_spot {
	struct node *n; /* NULL: only variables may stand */
	enum late_phase phase;
	enum late_kind kind;
	uint32_t index;
};

/* Like spec_read_fixed, but *ret is NULL if it is to be read when the task starts. */
enum err spec_read_later(struct spec_build *b, const json_t *v, const struct fields_at *at,
			 struct late_spot spot, const json_t **ret);

/* A member that may be read later, and what stands for it until then, as JSON. */
struct late_member {
	const char *name, *stand_in;
};

/* *ret is v, with a stand-in for each of the n members that is to be read later. */
enum err spec_take_later(struct spec_build *b, const json_t *v, const struct fields_at *at,
			 struct late_spot spot, const struct late_member *member, size_t n,
			 const json_t **ret);
/* Readers of members, for spec_late.c: v has no references. */
enum err spec_read_kinds(struct spec_build *b, const json_t *v, const struct fields_at *at,
			 struct kindset *ret);
enum err spec_read_each_numbers(struct spec_build *b, const json_t *v, const struct fields_at *at,
				struct node *n);
enum err spec_read_marks(struct spec_build *b, const json_t *v, const struct fields_at *at,
			 struct source *s);
enum err spec_read_items(struct spec_build *b, const json_t *v, const struct fields_at *at,
			 struct source *s);
enum err spec_read_page_places(struct spec_build *b, const json_t *v, const struct fields_at *at,
			       struct source *s);

/* A condition, in whose comparisons references may stand: cond_holds_in. */
enum err spec_read_cond(struct spec_build *b, const json_t *v, const struct fields_at *at,
			enum cond_use use, struct late_spot spot, const struct cond **ret);
enum err spec_read_pointer(struct spec_build *b, const char *text, const struct fields_at *at,
			   struct slice *ret);
/* Takes the reference; the tree lives as long as the spec. */
enum err spec_keep(struct spec_build *b, json_t *rendered);
/* fields_read of an object in whose plain members (not F_JSON, F_CUSTOM) variables may stand. */
enum err spec_read_fields(struct spec_build *b, const struct field_table *t, const json_t *v,
			  const struct fields_at *at, void *out, uint64_t *ret_seen);

/* ---- fetches: spec_fetch.c ---- */

enum err spec_read_fetch(struct spec_build *b, const json_t *v, const struct fields_at *at,
			 struct fetch_tmpl *ret);
/* defaults.fetch. */
enum err spec_read_fetch_defaults(struct spec_build *b, const json_t *v, const struct fields_at *at,
				  struct fetch_spec *ret);

/* ---- tasks: spec_task.c, spec_mods.c, spec_verbs.c, spec_source.c ---- */

struct spec_spot {
	enum node_place place;
	uint32_t index;
	const struct node *parent;
};

enum err spec_read_task(struct spec_build *b, const json_t *v, const struct fields_at *at,
			struct spec_spot spot, struct node **ret);

/* A fetch by its payload alone. */
enum err spec_read_fetch_task(struct spec_build *b, const json_t *v, const struct fields_at *at,
			      struct spec_spot spot, struct node **ret);

/* The members of a task's object, as they were written. */
struct task_draft {
	const json_t *verb[VERB_COUNT];
	const json_t *when, *finally, *catch, *timeout, *retry, *with, *tag;
	const char *id;
	int64_t min_ok; /* -1: not said */
	const json_t *stagger;
};
extern const struct field_table spec_task_table;

/* One payload; at: of the payload. */
typedef enum err (*spec_verb_reader)(struct spec_build *b, const json_t *v,
				     const struct fields_at *at, struct node *n);
spec_verb_reader spec_reader_of(enum verb v);

/* Modifiers, each at its member; what stands outside of `with` sees none of its names. */
enum err spec_read_outer_mods(struct spec_build *b, const struct task_draft *d,
			      const struct fields_at *at, struct node *n);
/* Pushes the names that `with` gives; the caller restores b->scope. */
enum err spec_read_with(struct spec_build *b, const json_t *v, const struct fields_at *at,
			struct node *n);
enum err spec_read_retry(struct spec_build *b, const json_t *v, const struct fields_at *at,
			 const struct retry_spec *defaults, bool is_here, struct retry_spec *ret);
enum err spec_read_source(struct spec_build *b, const json_t *v, const struct fields_at *at,
			  struct node *n, struct source *ret);

extern const struct field_table spec_retry_table, spec_catch_table, spec_with_table,
	spec_each_table, spec_exec_table, spec_put_table, spec_take_table, spec_pages_table,
	spec_source_table, spec_job_table, spec_defaults_table, spec_limits_table,
	spec_results_table;

/* ---- places ---- */

static inline struct fields_at spec_at(const struct fields_at *up, const char *member)
{
	return (struct fields_at){.up = up, .member = member};
}

static inline struct fields_at spec_at_index(const struct fields_at *up, size_t index)
{
	return (struct fields_at){.up = up, .index = index};
}

static inline struct slice spec_text_of(const json_t *v)
{
	return (struct slice){json_string_value(v), json_string_length(v)};
}

/* A custom reader for fields tables: keeps the value as it stands. */
enum err spec_keep_json(struct fields_read *rd, const json_t *v, const struct fields_at *at,
			void *out);
