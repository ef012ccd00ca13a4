/*
 * sync -- what tasks of one shard wait for: semaphore, lock, event, queue, stream.
 *
 *	struct visit { act_co co; int rc; act_sem *ten_at_once; };
 *	static int visit_step(act_self *self, void *frame)
 *	{
 *		struct visit *f = frame;
 *		CO_BEGIN(&f->co);
 *		CO_AWAIT(&f->co, f->rc, act_sem_acquire(self, f->ten_at_once, 1));
 *		if (f->rc != ACT_OK)
 *			return f->rc; // no permit was taken
 *		CO_AWAIT(&f->co, f->rc, act_sleep(self, NS_PER_S));
 *		return f->rc; // the permit goes back, however this ends
 *		CO_END(&f->co);
 *	}
 *
 * All are FIFO with direct hand-off: a permit, item or lock goes to the first waiter before it
 * runs, and nobody barges in. Every await follows task.h: cancelled first; then at once, if nobody
 * waits before; else parked. A cancelled waiter leaves in O(1), and what it blocked moves on.
 * Objects live on one shard and are used on its thread. Freeing one wakes its waiters with ECLOSED.
 */
#pragma once

#include "run/task.h"

typedef struct act_sem act_sem;
typedef struct act_lock act_lock;
typedef struct act_event act_event;
typedef struct act_queue act_queue;
typedef struct act_stream act_stream;

/* ---- semaphore ---- */

enum act_sem_kind {
	ACT_SEM_OWNED,	/* permits are the task's and come back at its end, however it ends */
	ACT_SEM_SIGNAL, /* anybody releases */
};

/* n permits now, max in all (0 = n). NULL: no memory. */
act_sem *act_sem_new(act_shard *sh, enum act_sem_kind kind, uint32_t n, uint32_t max);
void act_sem_free(act_sem *s);
/* Await n permits at once; the head of the line blocks smaller ones behind it. EINVAL: n = 0 or
 * above max. */
int act_sem_acquire(act_self *self, act_sem *s, uint32_t n);
/* OK or EFULL, at once. EFULL too while others wait. */
int act_sem_try(act_self *self, act_sem *s, uint32_t n);
/* EINVAL beyond max; EPERM if an OWNED one's permits are not the caller's. Never parks. */
int act_sem_release(act_self *self, act_sem *s, uint32_t n);
/* Changes max and the free permits with it; may leave fewer than none until releases come. */
void act_sem_resize(act_sem *s, uint32_t max);
int64_t act_sem_available(const act_sem *s);
uint32_t act_sem_waiting(const act_sem *s);

/* ---- lock ---- */

act_lock *act_lock_new(act_shard *sh);
void act_lock_free(act_lock *l);
/* OK, or EOWNERDEAD: held, but its last owner failed or was killed holding it: act_lock_consistent
 * or the release makes it ECLOSED for ever. EDEADLK: held by the caller, or by a task that waits,
 * over any chain, for the caller. */
int act_lock_acquire(act_self *self, act_lock *l);
/* EPERM: not the owner. At the owner's end the lock is released by itself. */
int act_lock_release(act_self *self, act_lock *l);
int act_lock_consistent(act_self *self, act_lock *l);
act_id act_lock_owner(const act_lock *l);
uint32_t act_lock_waiting(const act_lock *l);

/* ---- event ---- */

act_event *act_event_new(act_shard *sh);
void act_event_free(act_event *e);
int act_event_wait(act_self *self, act_event *e);
/* All present waiters are granted; a clear in the same turn does not take it back. Idempotent. */
void act_event_set(act_event *e);
void act_event_clear(act_event *e);
bool act_event_is_set(const act_event *e);
uint32_t act_event_waiting(const act_event *e);

/* ---- queue: items are messages (act_msg_new) ---- */

#define ACT_QUEUE_UNBOUNDED UINT32_MAX

/* cap >= 1; NULL: no memory, or cap = 0. */
act_queue *act_queue_new(act_shard *sh, uint32_t cap);
void act_queue_free(act_queue *q);
/* Await room. The item is the queue's only on ACT_OK. ECLOSED. If the task is killed before it
 * learns of a refusal, the item is dropped: no defer is needed for it. */
int act_queue_put(act_self *self, act_queue *q, act_msg *item);
int act_queue_try_put(act_self *self, act_queue *q, act_msg *item); /* EFULL, ECLOSED */
/*
 * Await an item. It is lent: the task may read it until act_queue_done (which drops it) or
 * act_queue_accept (which makes it the caller's). If the task fails, is cancelled or killed before,
 * the item comes back to the head once (ACT_MSG_REDELIVERED), then is dropped and counted as dead;
 * if it ends well before, the item counts as done and as leaked. ECLOSED: closed and empty.
 * ret_item lives in the frame. ENOMEM.
 */
int act_queue_get(act_self *self, act_queue *q, act_msg **ret_item);
int act_queue_try_get(act_self *self, act_queue *q, act_msg **ret_item); /* EFULL: empty */
/* The oldest item lent to the caller is finished. EINVAL: none is. */
int act_queue_done(act_self *self, act_queue *q);
/* The same, but the item is now the caller's to act_drop or send on; NULL: none is lent. */
act_msg *act_queue_accept(act_self *self, act_queue *q);
/* Await: every item put has been done. */
int act_queue_join(act_self *self, act_queue *q);
/* Putters get ECLOSED and keep their items. Getters drain what is left, then ECLOSED; with discard
 * the items are dropped and count as done. */
void act_queue_close(act_queue *q, bool discard);
uint32_t act_queue_depth(const act_queue *q);
uint64_t act_queue_unfinished(const act_queue *q);

/* ---- stream: one producer, one consumer, by demand ---- */

act_stream *act_stream_new(act_shard *sh);
/* Ends both sides; needs no party. */
void act_stream_free(act_stream *s);
/* The caller becomes the one producer or consumer, until its end. EPERM: taken by another. */
int act_stream_produce(act_self *self, act_stream *s);
int act_stream_consume(act_self *self, act_stream *s);
/* Demand for n more items. */
void act_stream_request(act_stream *s, uint32_t n);
/* Await demand, then the item is the stream's, as with act_queue_put. ECLOSED: the consumer is
 * gone. */
int act_stream_emit(act_self *self, act_stream *s, act_msg *item);
/* The last word, once: rc ACT_OK = end. EBUG the second time. */
int act_stream_end(act_self *self, act_stream *s, int rc);
/* Await an item. After the last: ECLOSED, the error given to act_stream_end, or EDEAD if the
 * producer ended without a word. Asks for one item if none is asked for. */
int act_stream_next(act_self *self, act_stream *s, act_msg **ret_item);
