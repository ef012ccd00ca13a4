/*
 * mesh -- the ways between shards: one lane per ordered pair, a ring of cells filled by value, so
 * that no cell ever changes its owner. Published once per turn.
 *
 * A message that finds its lane full is refused to its sender; what must be delivered is kept aside
 * in order and goes first when there is room; tasks wait for the way.
 */
#include "run/internal.h"

#include <stdlib.h>
#include <string.h>

enum { LANE_CELLS = 1024, TAKE_AT_ONCE = 256, KIND_SHIFT = 8, KIND_MASK = 0x0f };

struct lane {
	_Alignas(64) uint32_t head; /* the consumer's */
	_Alignas(64) uint32_t tail; /* published by the producer */
	uint32_t is_waited_for;	    /* the producer wants to hear of room */
	_Alignas(64) uint32_t next; /* the producer's own */
	uint32_t seen_head;
	act_msg *aside, *aside_last; /* what must be delivered and found no room */
	struct link waiters;	     /* tasks by wait */
	_Alignas(64) act_msg cell[LANE_CELLS];
};

struct act_mesh {
	unsigned n;
	act_shard *shard[ACT_SHARDS_MAX];
	struct lane *lane; /* n * n: from * n + to */
};

act_mesh *act_mesh_new(unsigned n)
{
	CHECK(n >= 1 && n <= ACT_SHARDS_MAX);
	act_mesh *mesh = calloc(1, sizeof(*mesh));
	size_t bytes = (size_t)n * n * sizeof(struct lane);
	struct lane *lane = mesh != NULL ? aligned_alloc(64, bytes) : NULL;
	if (lane == NULL) {
		free(mesh);
		return NULL;
	}
	mesh->n = n;
	mesh->lane = lane;
	for (unsigned i = 0; i < n * n; i++) {
		memset(&lane[i], 0, offsetof(struct lane, cell));
		list_init(&lane[i].waiters);
	}
	return mesh;
}

static void drop_payload(const act_msg *m)
{
	if ((m->flags & ACT_MSG_OWNED) != 0 && m->buf.dtor != NULL)
		m->buf.dtor(m->buf.ptr);
}

void act_mesh_free(act_mesh *mesh)
{
	if (mesh == NULL)
		return;
	for (unsigned i = 0; i < mesh->n * mesh->n; i++) {
		struct lane *l = &mesh->lane[i];
		for (; l->head != l->next; l->head++)
			drop_payload(&l->cell[l->head % LANE_CELLS]);
	}
	free(mesh->lane);
	free(mesh);
}

static bool has_answer_cell(act_shard *sh)
{
	if (__builtin_expect(sh->answer == NULL, 0))
		sh->answer = rt_slab_take_past_limit(&sh->cells);
	return sh->answer != NULL;
}

act_msg *rt_mesh_answer_cell(act_shard *sh)
{
	act_msg *cell = sh->answer;
	sh->answer = NULL;
	return cell;
}

bool rt_mesh_attach(act_mesh *mesh, act_shard *sh)
{
	CHECK(sh->no < mesh->n && mesh->shard[sh->no] == NULL);
	if (!rt_farsig_init(sh))
		return false;
	__atomic_store_n(&mesh->shard[sh->no], sh, __ATOMIC_SEQ_CST);
	return true;
}

static struct lane *lane_to(const act_shard *sh, uint8_t to)
{
	return &sh->mesh->lane[sh->no * sh->mesh->n + to];
}

static struct lane *lane_from(const act_shard *sh, unsigned from)
{
	return &sh->mesh->lane[from * sh->mesh->n + sh->no];
}

/* What was kept aside for others goes down with this shard. */
void rt_mesh_detach(act_mesh *mesh, act_shard *sh)
{
	for (unsigned to = 0; to < mesh->n; to++) {
		struct lane *l = lane_to(sh, (uint8_t)to);
		while (l->aside != NULL) {
			act_msg *a = l->aside;
			l->aside = a->next;
			rt_msg_free(sh, a);
		}
	}
	__atomic_store_n(&mesh->shard[sh->no], NULL, __ATOMIC_SEQ_CST);
	if (sh->answer != NULL)
		rt_cell_free(sh, rt_mesh_answer_cell(sh));
}

bool rt_mesh_has(const act_shard *sh, act_id id)
{
	uint8_t to = rt_id_shard(id);
	return sh->mesh != NULL && to != sh->no && to < sh->mesh->n &&
	       __atomic_load_n(&sh->mesh->shard[to], __ATOMIC_RELAXED) != NULL;
}

static bool has_room(struct lane *l)
{
	if (l->next - l->seen_head < LANE_CELLS)
		return true;
	l->seen_head = __atomic_load_n(&l->head, __ATOMIC_ACQUIRE);
	return l->next - l->seen_head < LANE_CELLS;
}

static void address(act_msg *c, enum wire kind, act_id to, const act_msg *m)
{
	*c = *m;
	c->next = (act_msg *)(uintptr_t)to;
	c->flags = (uint16_t)((m->flags & ACT_MSG_OWNED) | (unsigned)kind << KIND_SHIFT);
}

bool rt_mesh_send(act_shard *sh, enum wire kind, act_id to, const act_msg *m)
{
	struct lane *l = lane_to(sh, rt_id_shard(to));
	if (l->aside != NULL || !has_room(l))
		return false;
	address(&l->cell[l->next++ % LANE_CELLS], kind, to, m);
	COUNT(sh, remote, 1);
	return true;
}

static enum wire kind_of(const act_msg *c)
{
	return (enum wire)(c->flags >> KIND_SHIFT & KIND_MASK);
}

/* Where a message kept aside has its receiver, its link being in use: replies go to their token,
 * what has a payload has no token, and the others have no payload. */
static uint64_t *place_of_receiver(act_msg *c)
{
	switch (kind_of(c)) {
	case WIRE_DELIVER:
	case WIRE_REPLY:
	case WIRE_REPLY_ERROR:
		return &c->token;
	default:
		return &c->word[0];
	}
}

static void keep_aside(struct lane *l, enum wire kind, act_id to, const act_msg *m, act_msg *cell)
{
	address(cell, kind, to, m);
	*place_of_receiver(cell) = to;
	cell->next = NULL;
	if (l->aside == NULL)
		l->aside = cell;
	else
		l->aside_last->next = cell;
	l->aside_last = cell;
}

void rt_mesh_must_send(act_shard *sh, enum wire kind, act_id to, const act_msg *m, act_msg *cell)
{
	bool is_there = rt_mesh_has(sh, to);
	if (!is_there)
		drop_payload(m);
	CHECK(cell != NULL);
	if (!is_there || rt_mesh_send(sh, kind, to, m)) {
		rt_cell_free(sh, cell);
		return;
	}
	keep_aside(lane_to(sh, rt_id_shard(to)), kind, to, m, cell);
	COUNT(sh, remote, 1);
}

void rt_mesh_signal(act_shard *sh, enum wire kind, act_id to, int why)
{
	act_shard *other = rt_mesh_has(sh, to) ? sh->mesh->shard[rt_id_shard(to)] : NULL;
	act_msg m = {.from = act_whoami(&sh->self), .type = (uint32_t)why};
	if (other == NULL || rt_mesh_send(sh, kind, to, &m))
		return;
	act_msg *cell = kind == WIRE_STOP ? rt_slab_take_past_limit(&sh->cells) : NULL;
	if (cell != NULL)
		rt_mesh_must_send(sh, kind, to, &m, cell);
	else
		rt_farsig_raise(other, kind, to, why);
}

/* ---- the producer's end of turn ---- */

static void move_aside(act_shard *sh, struct lane *l)
{
	while (l->aside != NULL && has_room(l)) {
		act_msg *a = l->aside;
		l->aside = a->next;
		a->next = (act_msg *)(uintptr_t)*place_of_receiver(a);
		if (kind_of(a) == WIRE_DELIVER)
			a->token = 0;
		l->cell[l->next++ % LANE_CELLS] = *a;
		rt_cell_free(sh, a);
	}
}

static void let_waiters_go(act_shard *sh, struct lane *l)
{
	while (l->aside == NULL && !list_empty(&l->waiters) && has_room(l)) {
		struct task *t = LIST_ENTRY(list_pop_front(&l->waiters), struct task, wait);
		act_msg *m = t->w.ask.request;
		rt_mesh_send(sh, WIRE_ASK, rt_question(t)->target, m);
		COUNT(sh, sent, 1);
		rt_cell_free(sh, m);
		t->w.ask.request = NULL;
		t->wait_of = WAIT_REPLY;
	}
}

/* Says that it waits for room, then looks again: the consumer does it the other way round. */
static void ask_for_room(act_shard *sh, struct lane *l)
{
	for (;;) {
		move_aside(sh, l);
		let_waiters_go(sh, l);
		if (l->aside == NULL && list_empty(&l->waiters))
			return;
		__atomic_store_n(&l->is_waited_for, 1, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&l->head, __ATOMIC_SEQ_CST) == l->seen_head)
			return;
		l->seen_head = __atomic_load_n(&l->head, __ATOMIC_ACQUIRE);
	}
}

static void publish(act_shard *sh, struct lane *l, unsigned to)
{
	if (__atomic_load_n(&l->tail, __ATOMIC_RELAXED) == l->next)
		return;
	__atomic_store_n(&l->tail, l->next, __ATOMIC_SEQ_CST);
	act_shard *other = __atomic_load_n(&sh->mesh->shard[to], __ATOMIC_ACQUIRE);
	if (other != NULL)
		rt_shard_rouse(other);
}

void rt_mesh_flush(act_shard *sh)
{
	if (sh->mesh == NULL)
		return;
	for (unsigned to = 0; to < sh->mesh->n; to++) {
		struct lane *l = lane_to(sh, (uint8_t)to);
		if (to == sh->no)
			continue;
		if (l->aside != NULL || !list_empty(&l->waiters))
			ask_for_room(sh, l);
		publish(sh, l, to);
	}
}

void rt_mesh_wait_way(act_shard *sh, struct task *t, uint8_t to)
{
	list_push_back(&lane_to(sh, to)->waiters, &t->wait);
}

bool rt_mesh_abandon_way(act_shard *sh, struct task *t)
{
	return rt_ask_abandon_room(sh, t);
}

/* ---- the consumer ---- */

static void take_msg(act_shard *sh, act_id to, const act_msg *m, bool past_cap)
{
	struct actor *a = rt_find(sh, to);
	act_msg *cell = a != NULL && (a->flags & FLAG_CLOSING) == 0 ? rt_cell(sh) : NULL;
	int rc = cell == NULL ? ACT_EDEAD : past_cap ? ACT_OK : rt_mailbox_admit(sh, a);
	if (rc == ACT_OK) {
		*cell = *m;
		rt_mailbox_put(sh, a, cell);
		return;
	}
	if (cell != NULL)
		rt_cell_free(sh, cell);
	if (rc == ACT_EDEAD)
		COUNT(sh, dead, 1);
	else if (rc == ACT_EFULL)
		COUNT(sh, dropped, 1);
	else /* DROP_NEW counted it as sent here as well */
		COUNT(sh, sent, -1);
	drop_payload(m);
}

static void take_ask(act_shard *sh, act_id to, const act_msg *m)
{
	act_msg *cell = rt_cell(sh);
	if (cell == NULL) {
		COUNT(sh, dead, 1);
		act_msg told = {.type = (uint32_t)ACT_ENOMEM, .token = m->token};
		rt_mesh_must_send(sh, WIRE_REPLY_ERROR, m->token, &told, rt_mesh_answer_cell(sh));
		drop_payload(m);
		return;
	}
	*cell = *m;
	rt_ask_from_far(sh, to, cell);
}

static void take_signal(act_shard *sh, enum wire kind, act_id to, const act_msg *m)
{
	struct actor *a = rt_find(sh, to);
	if (kind == WIRE_MONITOR) {
		rt_sys_monitor_from_far(sh, to, m->from, m->token);
	} else if (kind == WIRE_DEMONITOR) {
		rt_sys_demonitor_from_far(sh, to, m->from, m->token);
	} else if (kind == WIRE_DOWN) {
		rt_sys_down_from_far(sh, to, m);
	} else if (a == NULL) {
		return;
	} else if (kind == WIRE_STOP) {
		rt_stop_actor(sh, a);
	} else if (kind == WIRE_CANCEL) {
		rt_cancel_actor(sh, a, (int)m->type);
	} else {
		rt_kill_actor(sh, a);
	}
}

static void take_one(act_shard *sh, const act_msg *c)
{
	enum wire kind = kind_of(c);
	act_id to = (uintptr_t)c->next;
	act_msg m = *c;
	m.flags &= ACT_MSG_OWNED;
	switch (kind) {
	case WIRE_MSG:
	case WIRE_DELIVER:
		take_msg(sh, to, &m, kind == WIRE_DELIVER);
		break;
	case WIRE_ASK:
		take_ask(sh, to, &m);
		break;
	case WIRE_REPLY:
		rt_ask_reply_from_far(sh, &m);
		break;
	case WIRE_REPLY_ERROR:
		rt_ask_fail(sh, m.token, (int)m.type);
		break;
	case WIRE_GONE:
		rt_ask_gone_from_far(sh, to, m.token);
		break;
	default:
		take_signal(sh, kind, to, &m);
	}
}

/* Without a cell for an answer nothing is taken: it stays in its lane. */
bool rt_mesh_take(act_shard *sh)
{
	bool any = false;
	if (sh->mesh != NULL)
		rt_farsig_take(sh);
	for (unsigned from = 0; sh->mesh != NULL && from < sh->mesh->n; from++) {
		struct lane *l = lane_from(sh, from);
		uint32_t n = __atomic_load_n(&l->tail, __ATOMIC_ACQUIRE) - l->head;
		if (n == 0)
			continue;
		any = true;
		uint32_t head = l->head;
		for (uint32_t i = 0; i < n && i < TAKE_AT_ONCE && has_answer_cell(sh); i++)
			take_one(sh, &l->cell[head++ % LANE_CELLS]);
		__atomic_store_n(&l->head, head, __ATOMIC_SEQ_CST);
		if (__atomic_exchange_n(&l->is_waited_for, 0, __ATOMIC_SEQ_CST) == 0)
			continue;
		act_shard *other = __atomic_load_n(&sh->mesh->shard[from], __ATOMIC_ACQUIRE);
		if (other != NULL)
			rt_shard_rouse(other);
	}
	return any;
}

bool rt_mesh_is_empty(const act_shard *sh)
{
	if (sh->mesh != NULL && !rt_farsig_is_empty(sh))
		return false;
	for (unsigned from = 0; sh->mesh != NULL && from < sh->mesh->n; from++) {
		const struct lane *l = lane_from(sh, from);
		if (__atomic_load_n(&l->tail, __ATOMIC_SEQ_CST) != l->head)
			return false;
	}
	return true;
}
