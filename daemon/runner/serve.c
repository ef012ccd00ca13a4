#include "runner/serve.h"

#include "base/log.h"
#include "proto/runnerwire.h"
#include "runner/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES (64u << 10)
/* Ends that the daemon has not read yet; beyond it no more requests are taken. */
#define OUT_BYTES (64u << 20)
#define FDS_MAX	  (1 + 3 * RUNNERWIRE_PROGRAMS)

struct server {
	int fd;
	bool is_over;
	struct bytes in, out;
	size_t sent; /* of out */
	struct link children;
	uint32_t n_children;
	struct log log;
	struct runnerwire_texts texts;
	/* What one turn waits for: fd 0 is the connection, then up to three of each child. */
	struct pollfd poll[FDS_MAX];
	nfds_t n_poll;
};

/* ---- requests ---- */

static void tell_end(struct server *s, const struct runnerwire_ended *ended)
{
	if (runnerwire_add_ended(&s->out, ended) != ERR_OK) {
		log_error(&s->log, "runner cannot tell an end", kv_s("why", err_text(s->out.err)));
		s->is_over = true;
	}
}

static void on_run(struct server *s, struct slice payload)
{
	struct runnerwire_run run;
	struct child *c = NULL;
	int why = EAGAIN;
	if (runnerwire_read_run(payload, &s->texts, &run) != ERR_OK) {
		s->is_over = true;
		return;
	}
	if (s->n_children < RUNNERWIRE_PROGRAMS)
		c = child_start(&run, &why);
	if (c != NULL) {
		list_push_back(&s->children, &c->link);
		s->n_children++;
		return;
	}
	tell_end(s, &(struct runnerwire_ended){
			    .id = run.id, .how = RUNNERWIRE_NOT_STARTED, .number = (uint32_t)why});
}

static void on_cancel(struct server *s, struct slice payload)
{
	uint64_t id;
	if (runnerwire_read_cancel(payload, &id) != ERR_OK) {
		s->is_over = true;
		return;
	}
	for (struct link *l = s->children.next; l != &s->children; l = l->next) {
		struct child *c = LIST_ENTRY(l, struct child, link);
		if (c->id == id)
			child_cancel(c);
	}
}

static void on_frames(struct server *s)
{
	struct runnerwire_frame f;
	size_t need, at = 0;
	enum err e = ERR_OK;
	while (!s->is_over && (e = runnerwire_parse(s->in.p + at, s->in.n - at, RUNNERWIRE_RUN_MAX,
						    &f, &need)) == ERR_OK) {
		at += f.n_total;
		if (f.kind == RUNNERWIRE_RUN)
			on_run(s, f.payload);
		else if (f.kind == RUNNERWIRE_CANCEL)
			on_cancel(s, f.payload);
		else
			s->is_over = true;
	}
	bytes_drop(&s->in, at);
	if (s->is_over || e != ERR_AGAIN) {
		log_error(&s->log, "runner was sent what it does not understand",
			  kv_s("why", err_text(e)));
		s->is_over = true;
	}
}

/* ---- the connection ---- */

static void receive(struct server *s)
{
	char buf[READ_BYTES];
	ssize_t n = recv(s->fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n > 0 && bytes_add(&s->in, buf, (size_t)n) == ERR_OK)
		on_frames(s);
	else if (n >= 0 || (errno != EAGAIN && errno != EINTR))
		s->is_over = true;
}

static void send_ends(struct server *s)
{
	ssize_t n =
		send(s->fd, s->out.p + s->sent, s->out.n - s->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		s->is_over = true;
	if (n > 0)
		s->sent += (size_t)n;
	if (s->sent < s->out.n)
		return;
	bytes_fini(&s->out); /* it may have been large */
	s->sent = 0;
}

/* ---- children ---- */

static void child_over(struct server *s, struct child *c)
{
	tell_end(s, &(struct runnerwire_ended){.id = c->id,
					       .how = c->word.how,
					       .number = c->word.number,
					       .out_cut = c->out.is_cut,
					       .err_cut = c->err.is_cut,
					       .out = capture_bytes(&c->out),
					       .err_bytes = capture_bytes(&c->err)});
	child_free(c);
	s->n_children--;
}

static void add_poll(struct server *s, int fd, short events)
{
	s->poll[s->n_poll++] = (struct pollfd){fd, events, 0};
}

static void ask_all(struct server *s)
{
	short wanted = s->out.n - s->sent < OUT_BYTES ? POLLIN : 0;
	s->n_poll = 0;
	add_poll(s, s->fd, (short)(wanted | (s->out.n > s->sent ? POLLOUT : 0)));
	for (struct link *l = s->children.next; l != &s->children; l = l->next) {
		struct child *c = LIST_ENTRY(l, struct child, link);
		add_poll(s, c->out_fd, POLLIN);
		add_poll(s, c->err_fd, POLLIN);
		add_poll(s, c->leash, POLLIN);
	}
}

static void serve_children(struct server *s)
{
	const struct pollfd *p = &s->poll[1];
	struct link *l = s->children.next, *next;
	for (; p < s->poll + s->n_poll; p += 3, l = next) {
		struct child *c = LIST_ENTRY(l, struct child, link);
		next = l->next;
		if (p[0].revents != 0)
			child_read_out(c);
		if (p[1].revents != 0)
			child_read_err(c);
		if (p[2].revents != 0 && child_read_leash(c))
			child_over(s, c);
	}
}

static void turn(struct server *s)
{
	ask_all(s);
	if (poll(s->poll, s->n_poll, -1) < 0)
		return;
	serve_children(s);
	if ((s->poll[0].revents & POLLOUT) != 0)
		send_ends(s);
	if ((s->poll[0].revents & ~POLLOUT) != 0)
		receive(s);
}

/* All leashes first: then the keepers work side by side. */
static void end_children(struct server *s)
{
	if (s->n_children > 0)
		log_warn(&s->log, "runner ends its programs", kv_i("programs", s->n_children));
	for (struct link *l = s->children.next; l != &s->children; l = l->next) {
		struct child *c = LIST_ENTRY(l, struct child, link);
		shutdown(c->leash, SHUT_RDWR);
	}
	for (struct link *l; (l = list_first(&s->children)) != NULL;)
		child_free(LIST_ENTRY(l, struct child, link));
}

void serve(int fd)
{
	static struct server s;
	s = (struct server){.fd = fd, .log = {.level = LOG_LEVEL_INFO, .sink = log_to_stderr}};
	list_init(&s.children);
	bytes_init(&s.in, RUNNERWIRE_HEAD + RUNNERWIRE_RUN_MAX + READ_BYTES);
	if (runnerwire_add_hello(&s.out) != ERR_OK)
		s.is_over = true;
	while (!s.is_over)
		turn(&s);
	end_children(&s);
	close(fd);
	bytes_fini(&s.in);
	bytes_fini(&s.out);
}
