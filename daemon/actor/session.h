/*
 * session -- what belongs to a connection: attached jobs now, leases later.
 *
 * An attached job belongs to the command that submitted it. If its connection ends and no other
 * connection of the same uid takes the job up (job.feed, or job.results with `ack`) within
 * SESSION_GRACE_NS, the job is cancelled. After a restart of the daemon attached jobs have
 * SESSION_RESTART_NS to be taken up.
 * Threads: control's shard.
 */
#pragma once

#include "base/clock.h"
#include "edge/ctlsock.h"
#include "run/actor.h"

#define SESSION_GRACE_NS   (2 * NS_PER_S)
#define SESSION_RESTART_NS (30 * NS_PER_S)

struct session_job {
	uint64_t job;
	ctlsock_conn_id conn; /* 0: nobody yet, after a restart */
	bool is_volatile;
	bool is_new; /* it is attached; else it counts only if that is known already */
};

enum {
	SESSION_ATTACH = 0x0200, /* session_attach, from control */
	SESSION_LOST,		 /* session_connection_lost, from control */
	SESSION_ENDED,		 /* session_job_ended, from the keeper */
};

extern const act_class session_class;

/* None of these needs room in the mailbox; without memory the word is lost, and an attached job
 * then lives on as a detached one. */
void session_attach(act_self *self, act_id sessions, const struct session_job *job);
void session_connection_lost(act_self *self, act_id sessions, ctlsock_conn_id conn);
/* From the keeper: the job has ended and is forgotten, or does not count as attached any more. */
void session_job_ended(act_self *self, act_id sessions, uint64_t job, bool is_volatile);
