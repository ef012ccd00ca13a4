#include "edge/ticks.h"

#include "base/check.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>

#define TICK_NS (16 * NS_PER_MS)
#define SLOTS	256

/* That late, the process has stood still (stopped, suspended), and what came in meanwhile is
 * unread. */
#define STILL_NS (250 * NS_PER_MS)
#define GRACE_NS (50 * NS_PER_MS)

/*
 * A hashed wheel: slot = tick number modulo SLOTS. What is due further away than a round, or was
 * moved to a later time after it was put in, is put in again when its slot comes round.
 */
struct ticks {
	struct event_base *base;
	const struct clock *clock;
	struct event *timer;
	int64_t now;	/* last tick handled */
	int64_t waking; /* tick the timer is set for; INT64_MAX: not set */
	bool has_waited;
	struct link slot[SLOTS];
};

void tick_init(struct tick *t, void (*fire)(struct tick *t))
{
	list_init(&t->link);
	t->due_ns = 0;
	t->fire = fire;
}

void tick_disarm(struct tick *t)
{
	list_remove(&t->link);
}

static int64_t tick_of(int64_t ns)
{
	return (ns + TICK_NS - 1) / TICK_NS;
}

static void wake_at(struct ticks *w, int64_t tick)
{
	if (tick >= w->waking)
		return;
	w->waking = tick;
	int64_t wait = tick * TICK_NS - clock_mono_ns(w->clock);
	if (wait < NS_PER_MS)
		wait = NS_PER_MS;
	struct timeval tv = {.tv_sec = wait / NS_PER_S, .tv_usec = (wait % NS_PER_S) / NS_PER_US};
	evtimer_add(w->timer, &tv);
}

static void put(struct ticks *w, struct tick *t)
{
	int64_t at = tick_of(t->due_ns);
	if (at <= w->now)
		at = w->now + 1;
	if (at > w->now + SLOTS - 1)
		at = w->now + SLOTS - 1;
	list_push_back(&w->slot[at % SLOTS], &t->link);
	wake_at(w, at);
}

void tick_arm(struct ticks *w, struct tick *t, int64_t due_ns)
{
	bool later = !list_empty(&t->link) && due_ns >= t->due_ns;
	t->due_ns = due_ns;
	if (later)
		return;
	list_remove(&t->link);
	if (w->waking == INT64_MAX)
		w->now = clock_mono_ns(w->clock) / TICK_NS;
	put(w, t);
}

static void turn_slot(struct ticks *w, int64_t now_ns)
{
	struct link due;
	struct link *slot = &w->slot[w->now % SLOTS];
	list_init(&due);
	while (!list_empty(slot))
		list_push_back(&due, list_pop_front(slot));
	while (!list_empty(&due)) {
		struct tick *t = LIST_ENTRY(list_pop_front(&due), struct tick, link);
		list_init(&t->link);
		if (t->due_ns > now_ns)
			put(w, t);
		else
			t->fire(t);
	}
}

static void wake_for_next(struct ticks *w)
{
	for (int64_t at = w->now + 1; at < w->now + SLOTS; at++) {
		if (list_empty(&w->slot[at % SLOTS]))
			continue;
		wake_at(w, at);
		return;
	}
}

/* The answers that lie in the sockets are heard before anybody is told that none came in time. */
static bool waits_for_input(struct ticks *w, int64_t now_ns)
{
	static const struct timeval grace = {.tv_usec = GRACE_NS / NS_PER_US};
	bool stood_still = now_ns - w->waking * TICK_NS > STILL_NS;
	if (!stood_still || w->has_waited) {
		w->has_waited = false;
		return false;
	}
	w->has_waited = true;
	evtimer_add(w->timer, &grace);
	return true;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct ticks *w = arg;
	int64_t now_ns = clock_mono_ns(w->clock), until = now_ns / TICK_NS;
	if (waits_for_input(w, now_ns))
		return;
	/* After a long sleep one round reaches every slot. */
	if (until - w->now > SLOTS)
		w->now = until - SLOTS;
	w->waking = 0; /* whatever fires below may arm without setting the timer */
	while (w->now < until) {
		w->now++;
		turn_slot(w, now_ns);
	}
	w->waking = INT64_MAX;
	wake_for_next(w);
}

enum err ticks_new(struct event_base *base, const struct clock *clock, struct ticks **ret)
{
	struct ticks *w = calloc(1, sizeof(*w));
	if (w == NULL)
		return ERR_NOMEM;
	w->base = base;
	w->clock = clock;
	w->waking = INT64_MAX;
	w->now = clock_mono_ns(clock) / TICK_NS;
	for (size_t i = 0; i < SLOTS; i++)
		list_init(&w->slot[i]);
	w->timer = evtimer_new(base, on_timer, w);
	if (w->timer == NULL) {
		free(w);
		return ERR_NOMEM;
	}
	*ret = w;
	return ERR_OK;
}

void ticks_free(struct ticks *w)
{
	if (w == NULL)
		return;
	for (size_t i = 0; i < SLOTS; i++)
		while (list_pop_front(&w->slot[i]) != NULL)
			continue;
	event_free(w->timer);
	free(w);
}
