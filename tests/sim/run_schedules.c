/*
 * run_schedules -- random programs of tasks under random cancels, kills, timeouts and closes, on a
 * permuted run ring and a clock that only moves when nothing is left to do.
 *
 *	run_schedules [--schedules N] [--seed S]
 *
 * Schedule i has seed S + i and runs twice; both runs must leave the same trace. At its end every
 * task must be gone, every permit back, every lock free or unusable, every cell returned, every
 * message accounted for (act_shard_free checks), and no child may have outlived its group.
 * `--schedules 1 --seed S` replays a failing seed.
 */
#include "run/group.h"
#include "run/stats.h"
#include "run/sync.h"
#include "tests/kit/fakepool.h"
#include "tests/sim/simseed.h"
#include "tests/unit/run/world.h"

#include <stdlib.h>
#include <string.h>

enum { N_SEMS = 2, N_LOCKS = 2, N_EVENTS = 2, N_QUEUES = 2, MAX_IDS = 64, PERMITS = 3 };
enum { MAIL = 1, ASK_NOW, ASK_LATER, ASK_NEVER };

struct sim {
	struct world w;
	struct fakepool pool;
	struct rng rng;
	uint64_t hash;
	act_sem *sem[N_SEMS];
	act_lock *lock[N_LOCKS];
	act_event *event[N_EVENTS];
	act_queue *queue[N_QUEUES];
	act_id server;
	act_id id[MAX_IDS];
	unsigned n_ids;
	int n_bodies; /* tasks between their first step and their last defer */
	int n_args;
};

static void trace(struct sim *s, uint64_t what, int64_t value)
{
	s->hash = (s->hash ^ what) * 0x100000001b3ULL;
	s->hash = (s->hash ^ (uint64_t)value) * 0x100000001b3ULL;
	s->hash ^= s->hash >> 29;
}

static unsigned pick(struct sim *s, unsigned n)
{
	return (unsigned)rng_below(&s->rng, n);
}

static int64_t some_ms(struct sim *s, unsigned max)
{
	return (int64_t)pick(s, max + 1) * NS_PER_MS + (int64_t)pick(s, 3) * 300 * NS_PER_US;
}

#define HALF_THE_TIME(s) (pick(s, 2) == 0)

/* ---- the server: answers at once, later, or not at all ---- */

enum { SERVER_KEEPS = 8 };
struct server {
	uint64_t kept[SERVER_KEEPS];
	unsigned n;
	struct act_timer timer;
};

static int server_on_msg(act_self *self, void *st, act_msg *m)
{
	struct server *s = st;
	if (m->type == ASK_NOW)
		act_reply(self, m->token, ASK_NOW, "yes", 3);
	if (m->type == ASK_LATER && s->n < SERVER_KEEPS) {
		s->kept[s->n++] = m->token;
		act_timer_set(self, &s->timer, 3 * NS_PER_MS);
	}
	return ACT_OK;
}

static int server_on_signal(act_self *self, void *st, const struct act_sig *sig)
{
	struct server *s = st;
	struct sim *sim = act_user(self);
	trace(sim, 900 + sig->kind, (int64_t)(uint32_t)sig->ref);
	if (sig->kind == ACT_SIG_TIMER) {
		for (unsigned i = 0; i < s->n; i++)
			act_reply(self, s->kept[i], ASK_LATER, "a long answer that needs the heap",
				  33);
		s->n = 0;
	}
	if (sig->kind != ACT_SIG_ASK_GONE)
		return ACT_OK;
	for (unsigned i = 0; i < s->n; i++)
		if (s->kept[i] == sig->ref)
			s->kept[i] = s->kept[--s->n];
	return ACT_OK;
}

static const act_class server_class = {.name = "server",
				       .state_size = sizeof(struct server),
				       .flags = ACT_CLASS_WANTS_ASK_GONE,
				       .on_msg = server_on_msg,
				       .on_signal = server_on_signal};

/* ---- one task: a number of random acts ---- */

struct body {
	act_co co;
	int rc;
	unsigned depth, act, n, i;
	int64_t t;
	act_group *group;
	act_msg *m;
	act_id whom;
	int ended_rc;
	struct act_op op;
	struct act_child_result result;
	int *arg;
};

/* The acts run in an inner frame, so that their awaits nest in those of the body. */
struct outer {
	act_co co;
	int rc;
	unsigned left, mode;
	act_scope *scope;
	bool timed_out;
	struct body inner;
};

static int outer_step(act_self *self, void *frame);

static void body_over(act_self *self, void *arg)
{
	(void)arg;
	((struct sim *)act_user(self))->n_bodies--;
}

static void arg_over(void *arg)
{
	--*(int *)arg;
}

static void value_over(void *value)
{
	free(value);
}

static void register_id(struct sim *s, act_id id)
{
	if (s->n_ids < MAX_IDS)
		s->id[s->n_ids++] = id;
	else
		s->id[pick(s, MAX_IDS)] = id;
}

static act_id some_task(struct sim *s)
{
	return s->n_ids > 0 ? s->id[pick(s, s->n_ids)] : 0;
}

static int some_work(void *arg)
{
	++*(int *)arg;
	return 7;
}

static void work_dropped(void *arg)
{
	free(arg);
}

/* Completions come from heap records, so that late ones never touch a dead frame. */
struct late {
	struct sim *s;
	struct act_op *op;
	bool is_void;
};

static void complete_op(void *ctx)
{
	struct late *l = ctx;
	if (!l->is_void)
		act_op_complete(l->s->w.sh, l->op, 0);
	free(l);
}

static void cancel_op(struct act_op *op)
{
	struct late *l = op->user;
	l->is_void = true;
}

static void begin_op(struct sim *s, struct body *b)
{
	struct late *l = malloc(sizeof(*l));
	SIM_EXPECT(l != NULL);
	*l = (struct late){.s = s, .op = &b->op};
	act_op_init(&b->op, cancel_op, l);
	fakeloop_at(&s->w.fake, s->w.fake.now_ns + some_ms(s, 8), complete_op, l);
}

static void spawn_children(act_self *self, struct sim *s, struct body *b)
{
	for (unsigned i = 0; i < b->n; i++) {
		struct outer child = {.left = 1 + pick(s, 4), .inner.depth = b->depth - 1};
		struct act_task_opts o = {.name = "child",
					  .frame_init = &child,
					  .frame_init_size = sizeof(child),
					  .arg = &s->n_args,
					  .arg_dtor = arg_over,
					  .tag = i,
					  .cap = 2};
		s->n_args++;
		int rc = act_group_go(self, b->group, outer_step, sizeof(child), &o);
		trace(s, 40, rc);
		SIM_EXPECT(rc == ACT_OK || rc == ACT_ECANCELED);
	}
}

static void send_mail(act_self *self, struct sim *s)
{
	act_id to = some_task(s);
	if (pick(s, 4) == 0) {
		char *text = strdup("mail of its own");
		int rc = act_send_buf(self, to, MAIL, text, 15, free);
		trace(s, 41, rc);
		if (rc != ACT_OK)
			free(text);
		return;
	}
	trace(s, 42, act_send(self, to, MAIL, "hello", 5));
}

static int act_sem_lock(act_self *self, struct sim *s, struct body *b)
{
	CO_BEGIN(&b->co);
	if (b->act == 0) {
		b->i = pick(s, N_SEMS);
		b->n = 1 + pick(s, PERMITS);
		CO_AWAIT(&b->co, b->rc, act_sem_acquire(self, s->sem[b->i], b->n));
		if (b->rc != ACT_OK)
			return b->rc;
		b->t = some_ms(s, 3);
		CO_AWAIT(&b->co, b->rc, act_sleep(self, b->t));
		if (HALF_THE_TIME(s))
			SIM_EXPECT(act_sem_release(self, s->sem[b->i], b->n) == ACT_OK);
		return b->rc;
	}
	b->i = pick(s, N_LOCKS);
	CO_AWAIT(&b->co, b->rc, act_lock_acquire(self, s->lock[b->i]));
	if (b->rc == ACT_EOWNERDEAD)
		b->rc = pick(s, 4) != 0 ? act_lock_consistent(self, s->lock[b->i]) : ACT_OK;
	else if (b->rc == ACT_ECLOSED || b->rc == ACT_EDEADLK)
		return ACT_OK;
	if (b->rc != ACT_OK)
		return b->rc;
	b->t = some_ms(s, 3);
	CO_AWAIT(&b->co, b->rc, act_sleep(self, b->t));
	if (HALF_THE_TIME(s))
		SIM_EXPECT(act_lock_release(self, s->lock[b->i]) == ACT_OK);
	CO_END(&b->co);
}

static int act_object(act_self *self, struct sim *s, struct body *b)
{
	CO_BEGIN(&b->co);
	b->i = pick(s, N_QUEUES);
	if (b->act == 2) {
		CO_AWAIT(&b->co, b->rc, act_event_wait(self, s->event[b->i]));
		return b->rc;
	}
	if (b->act == 3) {
		b->m = act_msg_new(self, MAIL, "item", 4);
		CO_AWAIT(&b->co, b->rc, act_queue_put(self, s->queue[b->i], b->m));
		if (b->rc != ACT_OK)
			act_drop(self, b->m);
		return b->rc == ACT_ECLOSED ? ACT_OK : b->rc;
	}
	if (b->act == 4) {
		CO_AWAIT(&b->co, b->rc, act_queue_get(self, s->queue[b->i], &b->m));
		if (b->rc != ACT_OK)
			return b->rc == ACT_ECLOSED ? ACT_OK : b->rc;
		b->t = some_ms(s, 2);
		CO_AWAIT(&b->co, b->rc, act_sleep(self, b->t));
		if (pick(s, 4) != 0)
			SIM_EXPECT(act_queue_done(self, s->queue[b->i]) == ACT_OK);
		return b->rc;
	}
	CO_AWAIT(&b->co, b->rc, act_queue_join(self, s->queue[b->i]));
	return b->rc;
	CO_END(&b->co);
}

static int act_time(act_self *self, struct sim *s, struct body *b)
{
	CO_BEGIN(&b->co);
	if (b->act == 6) {
		b->t = some_ms(s, 5);
		CO_AWAIT(&b->co, b->rc, act_sleep(self, b->t));
	} else if (b->act == 7) {
		CO_AWAIT(&b->co, b->rc, act_yield(self));
	} else if (b->act == 8) {
		begin_op(s, b);
		CO_AWAIT(&b->co, b->rc, act_op_await(self, &b->op));
	} else {
		b->arg = malloc(sizeof(int));
		*b->arg = 0;
		struct act_work w = {.fn = some_work,
				     .arg = b->arg,
				     .dtor = work_dropped,
				     .abandon_on_cancel = HALF_THE_TIME(s)};
		CO_AWAIT(&b->co, b->rc, act_offload(self, &w));
		if (b->rc != ACT_ECANCELED) {
			SIM_EXPECT(*b->arg == 1);
			free(b->arg);
		}
		b->rc = b->rc == 7 ? ACT_OK : b->rc;
	}
	return b->rc;
	CO_END(&b->co);
}

static int act_talk(act_self *self, struct sim *s, struct body *b)
{
	CO_BEGIN(&b->co);
	if (b->act == 10) {
		b->n = ASK_NOW + pick(s, 3);
		CO_AWAIT(&b->co, b->rc, act_ask(self, s->server, b->n, "ask", 3, &b->m));
		if (b->rc == ACT_OK)
			act_drop(self, b->m);
	} else if (b->act == 11) {
		send_mail(self, s);
		CO_AWAIT(&b->co, b->rc, act_recv(self, &b->m));
		if (b->rc == ACT_OK) {
			act_reply(self, b->m->token, MAIL, "got it", 6);
			act_drop(self, b->m);
		}
	} else if (b->act == 12) {
		b->whom = some_task(s);
		CO_AWAIT(&b->co, b->rc, act_ask(self, b->whom, MAIL, "you?", 4, &b->m));
		if (b->rc == ACT_OK)
			act_drop(self, b->m);
	} else {
		b->whom = some_task(s);
		CO_AWAIT(&b->co, b->rc, act_await_exit(self, b->whom, &b->ended_rc));
	}
	if (b->rc == ACT_EDEAD || b->rc == ACT_EDEADLK || b->rc == ACT_ETIMEDOUT)
		b->rc = ACT_OK;
	return b->rc;
	CO_END(&b->co);
}

static int act_group_of_tasks(act_self *self, struct sim *s, struct body *b)
{
	CO_BEGIN(&b->co);
	b->n = pick(s, 5);
	b->group = act_group_open(self, (enum act_policy)pick(s, 3), pick(s, 3),
				  HALF_THE_TIME(s) ? ACT_FOREVER : some_ms(s, 8));
	spawn_children(self, s, b);
	while (b->n > 0 && b->n % 2 == 0) {
		CO_AWAIT(&b->co, b->rc, act_group_next(self, b->group, &b->result));
		if (b->rc != ACT_OK)
			break;
		trace(s, 50 + b->result.index, b->result.rc);
		act_child_result_drop(&b->result);
	}
	CO_AWAIT(&b->co, b->rc, act_group_join(self, b->group));
	SIM_EXPECT(act_group_live(b->group) == 0);
	struct act_err_counts n = act_group_counts(b->group);
	SIM_EXPECT(n.ok + n.failed + n.cancelled <= 5);
	SIM_EXPECT(act_group_close(self, b->group) == b->rc);
	return b->rc == ACT_ETIMEDOUT || b->rc == ACT_EGROUP ? ACT_OK : b->rc;
	CO_END(&b->co);
}

static int act_one(act_self *self, void *frame)
{
	struct body *b = frame;
	struct sim *s = act_user(self);
	if (b->act <= 1)
		return act_sem_lock(self, s, b);
	if (b->act <= 5)
		return act_object(self, s, b);
	if (b->act <= 9)
		return act_time(self, s, b);
	if (b->act <= 13)
		return act_talk(self, s, b);
	return act_group_of_tasks(self, s, b);
}

static void open_some_scope(act_self *self, struct sim *s, struct outer *o)
{
	o->mode = pick(s, 4);
	o->scope = NULL;
	if (o->mode == 0)
		o->scope = act_scope_open(self, some_ms(s, 6));
	else if (o->mode == 1 && pick(s, 3) == 0)
		o->scope = act_scope_shield(self, 1 + some_ms(s, 6));
}

static int outer_step(act_self *self, void *frame)
{
	struct outer *o = frame;
	struct sim *s = act_user(self);
	CO_BEGIN(&o->co);
	s->n_bodies += act_defer(self, body_over, NULL) == ACT_OK;
	register_id(s, act_whoami(self));
	while (o->left-- > 0) {
		open_some_scope(self, s, o);
		unsigned depth = o->inner.depth;
		o->inner = (struct body){.depth = depth, .act = pick(s, depth > 0 ? 17 : 14)};
		CO_CALL(&o->co, o->rc, act_one, &o->inner);
		trace(s, o->inner.act, o->rc);
		trace(s, 100, act_now_ns(self));
		if (o->scope != NULL)
			o->rc = act_scope_close(self, o->scope, o->rc, &o->timed_out);
		if (o->rc == ACT_ETIMEDOUT)
			o->rc = ACT_OK;
		if (o->rc != ACT_OK)
			return o->rc;
		if (pick(s, 12) == 0)
			return act_fail(self, -200, "sim", NULL, "by chance");
	}
	act_value(self, malloc(8), 8, value_over);
	CO_END(&o->co);
}

/* ---- chance from outside ---- */

static void meddle(void *ctx)
{
	struct sim *s = ctx;
	act_self *root = s->w.root;
	unsigned what = pick(s, 9), which = pick(s, 2);
	trace(s, 200, what);
	if (what <= 2)
		act_cancel(root, some_task(s), ACT_WHY_CANCEL);
	else if (what == 3)
		act_kill(root, some_task(s));
	else if (what == 4)
		act_event_set(s->event[which]);
	else if (what == 5)
		act_event_clear(s->event[which]);
	else if (what == 6 && pick(s, 4) == 0)
		act_queue_close(s->queue[which], HALF_THE_TIME(s));
	else if (what == 7)
		act_sem_resize(s->sem[which], PERMITS + pick(s, 2));
	else if (what == 8)
		trace(s, 43, act_post_local(s->w.sh, some_task(s), MAIL, "posted", 6));
}

static void set_up(struct sim *s, uint64_t seed)
{
	memset(s, 0, sizeof(*s));
	rng_seed(&s->rng, seed);
	struct act_shard_opts o = {.user = s,
				   .seed = seed,
				   .permute_seed = seed * 2 + 1,
				   .max_actors = 4096,
				   .default_wait_ns = 20 * NS_PER_MS,
				   .offload = &s->pool.pool};
	world_open_with(&s->w, o);
	fakepool_init(&s->pool, &s->w.fake, seed, 4 * NS_PER_MS);
	for (int i = 0; i < 2; i++) {
		s->sem[i] = act_sem_new(s->w.sh, ACT_SEM_OWNED, PERMITS, PERMITS);
		s->lock[i] = act_lock_new(s->w.sh);
		s->event[i] = act_event_new(s->w.sh);
		s->queue[i] = act_queue_new(s->w.sh, 1 + pick(s, 2));
	}
	s->server = act_spawn(s->w.root, &server_class, NULL, &(struct act_opts){.cap = 2});
	unsigned n = 2 + pick(s, 6);
	for (unsigned i = 0; i < n; i++) {
		struct outer o2 = {.left = 1 + pick(s, 5), .inner.depth = pick(s, 3)};
		struct act_task_opts to = {.frame_init = &o2,
					   .frame_init_size = sizeof(o2),
					   .arg = &s->n_args,
					   .arg_dtor = arg_over,
					   .cap = 2};
		s->n_args++;
		act_spawn_task(s->w.root, outer_step, sizeof(o2), &to);
	}
	for (unsigned i = pick(s, 12); i > 0; i--)
		fakeloop_at(&s->w.fake, s->w.fake.now_ns + some_ms(s, 25), meddle, s);
}

/* Waits for events, mail, joins. */
static void end_all_waits(struct sim *s)
{
	for (unsigned i = 0; i < s->n_ids; i++)
		act_cancel(s->w.root, s->id[i], ACT_WHY_CANCEL);
	world_run_for(&s->w, 100 * NS_PER_MS);
}

static void check_end(struct sim *s)
{
	SIM_EXPECT(act_shard_live(s->w.sh) == 1);
	SIM_EXPECT(s->n_bodies == 0);
	SIM_EXPECT(s->n_args == 0);
	for (int i = 0; i < 2; i++) {
		act_sem_resize(s->sem[i], PERMITS);
		SIM_EXPECT(act_sem_available(s->sem[i]) == PERMITS);
		SIM_EXPECT(act_sem_waiting(s->sem[i]) == 0);
		SIM_EXPECT(act_lock_owner(s->lock[i]) == 0);
		SIM_EXPECT(act_event_waiting(s->event[i]) == 0);
		SIM_EXPECT(act_queue_unfinished(s->queue[i]) == act_queue_depth(s->queue[i]));
	}
}

static void tear_down(struct sim *s)
{
	for (int i = 0; i < 2; i++) {
		act_sem_free(s->sem[i]);
		act_lock_free(s->lock[i]);
		act_event_free(s->event[i]);
		act_queue_free(s->queue[i]);
	}
	act_kill(s->w.root, s->server);
	world_settle(&s->w);
	SIM_EXPECT(act_shard_live(s->w.sh) == 0);
	SIM_EXPECT(act_stats_cells(s->w.sh) == 0);
	act_stats st;
	act_stats_read(s->w.sh, &st);
	SIM_EXPECT(st.queued == 0);
	world_close(&s->w);
}

static uint64_t run_one(uint64_t seed)
{
	struct sim s;
	set_up(&s, seed);
	world_run_for(&s.w, 60 * NS_PER_MS);
	for (int i = 0; i < 20 && act_shard_live(s.w.sh) > 1; i++)
		end_all_waits(&s);
	world_run_for(&s.w, 6 * NS_PER_S);
	check_end(&s);
	tear_down(&s);
	return s.hash;
}

START_TEST(random_schedules_keep_every_promise_and_replay)
{
	simseed_each(run_one);
}
END_TEST

int main(int argc, char **argv)
{
	const TTest *const test[] = {random_schedules_keep_every_promise_and_replay};
	return simseed_main(argc, argv, "run_schedules", 100000, test, 1);
}
