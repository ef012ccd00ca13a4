#include "edge/runnerlink.h"

#include "base/check.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A runner that has served for so long did not fail at its start. */
#define STEADY_MS 10000

struct runnerlink {
	struct runner runner; /* first: the interface */
	struct event_base *base;
	const struct log *log;
	char *place;
	struct bufferevent *io; /* NULL: no runner */
	bool is_greeted;	/* its HELLO has come: requests may go */
	pid_t pid;
	int pidfd;
	struct event *ended; /* of pid */
	struct event *again; /* the pause before the next one */
	struct event *flush; /* opens a runner, or loses calls, outside of start */
	int backoff_ms;
	struct timeval since; /* it is greeted */
	struct link waiting;  /* calls not sent */
	struct link sent;
	uint32_t n_calls;
	uint64_t last_id;
};

static struct runnerlink *link_of(const struct runner *r)
{
	return LIST_ENTRY(r, struct runnerlink, runner);
}

/* ---- calls ---- */

static void forget(struct runnerlink *rl, struct runner_call *c)
{
	list_remove(&c->link);
	bytes_fini(&c->frame);
	c->id = 0;
	rl->n_calls--;
}

static void end_call(struct runnerlink *rl, struct runner_call *c, const struct runner_end *end)
{
	forget(rl, c);
	c->on_end(c, end);
}

static void lose(struct runnerlink *rl, struct link *calls, const char *why)
{
	struct runner_end end = {.is_lost = true, .why = why};
	for (struct link *l; (l = list_first(calls)) != NULL;)
		end_call(rl, LIST_ENTRY(l, struct runner_call, link), &end);
}

static void send_waiting(struct runnerlink *rl)
{
	for (struct link *l; rl->is_greeted && (l = list_first(&rl->waiting)) != NULL;) {
		struct runner_call *c = LIST_ENTRY(l, struct runner_call, link);
		struct runner_end end = {.is_lost = true, .why = "no memory to ask for it"};
		if (bufferevent_write(rl->io, c->frame.p, c->frame.n) != 0) {
			end_call(rl, c, &end);
			continue;
		}
		bytes_fini(&c->frame); /* it may hold secrets, and may be large */
		list_remove(&c->link);
		list_push_back(&rl->sent, &c->link);
	}
}

static struct runner_call *find_sent(const struct runnerlink *rl, uint64_t id)
{
	for (struct link *l = rl->sent.next; l != &rl->sent; l = l->next)
		if (LIST_ENTRY(l, struct runner_call, link)->id == id)
			return LIST_ENTRY(l, struct runner_call, link);
	return NULL;
}

/* ---- a runner goes ---- */

static void reap(struct runnerlink *rl, int options)
{
	if (rl->pid == 0 || waitpid(rl->pid, NULL, options) == 0)
		return;
	event_free(rl->ended);
	if (rl->pidfd >= 0)
		close(rl->pidfd);
	rl->ended = NULL;
	rl->pidfd = -1;
	rl->pid = 0;
}

static void on_ended(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what;
	reap(ctx, WNOHANG);
}

static void pause_ms(struct event *e, int ms)
{
	struct timeval tv = {ms / 1000, (ms % 1000) * 1000};
	event_add(e, &tv);
}

static void close_io(struct runnerlink *rl)
{
	if (rl->io != NULL) {
		/* It is closed in a later turn of the loop, which may not come any more. */
		shutdown(bufferevent_getfd(rl->io), SHUT_RDWR);
		bufferevent_free(rl->io);
	}
	rl->io = NULL;
	rl->is_greeted = false;
}

static bool was_steady(const struct runnerlink *rl)
{
	struct timeval now, served;
	event_base_gettimeofday_cached(rl->base, &now);
	evutil_timersub(&now, &rl->since, &served);
	return rl->is_greeted && served.tv_sec * 1000 >= STEADY_MS;
}

static void lost(struct runnerlink *rl, const char *why)
{
	if (was_steady(rl))
		rl->backoff_ms = RUNNERLINK_BACKOFF_MIN_MS;
	log_warn(rl->log, "runner lost", kv_s("why", why), kv_i("again_ms", rl->backoff_ms));
	close_io(rl);
	pause_ms(rl->again, rl->backoff_ms);
	rl->backoff_ms = rl->backoff_ms * 2 < RUNNERLINK_BACKOFF_MAX_MS ? rl->backoff_ms * 2
									: RUNNERLINK_BACKOFF_MAX_MS;
	lose(rl, &rl->sent, "the program's runner was lost");
}

/* ---- what it says ---- */

static bool on_frame(struct runnerlink *rl, const struct runnerwire_frame *f)
{
	struct runner_end end = {.why = NULL};
	uint32_t version;
	if (f->kind == RUNNERWIRE_HELLO && !rl->is_greeted) {
		if (runnerwire_read_hello(f->payload, &version) != ERR_OK ||
		    version != RUNNERWIRE_VERSION)
			return false;
		rl->is_greeted = true;
		event_base_gettimeofday_cached(rl->base, &rl->since);
		return true;
	}
	if (f->kind != RUNNERWIRE_ENDED || !rl->is_greeted ||
	    runnerwire_read_ended(f->payload, &end.ended) != ERR_OK)
		return false;
	struct runner_call *c = find_sent(rl, end.ended.id);
	if (c != NULL) /* else it was abandoned */
		end_call(rl, c, &end);
	return true;
}

/* AGAIN: no whole frame is there. */
static enum err next_frame(struct evbuffer *in, struct runnerwire_frame *f)
{
	size_t n = evbuffer_get_length(in), need = 0;
	size_t head = n < RUNNERWIRE_HEAD ? n : RUNNERWIRE_HEAD;
	const unsigned char *p = evbuffer_pullup(in, (ev_ssize_t)head);
	enum err e = runnerwire_parse(p, head, RUNNERWIRE_ENDED_MAX, f, &need);
	if (e != ERR_AGAIN || n < need)
		return e;
	p = evbuffer_pullup(in, (ev_ssize_t)need);
	return p != NULL ? runnerwire_parse(p, need, RUNNERWIRE_ENDED_MAX, f, &need) : ERR_NOMEM;
}

static void on_read(struct bufferevent *io, void *ctx)
{
	struct runnerlink *rl = ctx;
	struct evbuffer *in = bufferevent_get_input(io);
	struct runnerwire_frame f;
	enum err e;
	while ((e = next_frame(in, &f)) == ERR_OK) {
		if (!on_frame(rl, &f)) {
			lost(rl, "it says what is not understood; is it of the same version?");
			return;
		}
		evbuffer_drain(in, f.n_total);
	}
	if (e != ERR_AGAIN)
		lost(rl, err_text(e));
	else
		send_waiting(rl);
}

static void on_event(struct bufferevent *io, short what, void *ctx)
{
	(void)io;
	if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) != 0)
		lost(ctx, "its connection has ended");
}

/* ---- a runner comes ---- */

/* It has an fd that closes with it, whatever happens. */
static enum err take(struct runnerlink *rl, const struct runnerspawn *s)
{
	evutil_make_socket_nonblocking(s->fd);
	struct bufferevent *io = bufferevent_socket_new(rl->base, s->fd, BEV_OPT_CLOSE_ON_FREE);
	if (io == NULL)
		return ERR_NOMEM;
	if (s->pid > 0) {
		int pidfd = (int)syscall(SYS_pidfd_open, s->pid, 0);
		struct event *ended =
			event_new(rl->base, pidfd, pidfd >= 0 ? EV_READ : 0, on_ended, rl);
		if (ended == NULL) {
			bufferevent_setfd(io, -1);
			bufferevent_free(io);
			return ERR_NOMEM;
		}
		event_add(ended, NULL);
		rl->pid = s->pid;
		rl->pidfd = pidfd;
		rl->ended = ended;
	}
	rl->io = io;
	bufferevent_setcb(io, on_read, NULL, on_event, rl);
	bufferevent_enable(io, EV_READ | EV_WRITE);
	return ERR_OK;
}

static void open_runner(struct runnerlink *rl)
{
	struct runnerspawn s = {.fd = -1};
	reap(rl, WNOHANG);
	errno = EAGAIN; /* the one before has not ended yet */
	enum err e = rl->pid == 0 ? runnerspawn_open(rl->place, &s) : ERR_BUSY;
	if (e == ERR_OK && (e = take(rl, &s)) != ERR_OK)
		close(s.fd);
	if (e == ERR_OK)
		return;
	lost(rl, e == ERR_IO ? strerror(errno) : err_text(e));
	lose(rl, &rl->waiting, "the program's runner cannot be started");
}

static void on_again(evutil_socket_t fd, short what, void *ctx)
{
	struct runnerlink *rl = ctx;
	(void)fd, (void)what;
	if (rl->io == NULL && !list_empty(&rl->waiting))
		open_runner(rl);
}

static void on_flush(evutil_socket_t fd, short what, void *ctx)
{
	struct runnerlink *rl = ctx;
	(void)fd, (void)what;
	if (rl->io == NULL && !event_pending(rl->again, EV_TIMEOUT, NULL))
		open_runner(rl);
	send_waiting(rl);
}

/* ---- the interface ---- */

static enum err op_start(struct runner *r, const struct runnerwire_run *run, struct runner_call *c)
{
	struct runnerlink *rl = link_of(r);
	struct runnerwire_run numbered = *run;
	numbered.id = rl->last_id + 1;
	bytes_init(&c->frame, 0);
	enum err e = runnerwire_add_run(&c->frame, &numbered);
	if (e != ERR_OK) {
		bytes_fini(&c->frame);
		return e;
	}
	c->id = ++rl->last_id;
	list_push_back(&rl->waiting, &c->link);
	rl->n_calls++;
	event_active(rl->flush, EV_TIMEOUT, 0);
	return ERR_OK;
}

static void say_cancel(struct runnerlink *rl, const struct runner_call *c)
{
	struct bytes b = {.limit = 0};
	if (find_sent(rl, c->id) == c && runnerwire_add_cancel(&b, c->id) == ERR_OK)
		bufferevent_write(rl->io, b.p, b.n);
	bytes_fini(&b);
}

static void op_cancel(struct runner *r, struct runner_call *c)
{
	struct runnerlink *rl = link_of(r);
	if (c->id != 0)
		say_cancel(rl, c);
}

static void op_abandon(struct runner *r, struct runner_call *c)
{
	struct runnerlink *rl = link_of(r);
	if (c->id == 0)
		return;
	say_cancel(rl, c);
	forget(rl, c);
}

static uint32_t op_n_calls(const struct runner *r)
{
	return link_of(r)->n_calls;
}

/* ---- life ---- */

static enum err make_events(struct runnerlink *rl)
{
	rl->again = evtimer_new(rl->base, on_again, rl);
	rl->flush = event_new(rl->base, -1, 0, on_flush, rl);
	return rl->again != NULL && rl->flush != NULL ? ERR_OK : ERR_NOMEM;
}

enum err runnerlink_new(const struct runnerlink_options *o, struct runner **ret)
{
	static const struct runner_ops ops = {.start = op_start,
					      .cancel = op_cancel,
					      .abandon = op_abandon,
					      .n_calls = op_n_calls};
	struct runnerlink *rl = calloc(1, sizeof(*rl));
	if (rl == NULL)
		return ERR_NOMEM;
	*rl = (struct runnerlink){.runner = {&ops},
				  .base = o->base,
				  .log = o->log,
				  .place = strdup(o->place),
				  .pidfd = -1,
				  .backoff_ms = RUNNERLINK_BACKOFF_MIN_MS};
	list_init(&rl->waiting);
	list_init(&rl->sent);
	enum err e = rl->place != NULL ? make_events(rl) : ERR_NOMEM;
	if (e == ERR_OK && o->spawn.fd >= 0)
		e = take(rl, &o->spawn);
	if (e != ERR_OK) {
		runnerlink_free(&rl->runner);
		return e;
	}
	*ret = &rl->runner;
	return ERR_OK;
}

/* One of our own sees the end of its connection, kills what runs and ends; else it is killed. */
static void await_end(struct runnerlink *rl)
{
	struct pollfd p = {rl->pidfd, POLLIN, 0};
	if (rl->pid == 0)
		return;
	if (poll(&p, 1, RUNNERLINK_END_MS) <= 0)
		kill(rl->pid, SIGKILL);
	reap(rl, 0);
}

void runnerlink_free(struct runner *r)
{
	if (r == NULL)
		return;
	struct runnerlink *rl = link_of(r);
	CHECK(rl->n_calls == 0);
	close_io(rl);
	await_end(rl);
	if (rl->again != NULL)
		event_free(rl->again);
	if (rl->flush != NULL)
		event_free(rl->flush);
	free(rl->place);
	free(rl);
}
