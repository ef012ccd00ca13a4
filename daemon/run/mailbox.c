/*
 * mailbox -- bounded mail: what is accepted, in which order, and what becomes of it when its
 * receiver is gone. Requests that want a reply are ask's.
 */
#include "run/internal.h"

#include <stdlib.h>
#include <string.h>

/* By words: a vector load after narrower stores would stall (store forwarding). */
static inline void copy_words(act_msg *m, const void *p, size_t len)
{
	const char *from = p;
	if (len >= 8)
		memcpy(&m->word[0], from, 8);
	if (len >= 16)
		memcpy(&m->word[1], from + 8, 8);
	if (len >= 24)
		memcpy(&m->word[2], from + 16, 8);
	if (len >= 32)
		memcpy(&m->word[3], from + 24, 8);
}

static inline void copy_inline(act_msg *m, const void *p, size_t len)
{
	if ((len & 7) == 0)
		copy_words(m, p, len);
	else
		memcpy(m->p, p, len);
}

_Static_assert(offsetof(act_msg, flags) == offsetof(act_msg, len) + 2, "stored together");
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define FIRST_HALF(x) ((uint32_t)(uint16_t)(x))
#else
#define FIRST_HALF(x) ((uint32_t)(uint16_t)(x) << 16)
#endif

static inline void head(act_msg *m, act_id from, uint32_t type, size_t len)
{
	uint32_t len_and_no_flags = FIRST_HALF(len);
	m->type = type;
	memcpy(&m->len, &len_and_no_flags, sizeof(len_and_no_flags)); /* one store */
	m->from = from;
	m->token = 0;
}

/* Whether it is 0, 8, 16, 24 or 32: one comparison of what was turned round. */
static inline bool is_in_words(size_t len)
{
	return (len >> 3 | len << 61) <= ACT_INLINE / 8;
}

act_msg *rt_msg_make_buf(act_shard *sh, act_id from, uint32_t type, void *owned, size_t len,
			 act_cleanup dtor)
{
	act_msg *m = rt_cell(sh);
	if (m == NULL)
		return NULL;
	head(m, from, type, 0);
	m->flags = ACT_MSG_OWNED;
	m->buf.ptr = owned;
	m->buf.len = len;
	m->buf.dtor = dtor;
	return m;
}

static act_msg *make_copied(act_shard *sh, act_id from, uint32_t type, const void *p, size_t len)
{
	void *copy = malloc(len);
	if (copy == NULL)
		return NULL;
	memcpy(copy, p, len);
	act_msg *m = rt_msg_make_buf(sh, from, type, copy, len, free);
	if (m == NULL)
		free(copy);
	return m;
}

act_msg *rt_msg_make(act_shard *sh, act_id from, uint32_t type, const void *p, size_t len)
{
	if (len > ACT_INLINE)
		return make_copied(sh, from, type, p, len);
	act_msg *m = rt_cell(sh);
	if (m == NULL)
		return NULL;
	head(m, from, type, len);
	copy_inline(m, p, len);
	return m;
}

int rt_mailbox_admit(act_shard *sh, struct actor *a)
{
	if ((a->flags & FLAG_CLOSING) != 0)
		return ACT_EDEAD;
	if (a->depth < a->cap)
		return ACT_OK;
	if (a->overflow == ACT_REJECT) {
		COUNT(sh, rejected, 1);
		return ACT_EFULL;
	}
	COUNT(sh, dropped, 1);
	if (a->overflow == ACT_DROP_NEW) {
		COUNT(sh, sent, 1);
		return ACT_EXIT;
	}
	rt_mail_note_depth(a);
	act_msg *oldest = rt_mail_shift(a);
	if (oldest->token != 0)
		rt_ask_discarded(sh, oldest);
	rt_msg_free(sh, oldest);
	return ACT_OK;
}

void rt_mailbox_discard(act_shard *sh, struct actor *a)
{
	while (a->tail != NULL) {
		act_msg *m = rt_mail_shift(a);
		if (m->token != 0)
			rt_ask_discarded(sh, m);
		COUNT(sh, dead, 1);
		rt_msg_free(sh, m);
	}
}

/* A receiver that is not here: on another shard, or nowhere. */
static int send_far(act_shard *sh, act_id to, act_msg *m)
{
	if (!rt_mesh_has(sh, to))
		return ACT_EDEAD;
	if (!rt_mesh_send(sh, WIRE_MSG, to, m)) {
		COUNT(sh, rejected, 1);
		return ACT_EFULL;
	}
	COUNT(sh, sent, 1);
	rt_cell_free(sh, m);
	return ACT_OK;
}

/* Of a message made already; on any other result than OK it is the caller's. */
static int send_made(act_shard *sh, act_id to, act_msg *m)
{
	if (sh->n_outbox > 0)
		rt_cast_commit(sh);
	struct actor *a = rt_find(sh, to);
	if (a == NULL)
		return send_far(sh, to, m);
	int rc = rt_mailbox_admit(sh, a);
	if (rc == ACT_EXIT) {
		rt_msg_free(sh, m);
		return ACT_OK;
	}
	if (rc != ACT_OK)
		return rc;
	COUNT(sh, sent, 1);
	rt_mailbox_put(sh, a, m);
	return ACT_OK;
}

/* Its arguments are in the places of act_send's, so that to go on here costs nothing. */
static __attribute__((noinline)) int send_slow(act_shard *sh, act_id to, uint32_t type,
					       const void *p, size_t len, act_id from)
{
	act_msg *m = rt_msg_make(sh, from, type, p, len);
	if (m == NULL)
		return ACT_ENOMEM;
	int rc = send_made(sh, to, m);
	if (rc != ACT_OK)
		rt_msg_free(sh, m);
	return rc;
}

/* To one that is not simply idle or busy. */
static __attribute__((noinline)) int wake_other(act_shard *sh, struct actor *a)
{
	if (a->run == RUN_IDLE)
		rt_enqueue(sh, a);
	else if (a->run == RUN_PARKED)
		rt_task_give_mail(sh, a);
	return ACT_OK;
}

/* Whether the header says that this id lives, is not closing and has room. A free slot is closing,
 * so the generation and that bit say enough. */
static inline bool is_open(const struct actor *a, act_id id, uint32_t status)
{
	return __builtin_expect(a->gen == (uint32_t)id &&
					(status & STATUS(0, 0, FLAG_CLOSING)) == 0 &&
					a->depth < a->cap,
				1);
}

static inline int hand_over(act_shard *sh, struct actor *a, uint32_t slot, uint32_t status,
			    act_msg *m)
{
	COUNT(sh, sent, 1);
	rt_mail_append(a, m);
	uint32_t ready = status & STATUS(0xff, 0, FLAG_HIGH | FLAG_IN_LO);
	if (__builtin_expect(ready == STATUS(RUN_IDLE, 0, 0), 1)) {
		a->status = status + STATUS(RUN_QUEUED - RUN_IDLE, 0, FLAG_IN_LO);
		rt_runq_push(&sh->lo, slot);
		return ACT_OK;
	}
	uint32_t run = status & STATUS(0xff, 0, 0);
	if (__builtin_expect(run == STATUS(RUN_QUEUED, 0, 0) || run == STATUS(RUN_RUNNING, 0, 0),
			     1))
		return ACT_OK;
	return wake_other(sh, a);
}

/* The way of nearly all mail, without a call in it, so that it needs no stack. */
static inline __attribute__((always_inline)) int send(act_shard *sh, act_id from, act_id to,
						      uint32_t type, const void *p, size_t len)
{
	uint32_t slot = (uint32_t)(to >> 32) - sh->first;
	if (__builtin_expect(
		    slot >= sh->reach || !is_in_words(len) || !rt_slab_is_ready(&sh->cells), 0))
		return send_slow(sh, to, type, p, len, from);
	struct actor *a = &sh->actors[slot];
	uint32_t status = a->status;
	if (!is_open(a, to, status))
		return send_slow(sh, to, type, p, len, from);
	act_msg *m = rt_slab_take_ready(&sh->cells);
	head(m, from, type, len);
	copy_words(m, p, len);
	return hand_over(sh, a, slot, status, m);
}

int act_send(act_self *self, act_id to, uint32_t type, const void *p, size_t len)
{
	return send((act_shard *)self, self->id, to, type, p, len); /* one address */
}

static int send_buf(act_shard *sh, act_id from, act_id to, uint32_t type, void *owned, size_t len,
		    act_cleanup dtor)
{
	act_msg *m = rt_msg_make_buf(sh, from, type, owned, len, dtor);
	if (m == NULL)
		return ACT_ENOMEM;
	int rc = send_made(sh, to, m);
	if (rc != ACT_OK)
		rt_cell_free(sh, m);
	return rc;
}

int act_send_buf(act_self *self, act_id to, uint32_t type, void *owned, size_t len,
		 act_cleanup dtor)
{
	return send_buf(self->sh, act_whoami(self), to, type, owned, len, dtor);
}

int act_send_msg(act_self *self, act_id to, act_msg *m)
{
	m->from = act_whoami(self);
	m->token = 0;
	m->flags &= ACT_MSG_OWNED;
	return send_made(self->sh, to, m);
}

int act_post_local(act_shard *sh, act_id to, uint32_t type, const void *p, size_t len)
{
	return send(sh, 0, to, type, p, len);
}

int act_post_local_buf(act_shard *sh, act_id to, uint32_t type, void *owned, size_t len,
		       act_cleanup dtor)
{
	return send_buf(sh, 0, to, type, owned, len, dtor);
}

/* ---- messages in hand ---- */

act_msg *act_msg_new(act_self *self, uint32_t type, const void *p, size_t len)
{
	return rt_msg_make(self->sh, act_whoami(self), type, p, len);
}

act_msg *act_msg_new_buf(act_self *self, uint32_t type, void *owned, size_t len, act_cleanup dtor)
{
	return rt_msg_make_buf(self->sh, act_whoami(self), type, owned, len, dtor);
}

act_msg *act_take(act_self *self, act_msg *m)
{
	CHECK(self->m == m);
	self->m = NULL;
	return m;
}

void act_drop(act_self *self, act_msg *m)
{
	if (m != NULL)
		rt_msg_free(self->sh, m);
}

/* ---- reserved deliveries ---- */

act_msg *act_prepare_local(act_shard *sh, uint32_t type, const void *p, size_t len)
{
	return rt_msg_make(sh, act_whoami(&sh->self), type, p, len);
}

/* The mailbox may then hold more than its cap: by as many as were prepared. */
void act_deliver_local(act_shard *sh, act_id to, act_msg *m)
{
	if (sh->n_outbox > 0)
		rt_cast_commit(sh);
	COUNT(sh, sent, 1);
	struct actor *a = rt_find(sh, to);
	if (a != NULL && (a->flags & FLAG_CLOSING) == 0) {
		rt_mailbox_put(sh, a, m);
		return;
	}
	if (a == NULL && rt_mesh_has(sh, to)) {
		m->token = 0;
		rt_mesh_must_send(sh, WIRE_DELIVER, to, m, m);
		return;
	}
	COUNT(sh, dead, 1);
	rt_msg_free(sh, m);
}

void act_unprepare_local(act_shard *sh, act_msg *m)
{
	if (m != NULL)
		rt_msg_free(sh, m);
}

act_msg *act_prepare(act_self *self, uint32_t type, const void *p, size_t len)
{
	return act_prepare_local(self->sh, type, p, len);
}

void act_deliver(act_self *self, act_id to, act_msg *m)
{
	act_deliver_local(self->sh, to, m);
}

void act_unprepare(act_self *self, act_msg *m)
{
	act_unprepare_local(self->sh, m);
}

/* ---- room ---- */

void rt_mailbox_room(act_shard *sh, struct actor *a)
{
	struct link *waiters = &a->more->waiters;
	while (a->depth < a->cap && !list_empty(waiters)) {
		struct link *l = list_first(waiters);
		struct task *t = LIST_ENTRY(l, struct task, wait);
		list_remove(l);
		rt_ask_admitted(sh, t, a);
	}
	if (rt_sys_is_resume_due(a))
		rt_sys_resume(sh, a);
}

/* ---- casts: several cold receivers fetched before the first is touched ---- */

static __attribute__((noinline)) act_msg *make_slow(act_shard *sh, act_id from, uint32_t type,
						    const void *p, size_t len)
{
	return rt_msg_make(sh, from, type, p, len);
}

int act_cast(act_self *self, act_id to, uint32_t type, const void *p, size_t len)
{
	act_shard *sh = (act_shard *)self; /* one address */
	act_msg *m;
	if (__builtin_expect(is_in_words(len) && rt_slab_is_ready(&sh->cells), 1)) {
		m = rt_slab_take_ready(&sh->cells);
		head(m, self->id, type, len);
		copy_words(m, p, len);
	} else if ((m = make_slow(sh, self->id, type, p, len)) == NULL) {
		return ACT_ENOMEM;
	}
	uint32_t slot = (uint32_t)(to >> 32) - sh->first;
	if (__builtin_expect(slot < sh->n_slots, 1))
		__builtin_prefetch(&sh->actors[slot], 1);
	sh->outbox[sh->n_outbox] = (struct cast){to, m};
	sh->reach = 0;
	if (++sh->n_outbox == OUTBOX)
		rt_cast_commit(sh);
	return ACT_OK;
}

static __attribute__((noinline)) void commit_slow(act_shard *sh, act_id to, act_msg *m)
{
	if (send_made(sh, to, m) == ACT_OK)
		return;
	COUNT(sh, sent, 1);
	COUNT(sh, dropped, 1);
	rt_msg_free(sh, m);
}

void rt_cast_commit(act_shard *sh)
{
	uint32_t n = sh->n_outbox;
	sh->n_outbox = 0;
	sh->reach = sh->n_slots;
	for (uint32_t i = 0; i < n; i++) {
		act_id to = sh->outbox[i].to;
		act_msg *m = sh->outbox[i].m;
		uint32_t slot = (uint32_t)(to >> 32) - sh->first;
		struct actor *a = &sh->actors[slot];
		uint32_t status;
		if (slot < sh->n_slots && is_open(a, to, status = a->status)) {
			__builtin_prefetch(a->state, 1);
			hand_over(sh, a, slot, status, m);
		} else {
			commit_slow(sh, to, m);
		}
	}
}
