/*
 * host -- one actor per origin: it owns that origin's calls of the exchange and makes one reply of
 * each. struct hosts is the directory: it spawns them on demand; those idle for HOST_IDLE_NS end.
 *
 *	CO_AWAIT(&f->co, f->rc, host_fetch(self, hosts, call, &f->m));
 *	if (f->rc != ACT_OK) ...	cancelled, timed out: the call is aborted, nothing comes
 *	f->done = host_done_of(f->m);
 *	act_drop(self, f->m);
 *
 * If the asker gives up, its call is aborted and the connection closed before the loop sleeps
 * again. Redirects, retries, limits and the timeout of the attempt are the asker's.
 *
 * Bodies     up to HOST_BODY_MEMORY in one owned buffer. Larger ones, or all when the bodies in
 *            memory reach HOST_BODIES_MEMORY, go to a body file through offloaded writes; reading
 *            pauses while a write is under way. HOST_BODY_DROP only counts.
 * Uploads    are read by offloads, one piece ahead of what the connection takes.
 * Partials   a call may bring a struct host_partial: what it holds is gone on with if the answer
 *            fits, and if the answer is cut, what came of it is held for the next call.
 * Threads    the shard of the directory.
 */
#pragma once

#include "base/clock.h"
#include "base/log.h"
#include "edge/exchange.h"
#include "model/resume.h"
#include "run/task.h"

struct bodydir;
struct host_partial;
struct hosts;
struct uploadread;
struct validators;

enum host_msg {
	HOST_FETCH = 0x4800, /* leaf, asks: struct host_call, owned; see host_fetch */
	HOST_DONE,	     /* reply: struct host_done, owned */
	HOST_EVENT,	     /* the host's own exchange call: something came in */
	HOST_SWEEP,	     /* leaf, job: there are files nobody wants */
};

#define HOST_BODY_MEMORY   (64u << 10)
#define HOST_BODIES_MEMORY (32u << 20)
#define HOST_IDLE_NS	   (60 * NS_PER_S)

enum host_body {
	HOST_BODY_KEEP, /* in memory or in a file, by size */
	HOST_BODY_DROP, /* counted and hashed if asked, not kept */
};

/* A request that owns all its texts: xreq's slices point into `mem` or into what `hold` keeps. */
struct host_call {
	struct xreq req;     /* credit_bytes is set by the host, and body if there is an upload */
	struct slice origin; /* "https://host:port": which host actor */
	struct bytes mem;    /* malloc'd texts, freed with the call */
	void *hold;	     /* freed by hold_free on the loop thread; may be NULL */
	void (*hold_free)(void *hold);
	struct uploadread *upload; /* open; the request's body, owned; NULL: req.body is */
	enum host_body body;
	bool want_sha256;
	int64_t max_rate_bytes; /* per second, of this body; 0: no limit */
	/* A reference, owned; NULL: a cut body is of no use. The request's Range begins at
	 * resume_from, 0: it has none. Its url is that of this request. */
	struct host_partial *partial;
	uint64_t resume_from;
	struct slice url;
	bool is_last_try; /* what is cut is shown, not held */
};

/* Zeroed; NULL: no memory. */
struct host_call *host_call_new(void);
/* NULL is ignored. */
void host_call_free(void *call);
/* Copies a text into mem and returns its place. mem must have been reserved for all of them
 * (host_call_reserve), since it must not move. */
enum err host_call_reserve(struct host_call *c, size_t n);
struct slice host_call_text(struct host_call *c, struct slice text);

/* What came of it. Owned by the asker; freed by host_done_free. */
struct host_done {
	bool has_head;
	int status;
	int minor;
	struct slice reason;
	struct xheader *headers; /* as received */
	size_t n_headers;
	struct xend end; /* message in mem, trailers dropped, phase static */
	/* The body, decoded: in memory, or in a file, or only counted. */
	struct bytes body;
	uint64_t body_file; /* id in the bodydir; 0: none */
	uint64_t body_size;
	bool is_resumed; /* the body began with what an earlier answer had left */
	bool is_held;	 /* what came of the body is held for the next call */
	bool is_misfit;	 /* the range that came does not fit: the whole must be asked for */
	bool has_sha256; /* of all it was, when asked, or of a file */
	uint8_t sha256[32];
	struct bytes mem;  /* texts of the head */
	struct bytes late; /* and of the end */
	/* private: where the body's bytes are counted and an unwanted file goes */
	struct hosts *hosts;
	size_t counted;
};

/* Removes the body file unless it was taken. NULL is ignored. */
void host_done_free(void *done);
/* The file is the caller's from now on (its row will name it). */
uint64_t host_done_take_file(struct host_done *d);
/* The answer's struct, now the caller's. m may be dropped after. */
struct host_done *host_done_of(act_msg *m);

struct host_stats {
	uint32_t n_hosts, n_calls;
	uint64_t body_bytes; /* in memory now */
};

struct host_opts {
	struct exchange *exchange; /* outlives the actors */
	struct bodydir *bodies;	   /* NULL: bodies stay in memory up to their max_body */
	uint8_t body_class;	   /* offload class of body writes */
	uint64_t boot;		   /* of the machine: an unfinished body outlives the daemon only */
	const struct log *log;
	uint64_t seed;	  /* of hashes */
	uint16_t mailbox; /* of each host; 0 = 4096 */
};

/* The directory. NULL: no memory. */
struct hosts *hosts_new(const struct host_opts *opts);
/* After the actors have ended. */
void hosts_free(struct hosts *hosts);
/* What origins called the state of their resources. */
struct validators *hosts_validators(struct hosts *hosts);
void hosts_stats(const struct hosts *hosts, struct host_stats *ret);

/* ---- bodies that were cut (host_partial.c) ---- */

/*
 * Of the task at that path, with what an earlier life of the daemon has left of it. kept_job: the
 * number of a durable job, whose beginnings outlive the daemon; 0: of a volatile one. NULL: no
 * memory.
 */
struct host_partial *host_partial_new(struct hosts *hosts, uint64_t kept_job, struct slice path);
struct host_partial *host_partial_ref(struct host_partial *p);
/* NULL is allowed. The last one lets go what is in memory; a file stays for a later life. */
void host_partial_unref(struct host_partial *p);
/* The task has ended: nobody wants any of it any more, now or later. NULL is allowed. */
void host_partial_end(act_self *self, struct host_partial *p);
/* What is held, and of which URL; size 0: nothing. Slices live until the next call with p. */
struct slice host_partial_held(const struct host_partial *p, struct resume_held *ret);
/* The job has ended: so have all its partials. */
void hosts_forget_job(act_self *self, struct hosts *hosts, uint64_t kept_job);

/*
 * Await: hands the call to the host of its origin. Takes the call in any case. A call that could
 * not even be submitted is answered with end.kind (request.invalid, busy, memory).
 */
int host_fetch(act_self *self, struct hosts *hosts, struct host_call *call, act_msg **ret_m);
