/*
 * spserver -- see spserver.h. Plain poll and blocking writes: it serves one test.
 */
#include "tests/kit/spserver.h"

#include "proto/sp.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONNS_MAX  16
#define PARKED_MAX 16

struct conn {
	int fd; /* -1: none */
	bool has_hello;
	struct bytes in;
};

struct parked {
	int fd;
	struct bytes payload;
};

struct serving {
	spserver_script script;
	void *state;
	int listener, log;
	struct conn conn[CONNS_MAX];
	struct parked parked[PARKED_MAX];
	size_t n_parked;
};

static void write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t w = send(fd, p, n, MSG_NOSIGNAL);
		if (w <= 0)
			return; /* a client that is gone */
		p += w;
		n -= (size_t)w;
	}
}

static void drop_conn(struct serving *sv, struct conn *c)
{
	size_t kept = 0;
	for (size_t i = 0; i < sv->n_parked; i++) {
		if (sv->parked[i].fd == c->fd)
			bytes_fini(&sv->parked[i].payload);
		else
			sv->parked[kept++] = sv->parked[i];
	}
	sv->n_parked = kept;
	close(c->fd);
	bytes_fini(&c->in);
	*c = (struct conn){.fd = -1};
}

/* False: it is parked. */
static bool answer(struct serving *sv, struct conn *c, struct slice payload, bool logs)
{
	struct sp_request r;
	struct bytes body = {.limit = 0}, out = {.limit = 0};
	if (sp_request_parse(payload, &r) != ERR_OK)
		abort();
	if (logs && (write(sv->log, r.body.p, r.body.n) < 0 || write(sv->log, "\n", 1) < 0))
		abort();
	enum spserver_say say = sv->script(sv->state, r.body, &body);
	if (say == SPSERVER_REPLY) {
		sp_add_reply(&out, r.words, bytes_slice(&body));
		write_all(c->fd, out.p, out.n);
	}
	bytes_fini(&body);
	bytes_fini(&out);
	if (say == SPSERVER_CLOSE)
		drop_conn(sv, c);
	return say != SPSERVER_PARK;
}

static struct conn *conn_of(struct serving *sv, int fd)
{
	for (size_t i = 0; i < CONNS_MAX; i++)
		if (sv->conn[i].fd == fd)
			return &sv->conn[i];
	return NULL;
}

static void park(struct serving *sv, const struct conn *c, struct slice payload)
{
	if (sv->n_parked == PARKED_MAX)
		abort();
	struct parked *p = &sv->parked[sv->n_parked++];
	*p = (struct parked){.fd = c->fd};
	bytes_add_slice(&p->payload, payload);
}

/* Each is taken off the list before it is asked: an answer may end its connection. */
static void ask_parked(struct serving *sv)
{
	for (size_t left = sv->n_parked; left > 0 && sv->n_parked > 0; left--) {
		struct parked p = sv->parked[0];
		sv->n_parked--;
		memmove(&sv->parked[0], &sv->parked[1], sv->n_parked * sizeof(sv->parked[0]));
		struct conn *c = conn_of(sv, p.fd);
		if (!answer(sv, c, bytes_slice(&p.payload), false))
			park(sv, c, bytes_slice(&p.payload));
		bytes_fini(&p.payload);
	}
}

static void take_frames(struct serving *sv, struct conn *c)
{
	struct sp_frame f;
	size_t need;
	if (!c->has_hello && c->in.n >= SP_HELLO_BYTES) {
		bytes_drop(&c->in, SP_HELLO_BYTES);
		c->has_hello = true;
	}
	while (c->has_hello && c->fd >= 0 &&
	       sp_frame_parse(c->in.p, c->in.n, SP_REQUEST_MAX_BYTES, &f, &need) == ERR_OK) {
		struct bytes payload = {.limit = 0};
		bytes_add_slice(&payload, f.payload);
		bytes_drop(&c->in, f.n_total);
		if (!answer(sv, c, bytes_slice(&payload), true))
			park(sv, c, bytes_slice(&payload));
		else
			ask_parked(sv);
		bytes_fini(&payload);
	}
}

static void take_bytes(struct serving *sv, struct conn *c)
{
	char buf[65536];
	ssize_t n = recv(c->fd, buf, sizeof(buf), 0);
	if (n <= 0) {
		drop_conn(sv, c);
		return;
	}
	bytes_add(&c->in, buf, (size_t)n);
	take_frames(sv, c);
}

static void take_conn(struct serving *sv)
{
	uint8_t hello[SP_HELLO_BYTES];
	int fd = accept(sv->listener, NULL, NULL);
	struct conn *c = conn_of(sv, -1);
	if (fd < 0 || c == NULL)
		abort();
	*c = (struct conn){.fd = fd};
	sp_hello_put(hello, SP_REP);
	write_all(fd, (const char *)hello, sizeof(hello));
}

_Noreturn static void serve(struct serving *sv)
{
	for (size_t i = 0; i < CONNS_MAX; i++)
		sv->conn[i].fd = -1;
	for (;;) {
		struct pollfd p[CONNS_MAX + 1];
		for (size_t i = 0; i < CONNS_MAX; i++)
			p[i] = (struct pollfd){sv->conn[i].fd, POLLIN, 0};
		p[CONNS_MAX] = (struct pollfd){sv->listener, POLLIN, 0};
		if (poll(p, CONNS_MAX + 1, -1) < 0)
			_exit(1);
		for (size_t i = 0; i < CONNS_MAX; i++)
			if (p[i].revents != 0 && sv->conn[i].fd == p[i].fd)
				take_bytes(sv, &sv->conn[i]);
		if (p[CONNS_MAX].revents != 0)
			take_conn(sv);
	}
}

void spserver_start(struct spserver *s, spserver_script script, void *state)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct serving sv = {.script = script, .state = state};
	strcpy(s->dir, "/tmp/muster-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(s->dir));
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/sock", s->dir);
	snprintf(s->address, sizeof(s->address), "ipc://%s/sock", s->dir);
	snprintf(s->log, sizeof(s->log), "%s/log", s->dir);
	sv.log = open(s->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	sv.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(sv.listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(listen(sv.listener, 16), 0);
	s->pid = fork();
	ck_assert_int_ge(s->pid, 0);
	if (s->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(STDOUT_FILENO);
		serve(&sv);
	}
	close(sv.listener);
	close(sv.log);
}

void spserver_stop(struct spserver *s)
{
	char path[80];
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	snprintf(path, sizeof(path), "%s/sock", s->dir);
	unlink(path);
	unlink(s->log);
	rmdir(s->dir);
}

int spserver_count(const struct spserver *s, const char *text)
{
	char *line = NULL;
	size_t cap = 0;
	int n = 0;
	FILE *f = fopen(s->log, "re");
	ck_assert_ptr_nonnull(f);
	while (getline(&line, &cap, f) >= 0)
		n += strstr(line, text) != NULL;
	free(line);
	fclose(f);
	return n;
}
