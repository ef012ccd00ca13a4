#include "model/circuit.h"

enum circuit_state circuit_state_at(const struct circuit *c, int64_t now_ns)
{
	if (c->failures == 0)
		return CIRCUIT_CLOSED;
	return c->state == CIRCUIT_OPEN && now_ns >= c->until_ns ? CIRCUIT_CLOSED : c->state;
}

bool circuit_pass(struct circuit *c, int64_t now_ns)
{
	if (c->failures == 0 || c->state != CIRCUIT_OPEN || now_ns < c->until_ns)
		return false;
	c->state = CIRCUIT_PROBING;
	return true;
}

static void open_it(struct circuit *c, int64_t now_ns)
{
	c->state = CIRCUIT_OPEN;
	c->until_ns = now_ns + c->open_ns;
	c->failed = 0;
}

bool circuit_ended(struct circuit *c, bool was_probe, enum circuit_result r, int64_t now_ns)
{
	if (c->failures == 0)
		return false;
	if (was_probe) {
		if (r == CIRCUIT_FAILED) {
			open_it(c, now_ns);
			return true;
		}
		/* unused: as if it had just run out, so that the next one probes */
		c->state = r == CIRCUIT_OK ? CIRCUIT_CLOSED : CIRCUIT_OPEN;
		c->until_ns = now_ns;
		c->failed = 0;
		return false;
	}
	if (c->state != CIRCUIT_CLOSED || r == CIRCUIT_UNUSED)
		return false; /* a straggler from before it opened */
	c->failed = r == CIRCUIT_OK ? 0 : c->failed + 1;
	if (c->failed < c->failures)
		return false;
	open_it(c, now_ns);
	return true;
}
