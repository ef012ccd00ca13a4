/*
 * host_state -- what the files of the hosts share. Nobody else includes it.
 *
 *	host.c       the actor: calls in, answers out
 *	host_body.c  a body: in memory, or in a file by offloaded writes; and its pace
 *	host_partial.c  a body that was cut: held for the next call
 *	host_upload.c  the body of a request: read by offloads while it goes out
 *	host_call.c  requests and answers as those see them who ask; the directory
 */
#pragma once

#include "actor/host.h"
#include "base/list.h"
#include "base/table.h"
#include "edge/bodyfile.h"
#include "edge/bodykept.h"
#include "run/shard.h"

#include <openssl/evp.h>

struct hosts {
	struct host_opts opts;
	struct table by_origin; /* -> host_entry */
	struct validators *validators;
	uint32_t n_calls;
	uint64_t body_bytes;
	struct host_orphan {
		uint64_t id, kept_job; /* kept_job 0: a finished one */
		struct bodyfile *file; /* unfinished; NULL: by its number */
	} * orphan;		       /* files nobody wants: removed by the next host that runs */
	uint32_t n_orphan, cap_orphan;
	struct table left; /* "JOB PATH" -> struct host_held: what an earlier life left */
};

struct host_entry {
	act_id id;
	struct hosts *hosts;
	uint32_t name_n;
	char name[]; /* the origin */
};

/* A write under way, or the file between two. Its own so that it outlives the call. */
struct host_spill {
	struct bodydir *dir;
	struct bodyfile *file;
	struct bytes chunk;
	enum spill_after { SPILL_GOES_ON, SPILL_FINISH, SPILL_PARK, SPILL_UNWANTED } after;
	bool stays; /* if it is freed unfinished, a later life may want it */
	enum err result;
	uint64_t size;
	uint8_t sha256[BODY_SHA256];
	/* Of a body that may be gone on with: kept_job is not 0 if it outlives the daemon, and then
	 * about says of what it is the beginning (its slices are in text). reopen: the file is
	 * there, with so many bytes, not opened in this life. */
	uint64_t kept_job, reopen_id, reopen_size;
	struct bodyabout about;
	struct bytes text;
};

/* The beginning of a body, at rest. */
struct host_held {
	struct resume_held what; /* size 0: nothing; its slices are in text */
	struct slice url;
	struct bytes text;
	struct bytes body; /* all of it, or: */
	size_t counted;	   /* of it, in hosts.body_bytes */
	struct host_spill *spill;
	EVP_MD_CTX *md; /* of a body that is not kept */
};

struct host_partial {
	unsigned refs; /* the task's, the call's */
	struct hosts *hosts;
	uint64_t kept_job; /* 0: not for a later life */
	bool has_ended;
	struct host_held held;
	struct bytes path;
};

/* What a request sends, piece by piece. Its own so that it outlives the call. */
struct host_upload {
	struct uploadread *read;
	char *piece;
	size_t n, taken; /* of the piece */
	bool is_end;
	bool is_wanted;	 /* the connection waits for more */
	bool is_reading; /* a worker has it */
	enum err result;
	int64_t due_ns; /* at max_rate: when the next bytes may go */
	bool is_early;	/* they were asked for before */
};

enum spill_state { SPILL_NONE, SPILL_IDLE, SPILL_WRITING, SPILL_DONE };

struct host_one {
	struct link link; /* in its host */
	struct host *host;
	uint64_t token;
	xcall_id id;
	bool is_gone; /* its asker is: freed when nothing is under way any more */
	bool has_ended;
	struct host_call *call;
	struct host_done *done;
	act_msg *event; /* NULL: on its way to the host */
	bool is_mute;	/* or there was no memory for another */
	EVP_MD_CTX *md;
	/* the body */
	bool wants_file;
	enum spill_state spill_state;
	struct host_spill *spill;   /* NULL while it is being written */
	struct host_upload *upload; /* NULL: the request has its body at hand */
	/* a body that may be cut: what it goes on with, what it would be the beginning of */
	struct host_held held;
	bool may_be_held, ignores_body;
	uint64_t due_size; /* so far an answer with a range goes; 0: it has none */
	/* its pace: bytes for which credit is due, all of it at due_ns */
	size_t owed;
	int64_t due_ns;
	struct act_timer timer;
};

struct host {
	struct host_entry *entry;
	struct hosts *hosts;
	act_shard *shard;
	act_id id;
	struct link calls;
	uint32_t n_calls;
	struct act_timer idle;
};

/* ---- host_call.c ---- */

struct host_done *host_done_new(struct hosts *hosts);
/* For the next host that runs. */
void host_orphan_add(struct hosts *hosts, const struct host_orphan *orphan);
void host_orphan_remove(const struct hosts *hosts, const struct host_orphan *orphan);
void host_done_head(struct host_done *d, const struct xhead *head);
void host_done_end(struct host_done *d, const struct xend *end);
/* The end that this side makes. */
void host_done_fail(struct host_done *d, enum kind kind, const char *message);

/* ---- host_body.c ---- */

size_t host_body_credit(const struct host_one *c);
/* In a callback of the exchange. Returns true if the actor has to act. */
bool host_body_data(struct host_one *c, struct slice bytes);
/* Actor code: starts a write or gives credit, as is due. */
void host_body_step(act_self *self, struct host_one *c);
/* A write came back. */
void host_body_written(act_self *self, struct host_one *c, struct host_spill *s);
/* All of the body has arrived and is where it belongs. */
bool host_body_is_whole(const struct host_one *c);
/* Lets the file go, if there is one. */
void host_body_discard(act_self *self, struct host_one *c);
void host_spill_free(void *spill);
/* Removes files nobody wants. */
void host_orphans(act_self *self, struct hosts *hosts);

/* ---- host_partial.c ---- */

/* What an earlier life left. */
void host_partials_load(struct hosts *hosts);
void host_partials_fini(struct hosts *hosts);
/* Takes what is held into the call, if its request asks for the rest. */
void host_partial_take(struct host_one *c);
/* In a callback of the exchange: what the head means for that. True: nothing more is wanted. */
bool host_partial_judge(struct host_one *c);
/* In a callback of the exchange, after its end: whether all that was promised has come. */
void host_partial_check(struct host_one *c);
/* Whether the end leaves a beginning behind, instead of a body. */
bool host_partial_is_cut(const struct host_one *c);
/* Whether a file that is begun now may outlive this call; then what it is the beginning of. */
void host_partial_marks(const struct host_one *c, struct host_spill *s);
/* No worker has anything of it: the partial gets what is left to go on with. */
void host_partial_put(struct host_one *c);
void host_held_fini(struct hosts *hosts, struct host_held *held, bool stays);

/* ---- host_upload.c ---- */

/* Makes the call's upload the body of its request. NOMEM. */
enum err host_upload_begin(struct host_one *c);
/* Actor code: has the next piece read if it is wanted. */
void host_upload_step(act_self *self, struct host_one *c);
/* A read came back. */
void host_upload_read(struct host_one *c);
/* Not while it is being read. NULL is ignored. */
void host_upload_free(void *upload);

/* ---- host.c ---- */

/* Sends the host its own message about the call, from a callback of the exchange. */
void host_wake(struct host_one *c);

extern const act_class host_class;
