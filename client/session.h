/*
 * session -- a connection that outlives the daemon: after a loss it is looked for again for 30 s,
 * while signals are heard. Who has requests outstanding compares generations.
 */
#pragma once

#include "client/ask.h"
#include "client/muster.h"
#include "client/signals.h"

#define SESSION_RECONNECT_MS 30000

struct session {
	struct muster *m;
	struct signals *signals;
	unsigned generation; /* +1 with every new connection: older requests have no answer */
};

/*
 * OK: connected again. NO_DAEMON: not within 30 s (said). CANCELLED: a signal came
 * (signals->first).
 */
enum status session_reconnect(struct session *s);
/*
 * A call that is repeated on a new connection until it is answered; for requests that may be
 * repeated. Errors of the daemon: REFUSED with *r filled, nothing said. Other failures are in
 * *ret_status, said.
 */
enum muster_status session_call(struct session *s, const char *method, const char *params,
				struct muster_reply *r, enum status *ret_status);
/* For waiting and for progress. */
int64_t session_now_ms(void);
