/*
 * ping_pong -- two actors and one message that goes to and fro.
 *
 * An actor is a class (what it does) and a state (what it knows). It runs only when a message has
 * come, to its end, and never blocks. Ids are values: a stale one is an error, never a crash.
 */
#include "shard.h"

#include <stdio.h>

#define ROUNDS 3

enum { HELLO, PING, PONG };

struct player {
	act_id peer;
	int hits;
};

static int pong_on_msg(act_self *self, void *state, act_msg *m)
{
	struct player *p = state;
	p->hits++;
	printf("pong %d\n", p->hits);
	act_send(self, m->from, PONG, NULL, 0);
	return p->hits == ROUNDS ? ACT_EXIT : ACT_OK;
}

static int ping_on_msg(act_self *self, void *state, act_msg *m)
{
	struct player *p = state;
	if (m->type == HELLO)
		p->peer = *(act_id *)act_data(m);
	else if (p->hits == ROUNDS)
		return ACT_EXIT;
	p->hits++;
	printf("ping %d\n", p->hits);
	return act_send(self, p->peer, PING, NULL, 0); /* EDEAD would end this actor: a failure */
}

static void start(act_self *root)
{
	static const act_class ping = {
		.name = "ping", .state_size = sizeof(struct player), .on_msg = ping_on_msg};
	static const act_class pong = {
		.name = "pong", .state_size = sizeof(struct player), .on_msg = pong_on_msg};
	act_id a = act_spawn(root, &ping, NULL, NULL);
	act_id b = act_spawn(root, &pong, NULL, NULL);
	act_send(root, a, HELLO, &b, sizeof(b));
}

int main(void)
{
	return example_run(start);
}
