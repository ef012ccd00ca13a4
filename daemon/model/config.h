/*
 * config -- the configuration: musterd.json and the files of conf.d merged over it.
 *
 * Files are read in order into one struct: a value replaces what an earlier file said, lists
 * (limits, admins, network.*, exec.programs) grow. Unknown names are refused with file, line and
 * column. Either all of it becomes a struct config or nothing does. Texts in, struct out: who reads
 * the files is daemon/edge's business.
 *
 * Threads    immutable after config_read; counted without locks: one thread.
 */
#pragma once

#include "base/bytes.h"
#include "base/log.h"
#include "model/rules.h"

#define CONFIG_FILES_MAX 256
#define CONFIG_FILE_MAX	 (4u << 20) /* bytes of one file */
#define CONFIG_LIST_MAX	 1024

struct net_policy; /* model/special.h */

#define CONFIG_TYPE_INT	     int64_t
#define CONFIG_TYPE_DURATION int64_t
#define CONFIG_TYPE_SIZE     int64_t
#define CONFIG_TYPE_STRING   const char *
#define CONFIG_TYPE_LEVEL    int

/* Durations in milliseconds, sizes in bytes, level as enum log_level; named SECTION_NAME. */
struct config {
#define CONFIG(section, name, type, ...) CONFIG_TYPE_##type section##_##name;
#include "model/config.def"
#undef CONFIG
	struct rules *rules; /* one reference */
	struct net_policy *network;
	const char **unix_sockets; /* globs of paths */
	uint32_t n_unix_sockets;
	int64_t *admins; /* uids */
	uint32_t n_admins;
	const char **programs; /* absolute paths exec may run; a glob may end one */
	uint32_t n_programs;
	/* private */
	uint32_t refs;
	json_t *keep; /* the trees texts are borrowed from */
};

struct config_file {
	const char *name; /* for messages */
	struct slice text;
};

/* What reading needs of the machine. */
struct config_env {
	rules_uid_of uid_of; /* NULL: only numbers */
	void *ctx;
};

/*
 * n may be 0: the defaults. *ret has one reference. Errors: INVALID, TOO_LARGE with one line for
 * people in *why ("musterd.json: line 3, column 7, at /limits/0: unknown member ..."), NOMEM.
 */
enum err config_read(const struct config_file *file, uint32_t n, const struct config_env *env,
		     struct config **ret, struct bytes *why);
struct config *config_ref(struct config *c);
void config_unref(struct config *c);
bool config_is_admin(const struct config *c, int64_t uid);
/* Whether a unix socket may be fetched from by anybody. */
bool config_unix_socket_allowed(const struct config *c, struct slice path);
bool config_program_allowed(const struct config *c, struct slice path);
/* The names of settings that differ and need a restart, comma separated; nothing if none. */
void config_restart_needed(const struct config *now, const struct config *next, struct bytes *out);
/* The configuration in effect as JSON, secrets masked (the proxy's password). */
void config_dump(const struct config *c, struct bytes *out);
