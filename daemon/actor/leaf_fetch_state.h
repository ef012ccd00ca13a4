/*
 * leaf_fetch_state -- private to leaf_*.c: the frame of one fetch.
 */
#pragma once

#include "actor/host.h"
#include "actor/job_state.h"
#include "actor/limiter.h"
#include "job/fetchspec.h"
#include "job/line.h"
#include "job/task.h"
#include "model/cookies.h"
#include "model/digest.h"
#include "model/retry.h"
#include "model/url.h"

struct bodypiece;
struct uploadread;

#define FETCH_HISTORY_MAX 64
#define MESSAGE_MAX	  4096

struct fetch {
	struct leaf_fetch leaf; /* first: the port's */
	act_co co, co1, co2;	/* all attempts; one; its grant */
	int rc;
	struct fetch_spec *spec; /* owned */
	struct retry_policy policy;
	struct url url;	 /* as asked, or of the mirror */
	struct url page; /* where to begin instead: a page that the first led to; text NULL: none */
	struct url at;	 /* of the present hop */
	uint32_t mirror; /* tried so far */
	uint32_t attempt; /* counted ones */
	uint32_t tries;	  /* all */
	uint32_t refunds, hops;
	bool to_get;	  /* a redirect has dropped method and body */
	bool from_public; /* the hop before came from a public address */
	bool is_front;
	bool is_fresh;	    /* the request goes over a new connection: a kept one was closing */
	bool is_cancelled;  /* the task is: it is told, not retried */
	bool has_due;	    /* the instant its back-off ends at is in the store */
	bool waits_already; /* an earlier life began this back-off */
	act_msg *m;
	struct limit_ticket *ticket;  /* held from grant to commit */
	struct limit_outcome outcome; /* told with its release */
	struct host_done *done;
	int64_t asked_ns, waited_ns, left_ns; /* of the attempt's timeout: 0 none */
	int64_t attempt_ns, attempt_waited_ns;
	int64_t until_ns;
	act_scope *scope;
	bool timed_out;
	enum kind kind; /* of the present attempt; KIND_NONE: it is good */
	const char *phase;
	struct bytes message;
	/* Of the attempt before, until this one has its grant: it stands if this one gets none. */
	struct fetch_before {
		struct host_done *done;
		enum kind kind;
		const char *phase;
		struct bytes message;
	} before;
	bool is_unpaid; /* there was no grant for this attempt: it does not count */
	struct result_attempt *history;
	uint32_t n_history;
	struct results_wait wait;
	struct bodypiece *piece, *reading; /* the body out of its file; reading: a worker has it */
	struct uploadread *source;	   /* of the next request; then the call's */
	char boundary[48];		   /* between its parts */
	struct digest digest;		   /* the challenge that is answered */
	char cnonce[33];
	uint32_t n_challenges;	      /* answered in this attempt */
	struct host_partial *partial; /* what was left of cut bodies; NULL: not asked for */
	uint64_t resume_from;	      /* what the request that is out asks for begins there */
	bool is_expecting;	      /* the request that is out waits for 100 Continue */
	bool is_unexpecting;	      /* the server knows no such thing (417) */
	bool is_from_start;	      /* the server does not know ranges as it should */
	bool is_conditional;	      /* the request that is out asks whether it has changed */
	bool is_answered;	      /* the request that is out answers it */
};

/* What a request bears that nobody spelled out; empty values are not sent. */
#define OWN_FIELDS 8
struct own_fields {
	struct own_field {
		const char *name;
		struct bytes value;
	} field[OWN_FIELDS];
	uint32_t n;
};

/* A page that the first one led to is asked for as after a redirect: with GET, and with what was
 * given for the first one's origin only if it is the same. */
static inline bool fetch_is_page(const struct fetch *f)
{
	return f->page.text != NULL;
}

static inline struct job *fetch_job(const struct fetch *f)
{
	return f->leaf.task->env->port.ctx;
}

/* leaf_request.c */
/* The spec of this run, its URL parsed. False: kind and message say why not. */
bool fetch_prepare(struct fetch *f);
/* The next mirror's URL. False: there is none. */
bool fetch_next_mirror(struct fetch *f);
struct limit_ticket *fetch_ticket(act_self *self, struct fetch *f);
/* The call for f->at; NULL: kind and message say why not. */
struct host_call *fetch_call(struct fetch *f);
struct slice fetch_method(const struct fetch *f);
void fetch_says(struct fetch *f, enum kind kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* leaf_settings.c */
/* 32 hex digits that nobody can guess. */
void fetch_new_id(act_self *self, const struct fetch *f, char ret[33]);
/* Empty: none is to be sent. */
struct slice fetch_user_agent(const struct fetch *f);
/* Room that the texts of the configuration take in a call. */
size_t fetch_settings_size(const struct fetch *f);
/* False: *why says what is wrong with it. */
bool fetch_set_proxy(const struct fetch *f, struct host_call *c, const char **why);
void fetch_set_limits(const struct fetch *f, struct host_call *c);
/* False: the job's user may not use that socket; kind and message say so. */
bool fetch_socket_allowed(struct fetch *f);

/* leaf_auth.c */
void fetch_own_fields(struct fetch *f, struct own_fields *o);
/* Whether the store may know a validator that memory does not. Then read is an await, and take is
 * what follows it. */
bool fetch_wants_validator(const struct fetch *f);
int fetch_read_validator(act_self *self, struct fetch *f);
void fetch_take_validator(act_self *self, struct fetch *f);
void own_fields_fini(struct own_fields *o);
struct bytes *own_field(struct own_fields *o, const char *name);
/* Whether the answer is a challenge that one more request may meet. */
bool fetch_challenged(act_self *self, struct fetch *f);
/* The fetch's own cookies into the jar of its job. */
void fetch_put_cookies(struct fetch *f);
/* What an answer wants to be brought back: cookies, validators. */
void fetch_keep_fields(struct fetch *f);

/* leaf_resume.c */
/* What cut bodies leave is held from now on, if it was asked for. */
void fetch_hold_cut(struct fetch *f);
/* The fields that ask for the rest. */
void fetch_resume_fields(struct fetch *f, struct own_fields *o);
/* Lends the call what is held. */
void fetch_resume(struct fetch *f, struct host_call *c);
/* Whether the whole has to be asked for instead. */
bool fetch_starts_over(struct fetch *f);
/* Whether the answer is one to a request for the rest, and what came is good. */
bool fetch_is_resumed(const struct fetch *f);

/* leaf_body.c */
/* Whether the body is read from somewhere while it is sent. */
bool fetch_has_source(const struct fetch *f);
/* Await: a worker finds it. */
int fetch_open_source(act_self *self, struct fetch *f);
/* Whether so large a body waits for 100 Continue. */
bool fetch_expects(const struct fetch *f, uint64_t size);
/* Whether the server would have nothing of that, and has to be asked again without. */
bool fetch_was_unexpected(struct fetch *f);
/* After that; false: kind or is_cancelled say why not. */
bool fetch_source_is_open(struct fetch *f);

/* leaf_verdict.c */
/* What the answer means: kind, phase, message, outcome. */
void fetch_judge(struct fetch *f);
/* Whether it leads elsewhere: then f->at is there. May also fail the attempt. */
bool fetch_redirected(struct fetch *f);
bool fetch_retries(act_self *self, struct fetch *f);
void fetch_remember_attempt(act_self *self, struct fetch *f);
/* t->out and the line. */
void fetch_tell(act_self *self, struct fetch *f);

/* leaf_value.c */
/* Whether the body has to be read back from its file before it is told. */
bool fetch_reads_back(const struct fetch *f);
/* A step that does it; frame: struct fetch, with co1 zeroed. */
int fetch_read_back(act_self *self, void *frame);
/* The body; p NULL: none, or only in a file. */
struct slice fetch_text(const struct fetch *f);
/* The body as JSON if anybody looks at it, a new reference; NULL: not, or it is none. */
json_t *fetch_json(const struct fetch *f);
