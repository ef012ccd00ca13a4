/*
 * job_state -- private to job*.c: the state of a job actor.
 *
 * job.c routes; job_life.c is the task that loads, runs and ends it; job_polls.c answers those who
 * follow its results or wait for its end; job_feed.c takes items; job_show.c tells how it is.
 */
#pragma once

#include "actor/job.h"
#include "actor/jobs.h"
#include "base/list.h"
#include "edge/store.h"
#include "job/jobenv.h"
#include "proto/final.h"
#include "run/scope.h"

struct bodyread;
struct cookies;
struct poll;

struct job {
	const struct job_peers *peers;
	act_id self_id, keeper, store;
	uint64_t number;
	char label[32]; /* "job j7", its name among the actors */
	bool is_volatile;
	uint32_t uid;
	bool is_attached, was_started;
	enum store_job_state state, final;
	bool is_loaded, is_broken;
	bool is_forgotten; /* no longer in the store */
	bool is_gone;	   /* forgotten because somebody said so: nobody is told of it again */
	bool is_told_idle;
	bool start_asked, cancel_asked;
	struct jobenv *env; /* NULL until it is loaded */
	struct job_spec *spec;
	struct bytes name, error, scopes, page_path;
	int64_t wall_created_ns, wall_started_ns, wall_ended_ns;
	int64_t wall_deadline_ns, remaining_ns;
	int64_t again_ns; /* wall instant of the last order to retry; 0: none */
	bool is_retrying; /* such an order is under way, or was obeyed: another actor goes on */
	struct final_tasks totals;  /* of an ended job */
	struct store_totals stored; /* as it was loaded */
	act_event *started;	    /* START has come, or a cancel before it */
	act_id life, committer;
	struct act_scope_ref root;	/* of the running tree */
	struct link early;		/* calls that came before it was loaded: struct parked */
	struct link polls;		/* RESULTS and WAIT that wait: struct poll */
	struct link feeds;		/* FEED calls in order: struct parked */
	struct store_batch *feed_batch; /* of the first of them, at the store */
	uint64_t feed_next;
	struct act_timer timer;
	int64_t quiet_since_ns; /* nobody has asked since */
	uint32_t n_calls;	/* that came from the keeper */
	uint64_t next_tag;
	struct bodyread *body_read; /* the body that was asked for last */
	uint64_t body_id;
	struct cookies *cookies; /* shared by its fetches that ask for it; NULL: none yet */
	bool is_tidied;		 /* its uploads are gone */
	bool is_stirred;	 /* JOB_MSG_STIR is on its way */
};

struct parked {
	struct link link;
	struct job_call *call;
	bool is_taken; /* a feed whose items are committed, parked for want of room */
	struct store_batch *batch;
};

/* How long a job that does not run stays in memory for the next who asks: ended, or not yet begun.
 */
#define JOB_QUIET_ENDED_NS (2 * NS_PER_S)
#define JOB_QUIET_NS	   (30 * NS_PER_S)
int64_t job_quiet_ns(const struct job *j);

/* Keeps the call for later; false: no memory (it has been refused). */
bool job_park(act_self *self, struct link *list, struct job_call *call);
/* The call at the head of the list, unparked; NULL: none. */
struct job_call *job_unpark(struct link *list);
static inline bool job_has_ended(const struct job *j)
{
	return store_job_has_ended(j->state) || j->state == STORE_JOB_FORGOTTEN;
}
/* Writes the state, tells the keeper and the subscribers. */
void job_becomes(act_self *self, struct job *j, enum store_job_state state);
/* It is queued again: the keeper lets another actor take it up. */
void job_moves_on(act_self *self, struct job *j);
/* Sends a batch as the actor; its answer comes as STORE_APPLIED. False: it could not. */
bool job_apply(act_self *self, struct job *j, struct store_batch *b);
/* JOB_MSG_STIR to the job, once. From any task of it. */
void job_stir(act_self *self, struct job *j);
void job_arm(act_self *self, struct job *j, int64_t at_ns);

/* job_pages.c */
enum job_page { PAGE_FEED, PAGE_FACTS, PAGE_CURSORS, PAGE_DONE, PAGE_ITEMS, PAGES };

struct job_pages {
	act_co co;
	int rc;
	struct job *j;
	int page;
	uint64_t after, after_n;
	bool has_after, more;
	act_msg *m;
	void (*item)(void *ctx, const struct store_fact *f); /* of PAGE_ITEMS */
	void *ctx;
};
/* All rows of one kind, into the job's env; item and ctx stay. Errors of the step: of an ask. */
void job_pages_begin(struct job_pages *p, struct job *j, int page);
int job_pages_step(act_self *self, void *pages);
int job_read(act_self *self, struct job *j, const struct store_query *q, act_msg **ret_m);
/* Of the reply; NULL: the reading failed. */
const struct store_rows *job_rows(act_msg *m);

/* job_life.c */
bool job_life_start(act_self *self, struct job *j);
/* The port of its leaves (job_port.c). */
struct leaf_port job_port(struct job *j);

/* job_polls.c */
void job_on_results(act_self *self, struct job *j, struct job_call *c);
void job_on_wait(act_self *self, struct job *j, struct job_call *c);
/* Something has changed, or time has passed: answers whom it can, arms the timer. */
void job_polls_run(act_self *self, struct job *j);
void job_polls_read(act_self *self, struct job *j, act_msg *m);
void job_polls_fini(struct job *j);

/* job_feed.c */
void job_on_feed(act_self *self, struct job *j, struct job_call *c);
void job_feed_stored(act_self *self, struct job *j, struct store_batch *b);
void job_feed_run(act_self *self, struct job *j);
void job_feed_fini(struct job *j);

/* job_again.c: retry */
void job_on_retry(act_self *self, struct job *j, struct job_call *c);

/* job_order.c: cancel, pause, resume, forget */
void job_on_order(act_self *self, struct job *j, struct job_call *c);
void job_on_attach_lost(act_self *self, struct job *j, struct job_call *c);

/* job_body.c */
void job_on_body(act_self *self, struct job *j, struct job_call *c);

/* job_upload.c */
void job_on_upload(act_self *self, struct job *j, struct job_call *c);
/* ACT_SIG_WORK of it. */
void job_upload_worked(act_self *self, struct job *j, void *work);
/* Once the job has ended: its files go. */
void job_upload_tidy(act_self *self, struct job *j);

/* job_show.c */
void job_on_show(act_self *self, struct job *j, struct job_call *c);
/* job_explain.c */
void job_on_explain(act_self *self, struct job *j, struct job_call *c);
void job_on_cookies(act_self *self, struct job *j, struct job_call *c);
/* The final record, or the same of a job under way. */
void job_record(const struct job *j, struct bytes *out);
struct final_tasks job_tasks(const struct job *j);
