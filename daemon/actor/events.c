/*
 * events -- see events.h.
 */
#include "actor/events.h"

#define EVENT_MAX (64u << 10)

void events_publish(struct events *e, uint32_t uid, struct slice topic, struct slice members)
{
	e->seq++; /* also unheard: whoever subscribes later compares */
	if (e->ctlsock == NULL || !ctlsock_has_subscribers(e->ctlsock))
		return;
	struct bytes json = BYTES_LIMIT(EVENT_MAX);
	bytes_add_byte(&json, '{');
	bytes_add_slice(&json, members);
	if (members.n > 0)
		bytes_add_byte(&json, ',');
	bytes_printf(&json, "\"seq\":%llu,\"boot_id\":\"%s\"}", (unsigned long long)e->seq,
		     e->boot_id);
	if (json.err == ERR_OK)
		ctlsock_publish(e->ctlsock, uid, topic, bytes_slice(&json));
	bytes_fini(&json);
}
