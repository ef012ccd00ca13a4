/*
 * control_job -- what the files of the methods job.* share: putting a question to the keeper of
 * jobs and giving its reply as the answer. Control's own files only.
 */
#pragma once

#include "actor/call.h"
#include "actor/jobs.h"

/* A message to the keeper that is answered by a struct job_reply. */
struct keeper_ask {
	uint32_t type;
	void *payload; /* owned */
	size_t size;
	act_cleanup dtor;
};

/* In a task of the call's own; takes payload and call over. */
void call_ask_keeper(act_self *self, struct call *call, const struct keeper_ask *ask);
/* Answers by what an ask of the keeper came back with. */
void call_take_reply(act_self *self, struct call *call, int rc, act_msg *m);
/* With who asks and the head of the answer filled in. NULL: it has been answered. */
struct job_call *call_job_new(act_self *self, struct call *call, enum job_call_kind kind);
/* False: it has been answered, and jc is freed. */
bool call_job_id(act_self *self, struct call *call, struct slice text, struct job_call *jc);
void call_send_job(act_self *self, struct call *call, struct job_call *jc);
/* The connection takes the job up, if it is an attached one. */
void call_touch_session(act_self *self, struct call *call, const struct job_call *jc);
