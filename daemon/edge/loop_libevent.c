#include "edge/loop_libevent.h"

#include "base/check.h"
#include "base/clock.h"

#include <event2/event.h>

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct loop_libevent {
	struct act_loop loop;
	struct event_base *base;
	struct event *woken, *timer;
	int fd;
};

static void on_woken(evutil_socket_t fd, short what, void *ctx)
{
	(void)what;
	(void)ctx;
	uint64_t n;
	/* EAGAIN: somebody's count was read already. */
	if (read(fd, &n, sizeof(n)) < 0)
		return;
}

/* Only ends the wait. */
static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	(void)ctx;
}

static void wait_at_most(struct loop_libevent *l, int64_t timeout_ns)
{
	int64_t us = (timeout_ns + NS_PER_US - 1) / NS_PER_US;
	struct timeval tv = {.tv_sec = us / 1000000, .tv_usec = us % 1000000};
	event_add(l->timer, &tv);
	event_base_loop(l->base, EVLOOP_ONCE);
	event_del(l->timer);
}

static void poll_base(void *ctx, int64_t timeout_ns)
{
	struct loop_libevent *l = ctx;
	if (timeout_ns == 0)
		event_base_loop(l->base, EVLOOP_NONBLOCK);
	else if (timeout_ns < 0)
		event_base_loop(l->base, EVLOOP_ONCE);
	else
		wait_at_most(l, timeout_ns);
}

static void wake(void *ctx)
{
	const struct loop_libevent *l = ctx;
	const uint64_t one = 1;
	/* EAGAIN: the counter is full, so it is awake. */
	if (write(l->fd, &one, sizeof(one)) < 0)
		return;
}

static struct event_base *base_new(void)
{
	struct event_config *c = event_config_new();
	if (c == NULL)
		return NULL;
	event_config_set_flag(c, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
	struct event_base *base = event_base_new_with_config(c);
	event_config_free(c);
	return base;
}

struct loop_libevent *loop_libevent_new(void)
{
	struct loop_libevent *l = calloc(1, sizeof(*l));
	if (l == NULL)
		return NULL;
	l->loop = (struct act_loop){.ctx = l, .poll = poll_base, .wake = wake};
	l->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	l->base = base_new();
	if (l->fd < 0 || l->base == NULL)
		goto fail;
	l->woken = event_new(l->base, l->fd, EV_READ | EV_PERSIST, on_woken, l);
	l->timer = event_new(l->base, -1, 0, on_timer, l);
	if (l->woken == NULL || l->timer == NULL || event_add(l->woken, NULL) < 0)
		goto fail;
	return l;
fail:
	loop_libevent_free(l);
	return NULL;
}

void loop_libevent_free(struct loop_libevent *l)
{
	if (l == NULL)
		return;
	if (l->woken != NULL)
		event_free(l->woken);
	if (l->timer != NULL)
		event_free(l->timer);
	if (l->base != NULL)
		event_base_free(l->base);
	if (l->fd >= 0)
		close(l->fd);
	free(l);
}

struct event_base *loop_libevent_base(struct loop_libevent *l)
{
	return l->base;
}

const struct act_loop *loop_libevent_loop(const struct loop_libevent *l)
{
	return &l->loop;
}
