/*
 * fields -- tables that say which members an object from outside may have, and where they go.
 *
 *	static const struct field each_field[] = {
 *		F_JSON("in", struct each_spec, source, FIELD_REQUIRED, "what to iterate"),
 *		F_INT("concurrency", struct each_spec, concurrency, 1, 4096, FIELD_OPTIONAL, "..."),
 *	};
 *	static const struct field_table each_table = FIELD_TABLE("each", each_field);
 *
 * Members that are not in the table are refused by name, with the nearest name that is. Strings
 * and trees are borrowed from the json_t and live as long as it does. Optional members that are
 * absent leave the struct as the caller filled it. Null is a value like others: refused unless the
 * field is F_JSON or F_CUSTOM. Threads: none of its own.
 */
#pragma once

#include "base/bytes.h"
#include "proto/units.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field_type {
	FIELD_STRING,	/* const char *; min and max bytes; without NUL */
	FIELD_BOOL,	/* bool */
	FIELD_INT,	/* int64_t */
	FIELD_NUMBER,	/* double */
	FIELD_DURATION, /* int64_t milliseconds, from text */
	FIELD_SIZE,	/* int64_t bytes, from text or an integer */
	FIELD_RATE,	/* struct units_rate, from text */
	FIELD_ENUM,	/* int, from one of names */
	FIELD_JSON,	/* const json_t *, any type */
	FIELD_OBJECT,	/* an embedded struct, read with .table */
	FIELD_CUSTOM,	/* whatever .read makes of it */
};

enum field_need { FIELD_OPTIONAL, FIELD_REQUIRED };

struct field_name {
	const char *name; /* NULL ends the list */
	int value;
};

/* Where in a document a value stands: a chain on the stack, made into a pointer on errors only. */
struct fields_at {
	const struct fields_at *up; /* NULL: the document */
	const char *member;	    /* or NULL, and then index */
	size_t index;
};

struct fields_error {
	char pointer[512]; /* JSON Pointer of the value that is wrong; cut at a segment if long */
	char member[128];  /* the member of it that is to blame; "" = the value itself */
	char text[256];	   /* "unknown member \"ulr\"; did you mean \"url\"?" */
};

/* What a reading shares: where errors go, and what custom readers need. */
struct fields_read {
	struct fields_error *error;
	void *user;
};

/*
 * Reads one value into `out` (the address of the field's member). On failure calls fields_fail and
 * returns what that returned.
 */
typedef enum err (*fields_custom)(struct fields_read *rd, const json_t *value,
				  const struct fields_at *at, void *out);

struct field {
	const char *name;
	enum field_type type;
	enum field_need need;
	size_t offset;
	int64_t min, max;		 /* both 0: any */
	const struct field_name *names;	 /* FIELD_ENUM */
	const struct field_table *table; /* FIELD_OBJECT */
	fields_custom read;		 /* FIELD_CUSTOM */
	const char *schema; /* FIELD_CUSTOM: its JSON Schema, as text; NULL = anything */
	const char *doc;
};

struct field_table {
	const char *name; /* "fetch": for messages and the schema */
	const struct field *field;
	size_t n;
};

#define FIELD_TABLE(name, rows)                                                                    \
	{                                                                                          \
		(name), (rows), sizeof(rows) / sizeof((rows)[0])                                   \
	}

#define FIELD_ROW(nm, ty, st, mb, lo, hi, nd, dc)                                                  \
	.name = (nm), .type = (ty), .offset = offsetof(st, mb), .min = (lo), .max = (hi),          \
	.need = (nd), .doc = (dc)
#define F_STRING(nm, st, mb, lo, hi, nd, dc)                                                       \
	{                                                                                          \
		FIELD_ROW(nm, FIELD_STRING, st, mb, lo, hi, nd, dc)                                \
	}
#define F_BOOL(nm, st, mb, nd, dc)                                                                 \
	{                                                                                          \
		FIELD_ROW(nm, FIELD_BOOL, st, mb, 0, 0, nd, dc)                                    \
	}
#define F_INT(nm, st, mb, lo, hi, nd, dc)                                                          \
	{                                                                                          \
		FIELD_ROW(nm, FIELD_INT, st, mb, lo, hi, nd, dc)                                   \
	}
#define F_NUMBER(nm, st, mb, lo, hi, nd, dc)                                                       \
	{                                                                                          \
		FIELD_ROW(nm, FIELD_NUMBER, st, mb, lo, hi, nd, dc)                                \
	}
#define F_DURATION(nm, st, mb, lo, hi, nd, dc)                                                     \
	{                                                                                          \
		FIELD_ROW(nm, FIELD_DURATION, st, mb, lo, hi, nd, dc)                              \
	}
#define F_SIZE(nm, st, mb, lo, hi, nd, dc)                                                         \
	{                                                                                          \
		FIELD_ROW(nm, FIELD_SIZE, st, mb, lo, hi, nd, dc)                                  \
	}
#define F_RATE(nm, st, mb, nd, dc)                                                                 \
	{                                                                                          \
		FIELD_ROW(nm, FIELD_RATE, st, mb, 0, 0, nd, dc)                                    \
	}
#define F_ENUM(nm, st, mb, list, nd, dc)                                                           \
	{                                                                                          \
		FIELD_ROW(nm, FIELD_ENUM, st, mb, 0, 0, nd, dc), .names = (list)                   \
	}
#define F_JSON(nm, st, mb, nd, dc)                                                                 \
	{                                                                                          \
		FIELD_ROW(nm, FIELD_JSON, st, mb, 0, 0, nd, dc)                                    \
	}
#define F_OBJECT(nm, st, mb, tbl, nd, dc)                                                          \
	{                                                                                          \
		FIELD_ROW(nm, FIELD_OBJECT, st, mb, 0, 0, nd, dc), .table = (tbl)                  \
	}
/* fn may ignore out; sch is JSON Schema text or NULL. */
#define F_CUSTOM(nm, st, mb, fn, sch, nd, dc)                                                      \
	{                                                                                          \
		FIELD_ROW(nm, FIELD_CUSTOM, st, mb, 0, 0, nd, dc), .read = (fn), .schema = (sch)   \
	}

/*
 * Reads object into *out by the table. *ret_seen (may be NULL) gets bit i for row i that was there
 * (tables have at most 64 rows). Errors: INVALID with *rd->error filled; what custom readers give.
 */
enum err fields_read(struct fields_read *rd, const struct field_table *t, const json_t *object,
		     const struct fields_at *at, void *out, uint64_t *ret_seen);

/* The same with one error and no user: for messages and files read by one table. */
enum err fields_read_object(const struct field_table *t, const json_t *object, void *out,
			    uint64_t *ret_seen, struct fields_error *ret_error);

/* Fills rd->error and returns ERR_INVALID; member NULL blames the value at `at` itself. */
enum err fields_fail(struct fields_read *rd, const struct fields_at *at, const char *member,
		     const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Which of the names is nearest to a misspelt one, or NULL if none is near. */
const char *fields_nearest(const char *wrong, const char *const *names, size_t n);

/*
 * One sentence for people: "line 3, column 7, at /run/group/0: unknown member ...". text is the
 * document, or empty if there is none (then without line and column).
 */
void fields_error_add(struct bytes *out, const struct fields_error *e, struct slice text);

/* Appends the JSON Schema (2020-12) of a table: one object. */
void fields_add_schema(struct bytes *out, const struct field_table *t);
