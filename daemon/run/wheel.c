#include "run/wheel.h"

#include "base/check.h"

#define LEVEL_SHIFT(l) (8 * (unsigned)(l))

static void head_init(struct act_wheel_node *h)
{
	h->next = h->prev = h;
}

void rt_wheel_init(struct wheel *w, int64_t now_ns)
{
	for (int l = 0; l < WHEEL_LEVELS; l++) {
		for (int i = 0; i < WHEEL_SLOTS; i++)
			head_init(&w->slot[l][i]);
		for (int i = 0; i < WHEEL_SLOTS / 64; i++)
			w->used[l][i] = 0;
	}
	head_init(&w->due);
	w->now = (uint64_t)(now_ns / WHEEL_TICK_NS);
	w->n = 0;
}

static void append(struct act_wheel_node *head, struct act_wheel_node *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

/* The list for a tick after w->now: by the highest byte in which it differs from now. */
static void place(struct wheel *w, struct act_wheel_node *node)
{
	uint64_t tick = node->tick;
	if (tick <= w->now) {
		append(&w->due, node);
		return;
	}
	if (tick - w->now > UINT32_MAX - (1U << 24))
		tick = w->now + UINT32_MAX - (1U << 24);
	uint64_t diff = tick ^ w->now;
	int level = 0;
	while (level < WHEEL_LEVELS - 1 && (diff >> LEVEL_SHIFT(level + 1)) != 0)
		level++;
	unsigned i = (unsigned)(tick >> LEVEL_SHIFT(level)) & 255U;
	append(&w->slot[level][i], node);
	w->used[level][i / 64] |= 1ULL << (i % 64);
}

void rt_wheel_add(struct wheel *w, struct act_wheel_node *node, int64_t at_ns)
{
	CHECK_DEBUG(node->next == NULL);
	uint64_t at = at_ns > 0 ? (uint64_t)at_ns : 0;
	uint64_t tick = at / WHEEL_TICK_NS + (at % WHEEL_TICK_NS != 0);
	node->tick = tick & ((1ULL << 62) - 1);
	w->n++;
	place(w, node);
}

/* A bit in `used` may outlive its last node: found empty, it is cleared by whoever looks. */
void rt_wheel_remove(struct wheel *w, struct act_wheel_node *node)
{
	if (node->next == NULL)
		return;
	node->prev->next = node->next;
	node->next->prev = node->prev;
	node->next = node->prev = NULL;
	w->n--;
}

/* First used slot of a level at or after `from` (0 to 256); 256: none. */
static unsigned next_used(const struct wheel *w, int level, unsigned from)
{
	for (unsigned word = from / 64; word < WHEEL_SLOTS / 64; word++) {
		uint64_t bits = w->used[level][word];
		if (word == from / 64)
			bits &= ~0ULL << (from % 64);
		if (bits != 0)
			return word * 64 + (unsigned)__builtin_ctzll(bits);
	}
	return WHEEL_SLOTS;
}

/* Empties a slot; its nodes go to due or to a lower level. */
static void cascade(struct wheel *w, int level, unsigned i)
{
	struct act_wheel_node *head = &w->slot[level][i];
	w->used[level][i / 64] &= ~(1ULL << (i % 64));
	struct act_wheel_node *node = head->next;
	head_init(head);
	while (node != head) {
		struct act_wheel_node *next = node->next;
		place(w, node);
		node = next;
	}
}

/* The first tick after now at which a slot must be looked at; UINT64_MAX: none. */
static uint64_t next_event(const struct wheel *w)
{
	for (int level = 0; level < WHEEL_LEVELS; level++) {
		unsigned at = (unsigned)(w->now >> LEVEL_SHIFT(level)) & 255U;
		unsigned i = next_used(w, level, at + 1);
		if (i < WHEEL_SLOTS) {
			uint64_t above = level + 1 < 8 ? w->now >> LEVEL_SHIFT(level + 1) : 0;
			return ((above << 8) | i) << LEVEL_SHIFT(level);
		}
	}
	/* What wrapped around the highest level. */
	unsigned i = next_used(w, WHEEL_LEVELS - 1, 0);
	if (i == WHEEL_SLOTS)
		return UINT64_MAX;
	uint64_t above = (w->now >> LEVEL_SHIFT(WHEEL_LEVELS)) + 1;
	return ((above << 8) | i) << LEVEL_SHIFT(WHEEL_LEVELS - 1);
}

void rt_wheel_advance(struct wheel *w, int64_t now_ns)
{
	uint64_t target = now_ns > 0 ? (uint64_t)now_ns / WHEEL_TICK_NS : 0;
	while (w->now < target) {
		uint64_t next = w->n == 0 ? UINT64_MAX : next_event(w);
		if (next > target) {
			w->now = target;
			return;
		}
		w->now = next;
		for (int level = WHEEL_LEVELS - 1; level >= 0; level--) {
			uint64_t low = w->now & ((1ULL << LEVEL_SHIFT(level)) - 1);
			unsigned i = (unsigned)(w->now >> LEVEL_SHIFT(level)) & 255U;
			if (low == 0 && (w->used[level][i / 64] >> (i % 64) & 1) != 0)
				cascade(w, level, i);
		}
	}
}

struct act_wheel_node *rt_wheel_pop(struct wheel *w)
{
	struct act_wheel_node *node = w->due.next;
	if (node == &w->due)
		return NULL;
	rt_wheel_remove(w, node);
	return node;
}

int64_t rt_wheel_next_ns(const struct wheel *w)
{
	if (w->n == 0)
		return INT64_MAX;
	uint64_t tick = w->due.next != &w->due ? w->now : next_event(w);
	if (tick > (uint64_t)INT64_MAX / WHEEL_TICK_NS)
		return INT64_MAX;
	return (int64_t)(tick * WHEEL_TICK_NS);
}
