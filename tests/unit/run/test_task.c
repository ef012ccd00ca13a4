#include "run/group.h"
#include "tests/unit/run/world.h"

#include <check.h>
#include <stdlib.h>

enum { PING = 1, PONG };

/* ---- an actor that answers, or keeps the token ---- */

struct server {
	uint64_t kept;
	uint64_t gone;
	int n;
};
static struct server *the_server;

static int server_init(act_self *self, void *st, const void *arg)
{
	(void)self;
	(void)arg;
	the_server = st;
	return ACT_OK;
}

static int server_on_msg(act_self *self, void *st, act_msg *m)
{
	struct server *s = st;
	s->n++;
	if (m->type == PING) {
		uint64_t v = m->word[0] + 1;
		act_reply(self, m->token, PONG, &v, sizeof(v));
	} else {
		s->kept = m->token;
	}
	return ACT_OK;
}

static int server_on_signal(act_self *self, void *st, const struct act_sig *sig)
{
	(void)self;
	struct server *s = st;
	if (sig->kind == ACT_SIG_ASK_GONE)
		s->gone = sig->ref;
	return sig->kind == ACT_SIG_CANCEL ? ACT_ECANCELED : ACT_OK;
}

static const act_class server = {.name = "server",
				 .state_size = sizeof(struct server),
				 .flags = ACT_CLASS_WANTS_ASK_GONE,
				 .init = server_init,
				 .on_msg = server_on_msg,
				 .on_signal = server_on_signal};

struct client {
	act_co co;
	int rc;
	act_id server;
	uint32_t type;
	int64_t timeout_ns;
	act_scope *scope;
	act_msg *reply;
	struct result *out;
	uint64_t v;
};
struct result {
	int rc;
	uint64_t v;
	bool is_over, timed_out;
};

static int client_step(act_self *self, void *frame)
{
	struct client *c = frame;
	CO_BEGIN(&c->co);
	c->scope = act_scope_open(self, c->timeout_ns);
	c->v = 41;
	CO_AWAIT(&c->co, c->rc, act_ask(self, c->server, c->type, &c->v, sizeof(c->v), &c->reply));
	if (c->rc == ACT_OK) {
		c->out->v = c->reply->word[0];
		act_drop(self, c->reply);
	}
	c->out->rc = act_scope_close(self, c->scope, c->rc, &c->out->timed_out);
	c->out->is_over = true;
	CO_END(&c->co);
}

static act_id start_client(struct world *w, act_id to, uint32_t type, int64_t timeout_ns,
			   struct result *out)
{
	struct client c = {.server = to, .type = type, .timeout_ns = timeout_ns, .out = out};
	struct act_task_opts o = {.name = "client", .frame_init = &c, .frame_init_size = sizeof(c)};
	return act_spawn_task(w->root, client_step, sizeof(c), &o);
}

START_TEST(an_ask_gets_its_reply)
{
	struct world w;
	struct result r = {0};
	world_open(&w);
	act_id s = act_spawn(w.root, &server, NULL, NULL);
	start_client(&w, s, PING, ACT_FOREVER, &r);
	world_settle(&w);
	ck_assert_int_eq(r.rc, ACT_OK);
	ck_assert_uint_eq(r.v, 42);
	world_close(&w);
}
END_TEST

START_TEST(an_asker_out_of_time_is_told_of_to_the_target)
{
	struct world w;
	struct result r = {0};
	world_open(&w);
	act_id s = act_spawn(w.root, &server, NULL, NULL);
	start_client(&w, s, PONG, 5 * NS_PER_MS, &r);
	world_settle(&w);
	ck_assert(!r.is_over);
	ck_assert_uint_ne(the_server->kept, 0);
	world_run_for(&w, 10 * NS_PER_MS);
	ck_assert(r.is_over && r.timed_out);
	ck_assert_int_eq(r.rc, ACT_ETIMEDOUT);
	ck_assert_uint_eq(the_server->gone, the_server->kept);
	world_close(&w);
}
END_TEST

/* ---- groups ---- */

struct child {
	act_co co;
	int rc;
	int64_t sleep_ns;
	int result;
	int *n_cleaned;
};

static void cleaned(act_self *self, void *arg)
{
	(void)self;
	++*(int *)arg;
}

static int child_step(act_self *self, void *frame)
{
	struct child *c = frame;
	CO_BEGIN(&c->co);
	act_defer(self, cleaned, c->n_cleaned);
	CO_AWAIT(&c->co, c->rc, act_sleep(self, c->sleep_ns));
	if (c->rc != ACT_OK)
		return c->rc;
	if (c->result < 0)
		return act_fail(self, c->result, "test", NULL, "child failed");
	CO_END(&c->co);
}

struct parent {
	act_co co;
	int rc;
	act_group *g;
	int n_cleaned;
	int *out;
	int n_failing;
};

static int parent_step(act_self *self, void *frame)
{
	struct parent *p = frame;
	CO_BEGIN(&p->co);
	p->g = act_group_open(self, ACT_FAIL_FAST, 0, ACT_FOREVER);
	for (int i = 0; i < 10; i++) {
		struct child c = {.sleep_ns = (i + 1) * NS_PER_MS,
				  .result = i == 3 && p->n_failing > 0 ? -200 : 0,
				  .n_cleaned = &p->n_cleaned};
		struct act_task_opts o = {
			.frame_init = &c, .frame_init_size = sizeof(c), .tag = (uint64_t)i};
		ck_assert_int_eq(act_group_go(self, p->g, child_step, sizeof(c), &o), ACT_OK);
	}
	CO_AWAIT(&p->co, p->rc, act_group_join(self, p->g));
	p->out[0] = p->rc;
	p->out[1] = p->n_cleaned;
	struct act_err_counts n = act_group_counts(p->g);
	p->out[2] = (int)n.ok;
	p->out[3] = (int)n.failed;
	p->out[4] = (int)n.cancelled;
	p->out[5] = act_group_close(self, p->g);
	CO_END(&p->co);
}

static void run_parent(int n_failing, int *out)
{
	struct world w;
	world_open(&w);
	struct parent p = {.out = out, .n_failing = n_failing};
	struct act_task_opts o = {.frame_init = &p, .frame_init_size = sizeof(p)};
	act_spawn_task(w.root, parent_step, sizeof(p), &o);
	world_run_for(&w, 100 * NS_PER_MS);
	ck_assert_uint_eq(act_shard_live(w.sh), 0);
	world_close(&w);
}

START_TEST(a_group_joins_when_all_children_have_ended)
{
	int out[6] = {-1};
	run_parent(0, out);
	ck_assert_int_eq(out[0], ACT_OK);
	ck_assert_int_eq(out[1], 10);
	ck_assert_int_eq(out[2], 10);
}
END_TEST

START_TEST(the_first_failure_cancels_the_siblings)
{
	int out[6] = {-1};
	run_parent(1, out);
	ck_assert_int_eq(out[0], ACT_EGROUP);
	ck_assert_int_eq(out[1], 10);
	ck_assert_int_eq(out[2], 3);
	ck_assert_int_eq(out[3], 1);
	ck_assert_int_eq(out[4], 6);
	ck_assert_int_eq(out[5], ACT_EGROUP);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("task");
	TCase *t = tcase_create("task");
	tcase_add_test(t, an_ask_gets_its_reply);
	tcase_add_test(t, an_asker_out_of_time_is_told_of_to_the_target);
	tcase_add_test(t, a_group_joins_when_all_children_have_ended);
	tcase_add_test(t, the_first_failure_cancels_the_siblings);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
