/*
 * warden -- see warden.h. Its phases only go forward.
 */
#include "warden.h"

#include "actor/control.h"
#include "actor/doorbell.h"
#include "actor/jobs.h"
#include "actor/store.h"
#include "base/fault.h"
#include "edge/ctlsock.h"
#include "edge/exchange.h"
#include "edge/runner.h"
#include "edge/transport.h"
#include "run/task.h"

#define LOOK_NS	 (10 * NS_PER_MS)
#define FLUSH_NS (500 * NS_PER_MS) /* for the last answers to reach their readers */

struct warden {
	struct house *house;
	struct warden_desk *desk;
	struct act_timer look, watchdog;
	int64_t until_ns; /* of the phase */
	bool committed;
};

void warden_end(struct house *h, struct warden_desk *desk, int status)
{
	if (desk->phase == WARDEN_OVER)
		return;
	desk->phase = WARDEN_OVER;
	desk->status = status;
	act_shard_ask_stop(h->shard);
}

/* ---- start ---- */

struct errand {
	act_id warden;
	act_co co;
	int rc;
	act_msg *reply;
};

/* The keeper answers once it has read what an earlier life left. */
static int recover_step(act_self *self, void *frame)
{
	struct errand *f = frame;
	struct jobs_list q = {.is_admin = true, .max = 1};
	CO_BEGIN(&f->co);
	CO_AWAIT(&f->co, f->rc,
		 act_ask_patient(self, house_of(self)->jobs, JOBS_LIST, &q, sizeof(q), &f->reply));
	if (f->rc != ACT_OK)
		return f->rc;
	act_drop(self, f->reply);
	act_send(self, f->warden, WARDEN_RECOVERED, NULL, 0);
	CO_END(&f->co);
}

static bool send_out(act_self *self, act_step step)
{
	struct errand f = {.warden = act_whoami(self)};
	struct act_task_opts opts = {
		.name = "errand", .frame_init = &f, .frame_init_size = sizeof(f)};
	return act_spawn_task(self, step, sizeof(f), &opts) != 0;
}

static bool listen_on(struct house *h, struct ctlsock *cs, struct transport *t)
{
	if (cs == NULL)
		return true;
	enum err e = ctlsock_listen(cs);
	if (e == ERR_OK)
		return true;
	log_error(h->log, "cannot listen", kv_s("why", t->ops->failure_text(t)),
		  kv_s("error", err_text(e)));
	return false;
}

static void on_recovered(act_self *self, struct warden *w)
{
	struct house *h = w->house;
	const struct world *world = h->world;
	(void)self;
	if (w->desk->phase != WARDEN_STARTING)
		return;
	FAULT(world->fault, after_recovery_before_ready);
	if (!listen_on(h, h->control_sock, world->control) ||
	    !listen_on(h, h->events.ctlsock, world->events)) {
		warden_end(h, w->desk, 1);
		return;
	}
	w->desk->phase = WARDEN_READY;
	log_info(h->log, "ready", kv_s("socket", world->control_address),
		 kv_s("state", world->state_dir != NULL ? world->state_dir : "none"),
		 kv_s("version", world->version), kv_i("pid", world->pid));
	if (world->notify->ready != NULL)
		world->notify->ready(world->notify->ctx, "serving");
	events_publish(&h->events, EVENTS_FOR_ALL, SLICE_LIT("daemon.ready"),
		       (struct slice){"", 0});
}

/* ---- end ---- */

static int commit_step(act_self *self, void *frame)
{
	struct errand *f = frame;
	CO_BEGIN(&f->co);
	if (house_of(self)->store != 0) {
		struct store_batch *barrier = store_batch_new();
		if (barrier == NULL)
			return ACT_ENOMEM;
		barrier->is_urgent = true;
		CO_AWAIT(&f->co, f->rc,
			 act_ask_buf(self, house_of(self)->store, STORE_APPLY, barrier,
				     sizeof(*barrier), store_batch_drop, &f->reply));
		if (f->rc == ACT_OK)
			act_drop(self, f->reply);
	}
	act_send(self, f->warden, WARDEN_COMMITTED, NULL, 0);
	CO_END(&f->co);
}

static void drain(act_self *self, struct warden *w)
{
	struct house *h = w->house;
	const struct notify *n = h->world->notify;
	w->desk->phase = WARDEN_DRAINING;
	w->until_ns = act_now_ns(self) + w->desk->drain_ns;
	h->is_draining = true;
	if (n->stopping != NULL)
		n->stopping(n->ctx);
	log_info(h->log, "draining", kv_i("limit_ms", w->desk->drain_ns / NS_PER_MS));
	ctlsock_unlisten(h->control_sock);
	if (h->events.ctlsock != NULL)
		ctlsock_unlisten(h->events.ctlsock);
	act_send(self, h->control, CONTROL_DRAIN, NULL, 0);
	act_send(self, h->jobs, JOBS_DRAIN, NULL, 0);
	act_timer_set(self, &w->look, LOOK_NS);
}

static void close_down(act_self *self, struct warden *w)
{
	w->desk->phase = WARDEN_CLOSING;
	w->until_ns = act_now_ns(self) + FLUSH_NS;
	if (!send_out(self, commit_step))
		w->committed = true;
	act_timer_set(self, &w->look, LOOK_NS);
}

static bool nothing_in_flight(const struct house *h)
{
	struct xstats s;
	exchange_stats(h->world->exchange, &s);
	struct runner *runner = h->world->runner;
	return s.calls == 0 && (runner == NULL || runner->ops->n_calls(runner) == 0);
}

static void look(act_self *self, struct warden *w)
{
	struct house *h = w->house;
	bool late = act_now_ns(self) >= w->until_ns;
	if (w->desk->phase == WARDEN_DRAINING) {
		if (late || nothing_in_flight(h))
			close_down(self, w);
		else
			act_timer_set(self, &w->look, LOOK_NS);
	} else if (w->desk->phase == WARDEN_CLOSING) {
		if (w->committed && (late || ctlsock_is_drained(h->control_sock)))
			warden_end(h, w->desk, 0);
		else
			act_timer_set(self, &w->look, LOOK_NS);
	}
}

static void on_stop(act_self *self, struct warden *w)
{
	doorbell_answered(w->desk->stop);
	if (w->desk->phase == WARDEN_STARTING)
		warden_end(w->house, w->desk, 0);
	else if (w->desk->phase == WARDEN_READY)
		drain(self, w);
	else if (w->desk->phase == WARDEN_DRAINING)
		close_down(self, w);
}

static void on_committed(act_self *self, struct warden *w)
{
	w->committed = true;
	act_send(self, w->house->control, CONTROL_CLOSE, NULL, 0);
}

/* ---- reload ---- */

static void on_reload(act_self *self, struct warden *w)
{
	struct house *h = w->house;
	const struct notify *n = h->world->notify;
	struct bytes why = {.n = 0};
	doorbell_answered(w->desk->reload);
	if (w->desk->phase != WARDEN_READY)
		return;
	if (n->reloading != NULL)
		n->reloading(n->ctx);
	bool ok = h->ops->reload(h, self, &why) == ERR_OK;
	if (n->ready != NULL)
		n->ready(n->ctx, ok ? "serving" : bytes_cstr(&why));
	bytes_fini(&why);
}

/* ---- the actor ---- */

static void feed_watchdog(act_self *self, struct warden *w)
{
	const struct notify *n = w->house->world->notify;
	if (n->watchdog == NULL || n->watchdog_ns <= 0)
		return;
	n->watchdog(n->ctx);
	act_timer_set(self, &w->watchdog, n->watchdog_ns / 3);
}

static int warden_init(act_self *self, void *state, const void *arg)
{
	struct warden *w = state;
	union {
		const void *from;
		struct warden_desk *to;
	} desk = {.from = arg};
	w->house = house_of(self);
	w->desk = desk.to;
	feed_watchdog(self, w);
	return send_out(self, recover_step) ? ACT_OK : ACT_ENOMEM;
}

static int warden_on_msg(act_self *self, void *state, act_msg *m)
{
	struct warden *w = state;
	switch (m->type) {
	case WARDEN_STOP:
		on_stop(self, w);
		break;
	case WARDEN_RELOAD:
		on_reload(self, w);
		break;
	case WARDEN_RECOVERED:
		on_recovered(self, w);
		break;
	case WARDEN_COMMITTED:
		on_committed(self, w);
		break;
	default:
		break;
	}
	return ACT_OK;
}

static int warden_on_signal(act_self *self, void *state, const struct act_sig *sig)
{
	struct warden *w = state;
	if (sig->kind == ACT_SIG_TIMER && sig->ptr == &w->look)
		look(self, w);
	else if (sig->kind == ACT_SIG_TIMER)
		feed_watchdog(self, w);
	return ACT_OK;
}

const act_class warden_class = {
	.name = "warden",
	.state_size = sizeof(struct warden),
	.init = warden_init,
	.on_msg = warden_on_msg,
	.on_signal = warden_on_signal,
};
