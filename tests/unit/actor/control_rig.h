/*
 * control_rig -- control and session over byte pipes, with a keeper that says what a test wants and
 * the real store actor over a store in memory. Included by the tests of control alone.
 */
#pragma once

#include "actor/control.h"
#include "actor/doorbell.h"
#include "actor/jobs.h"
#include "actor/session.h"
#include "actor/store.h"
#include "edge/ctlsock.h"
#include "edge/pipepair.h"
#include "model/config.h"
#include "tests/kit/fakeloop.h"
#include "tests/kit/fakepool.h"
#include "world.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { OWN_UID = 500, ADMIN_UID = 0, SOME_UID = 1000, OTHER_UID = 1001 };

/* What the keeper heard last, and what it does with it. */
struct keeper_log {
	uint32_t n_calls, n_submits, n_gone, n_lost;
	struct job_call last; /* texts not valid */
	bool hold;	      /* it keeps the next tokens to itself */
	uint64_t token[512];
	uint32_t n_tokens;
	bool was_attached;
};

struct rig {
	struct fakeloop fake;
	struct fakepool pool;
	struct act_loop loop;
	struct world world;
	struct house house;
	struct keeper_log keeper;
	struct store *memory;
	struct transport *t;
	struct doorbell bell;
	struct config *config;
	struct notify notify;
};

struct client {
	struct rig *r;
	struct pipe_end *end;
	struct bytes in;
	char text[1 << 16]; /* of the last answer */
};

static void keeper_answer(act_self *self, struct rig *r, uint64_t token, struct bytes *head,
			  const char *result)
{
	struct job_reply *reply = calloc(1, sizeof(*reply));
	reply->fd = -1;
	(void)r;
	bytes_add_slice(&reply->body, bytes_slice(head));
	bytes_add_str(&reply->body, result);
	act_reply_buf(self, token, JOBS_CALL, reply, sizeof(*reply), job_reply_free);
}

static int keeper_on_msg(act_self *self, void *state, act_msg *m)
{
	struct rig *r = *(struct rig **)state;
	struct keeper_log *k = &r->keeper;
	char text[64];
	if (m->type == JOBS_SUBMIT) {
		struct jobs_submit *s = act_data(m);
		k->was_attached = s->is_attached;
		snprintf(text, sizeof(text), "{\"job\":\"j%u\",\"state\":\"queued\"}",
			 ++k->n_submits);
		keeper_answer(self, r, m->token, &s->head, text);
		return ACT_OK;
	}
	if (m->type != JOBS_CALL)
		return ACT_OK;
	struct job_call *c = act_data(m);
	if (c->kind == JOB_CALL_ATTACH_LOST) {
		k->n_lost++;
		return ACT_OK;
	}
	k->last = *c;
	k->n_calls++;
	if (k->hold) {
		k->token[k->n_tokens++] = m->token;
		return ACT_OK;
	}
	snprintf(text, sizeof(text), "{\"n\":%u}", k->n_calls);
	keeper_answer(self, r, m->token, &c->head, text);
	return ACT_OK;
}

static int keeper_on_signal(act_self *self, void *state, const struct act_sig *sig)
{
	(void)self;
	if (sig->kind == ACT_SIG_ASK_GONE)
		(*(struct rig **)state)->keeper.n_gone++;
	return ACT_OK;
}

static int keeper_init(act_self *self, void *state, const void *arg)
{
	(void)self;
	memcpy(state, arg, sizeof(struct rig *));
	return ACT_OK;
}

static const act_class keeper_class = {.name = "keeper",
				       .flags = ACT_CLASS_WANTS_ASK_GONE,
				       .state_size = sizeof(struct rig *),
				       .init = keeper_init,
				       .on_msg = keeper_on_msg,
				       .on_signal = keeper_on_signal};

/* ---- the house ---- */

static void rig_rings(void *ctx)
{
	doorbell_ring(&((struct rig *)ctx)->bell);
}

static void rig_gone(void *ctx, ctlsock_conn_id conn)
{
	(void)conn;
	rig_rings(ctx);
}

static void rig_poll(void *ctx, int64_t timeout_ns)
{
	struct rig *r = ctx;
	(void)timeout_ns;
	pipepair_poll(r->t);
	r->fake.loop.poll(r->fake.loop.ctx, 0);
}

static void rig_wake(void *ctx)
{
	(void)ctx;
}

static void rig_fatal(void *ctx, const char *why)
{
	(void)ctx;
	ck_abort_msg("fatal: %s", why);
}

static void rig_start(struct rig *r)
{
	struct pipepair_options po = {.clock = &r->fake.clock, .seed = 7};
	ck_assert_int_eq(pipepair_new(&po, &r->t), ERR_OK);
	struct ctlsock_owner owner = {.ctx = r, .on_requests = rig_rings, .on_gone = rig_gone};
	r->house = (struct house){.world = &r->world,
				  .clock = &r->fake.clock,
				  .config = r->config,
				  .started_ns = r->fake.now_ns};
	ck_assert_int_eq(ctlsock_new(CTLSOCK_REP, r->t, &r->fake.clock, &ctlsock_limits_control,
				     &owner, &r->house.control_sock),
			 ERR_OK);
	struct act_shard_opts so = {.clock = &r->fake.clock,
				    .loop = &r->loop,
				    .user = &r->house,
				    .offload = &r->pool.pool,
				    .seed = 3};
	r->house.shard = act_shard_new(&so);
	act_self *root = act_shard_root(r->house.shard);
	struct store_actor_opts sto = {
		.store = r->memory, .clock = &r->fake.clock, .fatal = rig_fatal};
	r->house.store = r->house.memory = store_actor_spawn(root, &sto);
	r->house.sessions = act_spawn(root, &session_class, NULL, NULL);
	struct act_opts wide = {.cap = 1024};
	r->house.jobs = act_spawn(root, &keeper_class, &r, &wide);
	struct control_args args = {.ctlsock = r->house.control_sock, .bell = &r->bell};
	r->house.control = act_spawn(root, &control_class, &args, NULL);
	ck_assert(r->house.control != 0);
	ck_assert(doorbell_init(&r->bell, r->house.shard, r->house.control, CONTROL_RING));
	ck_assert_int_eq(ctlsock_listen(r->house.control_sock), ERR_OK);
}

static void rig_open(struct rig *r)
{
	struct bytes why = {.n = 0};
	memset(r, 0, sizeof(*r));
	fakeloop_init(&r->fake);
	r->fake.now_ns = 5000 * NS_PER_S;
	r->fake.wall_offset_ns = 1700000000 * NS_PER_S;
	fakepool_init(&r->pool, &r->fake, 9, NS_PER_MS);
	r->loop = (struct act_loop){.ctx = r, .poll = rig_poll, .wake = rig_wake};
	ck_assert_int_eq(config_read(NULL, 0, NULL, &r->config, &why), ERR_OK);
	struct store_options so = {.kind = STORE_MEMORY};
	ck_assert_int_eq(store_open(&so, &r->memory), ERR_OK);
	r->world = (struct world){.clock = &r->fake.clock,
				  .own_uid = OWN_UID,
				  .version = "1",
				  .control_address = "ipc://x",
				  .notify = &r->notify,
				  .boot_id = "b00t"};
	rig_start(r);
}

static void rig_stop(struct rig *r)
{
	doorbell_fini(&r->bell);
	act_shard_free(r->house.shard);
	ctlsock_free(r->house.control_sock);
	r->t->ops->free(r->t);
}

static void rig_close(struct rig *r)
{
	rig_stop(r);
	store_close(r->memory);
	config_unref(r->config);
	fakeloop_fini(&r->fake);
}

static void settle(struct rig *r)
{
	for (int quiet = 0; quiet < 4;)
		quiet = act_shard_turn(r->house.shard) || pipepair_poll(r->t) ? 0 : quiet + 1;
}

static void pass_ms(struct rig *r, int64_t ms)
{
	for (int64_t i = 0; i < ms; i += 10) {
		r->fake.now_ns += 10 * NS_PER_MS;
		settle(r);
	}
}

/* ---- clients ---- */

static void client_open(struct rig *r, struct client *c, uint32_t uid)
{
	struct peer peer = {.uid = uid, .gid = uid, .pid = 9};
	uint8_t hello[SP_HELLO_BYTES];
	c->r = r;
	c->in = (struct bytes){.n = 0};
	c->end = pipepair_dial(r->t, &peer);
	sp_hello_put(hello, SP_REQ);
	pipe_end_send(c->end, hello, sizeof(hello));
	settle(r);
}

static void client_close(struct client *c)
{
	pipe_end_close(c->end);
	bytes_fini(&c->in);
	settle(c->r);
}

static void client_send(struct client *c, uint32_t id, const char *body)
{
	struct bytes b = {.n = 0};
	sp_add_request(&b, id, slice_of(body));
	pipe_end_send(c->end, b.p, b.n);
	bytes_fini(&b);
	settle(c->r);
}

/* The next answer, in c->text; false: none has come. */
static bool client_hear(struct client *c)
{
	struct sp_frame f;
	size_t need;
	settle(c->r);
	pipe_end_receive(c->end, &c->in);
	if (c->in.n >= SP_HELLO_BYTES && c->in.p[0] == 0)
		bytes_drop(&c->in, SP_HELLO_BYTES);
	if (sp_frame_parse(c->in.p, c->in.n, SP_REPLY_MAX_BYTES, &f, &need) != ERR_OK)
		return false;
	ck_assert_uint_lt(f.payload.n, sizeof(c->text));
	memcpy(c->text, f.payload.p + 4, f.payload.n - 4);
	c->text[f.payload.n - 4] = '\0';
	bytes_drop(&c->in, f.n_total);
	return true;
}

static const char *client_ask(struct client *c, const char *body)
{
	client_send(c, 1, body);
	ck_assert_msg(client_hear(c), "no answer to %s", body);
	return c->text;
}

static bool has(const char *text, const char *part)
{
	return strstr(text, part) != NULL;
}
