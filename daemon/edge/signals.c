/*
 * signals -- see signals.h.
 */
#include "edge/signals.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>

#define N_SIGNALS 3

struct signals {
	struct signals_owner owner;
	struct event *event[N_SIGNALS];
};

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	struct signals *s = arg;
	(void)what;
	if (number == SIGHUP)
		s->owner.on_reload(s->owner.ctx);
	else
		s->owner.on_stop(s->owner.ctx, number == SIGINT ? "SIGINT" : "SIGTERM");
}

enum err signals_new(struct event_base *base, const struct signals_owner *owner,
		     struct signals **ret)
{
	static const int numbers[N_SIGNALS] = {SIGTERM, SIGINT, SIGHUP};
	struct signals *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return ERR_NOMEM;
	s->owner = *owner;
	for (int i = 0; i < N_SIGNALS; i++) {
		s->event[i] = evsignal_new(base, numbers[i], on_signal, s);
		if (s->event[i] == NULL || event_add(s->event[i], NULL) != 0) {
			signals_free(s);
			return ERR_NOMEM;
		}
	}
	*ret = s;
	return ERR_OK;
}

void signals_free(struct signals *s)
{
	if (s == NULL)
		return;
	for (int i = 0; i < N_SIGNALS; i++) {
		if (s->event[i] != NULL)
			event_free(s->event[i]);
	}
	free(s);
}
