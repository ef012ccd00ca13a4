#include "model/reuse.h"

bool reuse_allowed(const struct reuse_facts *f)
{
	return f->head_allows && f->body_complete && f->request_sent && !f->leftover &&
	       !f->ambiguous && !f->closed;
}

int64_t reuse_idle_ms(int64_t said_ms, int64_t own_ms)
{
	if (said_ms < 0)
		return own_ms;
	int64_t early = said_ms > 2000 ? said_ms - 1000 : said_ms / 2;
	return early < own_ms ? early : own_ms;
}
