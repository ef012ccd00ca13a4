/*
 * session -- see session.h.
 */
#include "client/session.h"

#include "client/say.h"

#include <poll.h>
#include <time.h>

#define FIRST_PAUSE_MS	  20
#define LONGEST_PAUSE_MS  500
#define ANSWER_TIMEOUT_MS 60000

int64_t session_now_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

enum status session_reconnect(struct session *s)
{
	int64_t until = session_now_ms() + SESSION_RECONNECT_MS;
	int pause_ms = FIRST_PAUSE_MS;
	s->generation++;
	while (muster_reopen(s->m) != MUSTER_OK) {
		struct pollfd p = {.fd = s->signals->fd, .events = POLLIN};
		if (session_now_ms() > until) {
			say("the daemon went away and did not come back within 30 s: %s",
			    muster_message(s->m));
			return STATUS_NO_DAEMON;
		}
		poll(&p, 1, pause_ms);
		if (signals_take(s->signals) != 0)
			return STATUS_CANCELLED;
		pause_ms = pause_ms * 2 < LONGEST_PAUSE_MS ? pause_ms * 2 : LONGEST_PAUSE_MS;
	}
	return STATUS_OK;
}

enum muster_status session_call(struct session *s, const char *method, const char *params,
				struct muster_reply *r, enum status *ret_status)
{
	for (;;) {
		enum muster_status ms = muster_call(s->m, method, params, ANSWER_TIMEOUT_MS, r);
		*ret_status = STATUS_OK;
		if (ms == MUSTER_OK || ms == MUSTER_REFUSED)
			return ms;
		if (ms != MUSTER_LOST && ms != MUSTER_TIMEOUT) {
			*ret_status = ask_failed(s->m, method, ms, r);
			return ms;
		}
		*ret_status = session_reconnect(s);
		if (*ret_status != STATUS_OK)
			return MUSTER_LOST;
	}
}
