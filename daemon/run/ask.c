/*
 * ask -- request and reply of tasks.
 *
 * A token names the asker's slot and the number of its question: shard:8 | slot:24 | number:32; in
 * numbers with the top bit set the slot is that of a proxy, which stands for an asker on another
 * shard. The reply cell is reserved when the question is put, and serves as the ASK_GONE signal if
 * the asker gives up. A request not yet handed out when its asker gives up is void: it is skipped,
 * and its target never hears of it.
 */
#include "run/internal.h"

#include <stdlib.h>
#include <string.h>

#define PROXY_BIT 0x80000000U

static uint64_t token_of(const act_shard *sh, uint32_t slot, uint32_t seq)
{
	return (uint64_t)sh->no << 56 | (uint64_t)slot << 32 | seq;
}

static uint32_t next_seq(act_shard *sh)
{
	sh->next_seq = (sh->next_seq + 1) & ~PROXY_BIT;
	if (sh->next_seq == 0)
		sh->next_seq = 1;
	return sh->next_seq;
}

/* The task whose question this is, still open; or NULL. */
static struct task *asker(act_shard *sh, uint64_t token)
{
	uint32_t slot = rt_id_slot(token), seq = (uint32_t)token;
	if (rt_id_shard(token) != sh->no || (seq & PROXY_BIT) != 0 || slot >= sh->n_slots)
		return NULL;
	struct actor *a = &sh->actors[slot];
	if (a->run == RUN_FREE || !rt_is_task(a) || rt_task(a) == NULL)
		return NULL;
	struct task *t = rt_task(a);
	bool is_asking = t->wait_of >= WAIT_ROOM && t->wait_of <= WAIT_REPLY;
	return is_asking && t->seq == seq ? t : NULL;
}

static struct proxy *proxy(act_shard *sh, uint64_t token)
{
	uint32_t index = rt_id_slot(token), seq = (uint32_t)token;
	if (rt_id_shard(token) != sh->no || (seq & PROXY_BIT) == 0 || index >= sh->n_proxy)
		return NULL;
	struct proxy *p = sh->proxy[index];
	return p->remote != 0 && p->seq == seq ? p : NULL;
}

/* ---- asking ---- */

static void limit_wait(act_shard *sh, struct task *t)
{
	if (sh->default_wait_ns < 0 || rt_scope_deadline(t->scope) != INT64_MAX)
		return;
	rt_wheel_add(&sh->wheel, &t->timer, sh->now_ns + sh->default_wait_ns);
}

static void open_question(act_shard *sh, struct task *t, act_id to, act_msg *m, act_msg **ret_m)
{
	list_init(&t->w.ask.link);
	t->seq = next_seq(sh);
	t->w.ask.request = m;
	*rt_question(t) = (struct question){ret_m, to};
	m->token = token_of(sh, t->slot, t->seq);
}

static int ask_here(act_shard *sh, struct task *t, struct actor *target, act_msg *m,
		    act_msg **ret_m)
{
	act_id to = rt_id(sh, target);
	if ((target->flags & FLAG_CLOSING) != 0)
		return ACT_EDEAD;
	if (rt_task_would_circle(sh, t, to))
		return ACT_EDEADLK;
	struct more *more = rt_actor_more(sh, target);
	t->w.ask.reply = more != NULL ? rt_cell(sh) : NULL;
	if (t->w.ask.reply == NULL)
		return ACT_ENOMEM;
	open_question(sh, t, to, m, ret_m);
	list_push_back(&more->asks, &t->w.ask.link);
	bool room = target->depth < target->cap && list_empty(&more->waiters);
	if (!room) {
		list_push_back(&more->waiters, &t->wait);
		return rt_park(sh, t, WAIT_ROOM);
	}
	rt_park(sh, t, WAIT_REPLY);
	COUNT(sh, sent, 1);
	rt_mailbox_put(sh, target, m);
	return ACT_WAIT;
}

static int ask_far(act_shard *sh, struct task *t, act_id to, act_msg *m, act_msg **ret_m)
{
	if (!rt_mesh_has(sh, to))
		return ACT_EDEAD;
	t->w.ask.reply = rt_cell(sh);
	if (t->w.ask.reply == NULL)
		return ACT_ENOMEM;
	open_question(sh, t, to, m, ret_m);
	if (!rt_mesh_send(sh, WIRE_ASK, to, m)) {
		rt_park(sh, t, WAIT_WAY);
		rt_mesh_wait_way(sh, t, rt_id_shard(to));
		return ACT_WAIT;
	}
	COUNT(sh, sent, 1);
	t->w.ask.request = NULL;
	rt_cell_free(sh, m);
	return rt_park(sh, t, WAIT_REPLY);
}

static int ask(act_self *self, act_id to, act_msg *m, act_msg **ret_m, bool is_patient)
{
	act_shard *sh = self->sh;
	struct task *t = NULL;
	int rc = m != NULL ? rt_await(self, &t) : ACT_ENOMEM;
	if (rc == ACT_OK) {
		if (sh->n_outbox > 0)
			rt_cast_commit(sh);
		struct actor *target = rt_find(sh, to);
		rc = target != NULL ? ask_here(sh, t, target, m, ret_m)
				    : ask_far(sh, t, to, m, ret_m);
	}
	if (rc != ACT_WAIT) {
		if (m != NULL)
			rt_msg_free(sh, m);
	} else if (!is_patient && (t->wait_of == WAIT_REPLY || t->wait_of == WAIT_ROOM ||
				   t->wait_of == WAIT_WAY)) {
		limit_wait(sh, t);
	}
	return rc;
}

int act_ask(act_self *self, act_id to, uint32_t type, const void *p, size_t len, act_msg **ret_m)
{
	return ask(self, to, act_msg_new(self, type, p, len), ret_m, false);
}

int act_ask_patient(act_self *self, act_id to, uint32_t type, const void *p, size_t len,
		    act_msg **ret_m)
{
	return ask(self, to, act_msg_new(self, type, p, len), ret_m, true);
}

static int ask_buf(act_self *self, act_id to, act_msg *m, void *owned, act_cleanup dtor,
		   act_msg **ret_m, bool is_patient)
{
	if (m == NULL && dtor != NULL)
		dtor(owned);
	return ask(self, to, m, ret_m, is_patient);
}

int act_ask_buf(act_self *self, act_id to, uint32_t type, void *owned, size_t len, act_cleanup dtor,
		act_msg **ret_m)
{
	act_msg *m = act_msg_new_buf(self, type, owned, len, dtor);
	return ask_buf(self, to, m, owned, dtor, ret_m, false);
}

int act_ask_buf_patient(act_self *self, act_id to, uint32_t type, void *owned, size_t len,
			act_cleanup dtor, act_msg **ret_m)
{
	act_msg *m = act_msg_new_buf(self, type, owned, len, dtor);
	return ask_buf(self, to, m, owned, dtor, ret_m, true);
}

void rt_ask_admitted(act_shard *sh, struct task *t, struct actor *target)
{
	t->wait_of = WAIT_REPLY;
	COUNT(sh, sent, 1);
	rt_mailbox_put(sh, target, t->w.ask.request);
}

/* ---- the request's way ---- */

bool rt_ask_taken(act_shard *sh, act_msg *m)
{
	if ((m->flags & MSG_VOID) != 0) {
		COUNT(sh, dead, 1);
		return false;
	}
	struct task *t = asker(sh, m->token);
	struct proxy *p = t == NULL ? proxy(sh, m->token) : NULL;
	if (t != NULL)
		t->w.ask.request = NULL;
	else if (p != NULL)
		p->request = NULL;
	return true;
}

/* Whoever discards it also counts and frees it. */
void rt_ask_discarded(act_shard *sh, act_msg *m)
{
	if ((m->flags & MSG_VOID) == 0 && rt_ask_taken(sh, m))
		rt_ask_fail(sh, m->token, ACT_EDEAD);
}

/* ---- answers ---- */

static void close_question(struct task *t)
{
	list_remove(&t->w.ask.link);
	t->seq = 0;
	t->w.ask.reply = NULL;
}

static void proxy_free(act_shard *sh, struct proxy *p)
{
	list_remove(&p->link);
	p->remote = 0;
	if (p->gone != NULL)
		rt_cell_free(sh, p->gone);
	p->gone = NULL;
	list_push_front(&sh->free_proxies, &p->link);
}

static void reply_far(act_shard *sh, struct proxy *p, enum wire kind, const act_msg *m)
{
	act_msg copy = *m;
	copy.token = p->remote;
	uint64_t remote = p->remote;
	act_msg *cell = p->gone;
	p->gone = NULL;
	proxy_free(sh, p);
	rt_mesh_must_send(sh, kind, remote, &copy, cell);
}

/* Takes over the payload of m, not the cell. */
static void answer(act_shard *sh, uint64_t token, const act_msg *m)
{
	struct task *t = asker(sh, token);
	struct proxy *p = t == NULL ? proxy(sh, token) : NULL;
	if (t == NULL && p == NULL) {
		COUNT(sh, dead_replies, 1);
		if ((m->flags & ACT_MSG_OWNED) != 0 && m->buf.dtor != NULL)
			m->buf.dtor(m->buf.ptr);
		return;
	}
	COUNT(sh, replies, 1);
	if (p != NULL) {
		reply_far(sh, p, WIRE_REPLY, m);
		return;
	}
	act_msg *cell = t->w.ask.reply, **ret_m = rt_question(t)->ret_m;
	*cell = *m;
	close_question(t);
	*ret_m = cell;
	rt_granted(t, GRANTED_MSG, cell);
	rt_task_wake(sh, t, ACT_OK);
}

void rt_ask_fail(act_shard *sh, uint64_t token, int rc)
{
	struct task *t = asker(sh, token);
	struct proxy *p = t == NULL ? proxy(sh, token) : NULL;
	if (p != NULL) {
		reply_far(sh, p, WIRE_REPLY_ERROR, &(act_msg){.type = (uint32_t)rc});
	} else if (t != NULL) {
		rt_cell_free(sh, t->w.ask.reply);
		close_question(t);
		rt_task_wake(sh, t, rc);
	} else {
		COUNT(sh, dead_replies, 1);
	}
}

void act_reply_error(act_self *self, uint64_t token, int rc)
{
	if (token != 0)
		rt_ask_fail(self->sh, token, rc);
}

void act_reply_buf(act_self *self, uint64_t token, uint32_t type, void *owned, size_t len,
		   act_cleanup dtor)
{
	act_msg m = {.type = type,
		     .flags = ACT_MSG_OWNED,
		     .from = act_whoami(self),
		     .buf = {.ptr = owned, .len = len, .dtor = dtor}};
	answer(self->sh, token, &m);
}

void act_reply(act_self *self, uint64_t token, uint32_t type, const void *p, size_t len)
{
	if (token == 0)
		return;
	if (len > ACT_INLINE) {
		void *copy = malloc(len);
		if (copy == NULL) {
			rt_ask_fail(self->sh, token, ACT_ENOMEM);
			return;
		}
		memcpy(copy, p, len);
		act_reply_buf(self, token, type, copy, len, free);
		return;
	}
	act_msg m = {.type = type, .len = (uint16_t)len, .from = act_whoami(self)};
	if (len > 0)
		memcpy(m.p, p, len);
	answer(self->sh, token, &m);
}

/* ---- giving up ---- */

bool rt_ask_abandon_room(act_shard *sh, struct task *t)
{
	list_remove(&t->wait);
	rt_msg_free(sh, t->w.ask.request);
	rt_cell_free(sh, t->w.ask.reply);
	close_question(t);
	return true;
}

static void tell_gone(act_shard *sh, act_msg *cell, act_id target, uint64_t token)
{
	struct actor *a = rt_find(sh, target);
	if (a == NULL || (a->cls->flags & ACT_CLASS_WANTS_ASK_GONE) == 0) {
		rt_cell_free(sh, cell);
		return;
	}
	struct sysnode *n = (struct sysnode *)(void *)cell;
	*n = (struct sysnode){.kind = ACT_SIG_ASK_GONE, .ref = token};
	list_init(&n->in);
	list_init(&n->mine);
	rt_sys_deliver(sh, n, a, NULL);
}

bool rt_ask_abandon_reply(act_shard *sh, struct task *t)
{
	act_msg *cell = t->w.ask.reply;
	uint64_t token = token_of(sh, t->slot, t->seq);
	act_msg *request = t->w.ask.request;
	act_id target = rt_question(t)->target;
	close_question(t);
	if (request != NULL) {
		request->flags |= MSG_VOID;
		rt_cell_free(sh, cell);
	} else if (rt_id_shard(target) == sh->no) {
		tell_gone(sh, cell, target, token);
	} else {
		rt_mesh_must_send(sh, WIRE_GONE, target, &(act_msg){.token = token}, cell);
	}
	return true;
}

void rt_ask_target_dead(act_shard *sh, struct more *more)
{
	while (!list_empty(&more->asks)) {
		struct task *t = LIST_ENTRY(list_first(&more->asks), struct task, w.ask.link);
		if (t->wait_of == WAIT_ROOM) {
			list_remove(&t->wait);
			rt_msg_free(sh, t->w.ask.request);
		}
		rt_cell_free(sh, t->w.ask.reply);
		close_question(t);
		rt_task_wake(sh, t, ACT_EDEAD);
	}
	while (!list_empty(&more->proxies)) {
		struct proxy *p = LIST_ENTRY(list_first(&more->proxies), struct proxy, link);
		reply_far(sh, p, WIRE_REPLY_ERROR, &(act_msg){.type = (uint32_t)ACT_EDEAD});
	}
}

act_id rt_ask_owner(act_shard *sh, struct task *t)
{
	(void)sh;
	return rt_question(t)->target;
}

/* ---- from other shards ---- */

static struct proxy *proxy_new(act_shard *sh)
{
	struct link *l = list_pop_front(&sh->free_proxies);
	if (l != NULL)
		return LIST_ENTRY(l, struct proxy, link);
	if (sh->n_proxy == sh->cap_proxy) {
		uint32_t cap = sh->cap_proxy != 0 ? sh->cap_proxy * 2 : 16;
		struct proxy **grown = realloc(sh->proxy, cap * sizeof(*grown));
		if (grown == NULL)
			return NULL;
		sh->proxy = grown;
		sh->cap_proxy = cap;
	}
	struct proxy *p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	list_init(&p->link);
	p->index = sh->n_proxy;
	sh->proxy[sh->n_proxy++] = p;
	return p;
}

/* OK: put in. Otherwise what the asker is told; m stays the caller's. */
static int accept_far(act_shard *sh, struct actor *a, act_msg *m)
{
	if (a == NULL || (a->flags & FLAG_CLOSING) != 0)
		return ACT_EDEAD;
	if (a->depth >= a->cap)
		return ACT_EFULL;
	struct more *more = rt_actor_more(sh, a);
	act_msg *gone = more != NULL ? rt_cell(sh) : NULL;
	struct proxy *p = gone != NULL ? proxy_new(sh) : NULL;
	if (p == NULL) {
		if (gone != NULL)
			rt_cell_free(sh, gone);
		return ACT_ENOMEM;
	}
	p->remote = m->token;
	p->seq = next_seq(sh) | PROXY_BIT;
	p->gone = gone;
	p->target = rt_id(sh, a);
	p->request = m;
	list_push_back(&more->proxies, &p->link);
	m->token = token_of(sh, p->index, p->seq);
	rt_mailbox_put(sh, a, m);
	return ACT_OK;
}

void rt_ask_from_far(act_shard *sh, act_id to, act_msg *m)
{
	int rc = accept_far(sh, rt_find(sh, to), m);
	if (rc == ACT_OK)
		return;
	COUNT(sh, dead, 1);
	act_msg told = {.type = (uint32_t)rc, .token = m->token};
	if ((m->flags & ACT_MSG_OWNED) != 0 && m->buf.dtor != NULL)
		m->buf.dtor(m->buf.ptr);
	rt_mesh_must_send(sh, WIRE_REPLY_ERROR, told.token, &told, m);
}

void rt_ask_reply_from_far(act_shard *sh, const act_msg *m)
{
	answer(sh, m->token, m);
}

void rt_ask_gone_from_far(act_shard *sh, act_id to, uint64_t remote)
{
	struct actor *a = rt_find(sh, to);
	if (a == NULL || a->more == NULL)
		return;
	LIST_EACH (l, &a->more->proxies) {
		struct proxy *p = LIST_ENTRY(l, struct proxy, link);
		if (p->remote != remote)
			continue;
		if (p->request != NULL) {
			p->request->flags |= MSG_VOID;
		} else {
			act_msg *cell = p->gone;
			p->gone = NULL;
			tell_gone(sh, cell, to, token_of(sh, p->index, p->seq));
		}
		proxy_free(sh, p);
		return;
	}
}
