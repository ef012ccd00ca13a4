/*
 * musterd-gateway -- remote control, kept out of the daemon.
 *
 * An nng device between a listener for remote callers and the daemon's local socket. It knows
 * nothing of requests: it adds and removes hop words, by which the daemon sees that a request came
 * through a gateway. It runs apart because Debian 12's libnng has defects a listener can be stopped
 * by; so it probes itself, and ends when it does not answer: the service manager starts it anew.
 * Its death never touches the daemon.
 */
#include "gateway/options.h"

#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/supplemental/tls/tls.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MAX_BYTES	  (4u << 20)
#define CALLERS_MAX	  256
#define PEM_MAX_BYTES	  65536
#define PROBE_TIMEOUT_MS  5000
#define PROBES_MISSED_MAX 2

struct gateway {
	struct gateway_options options;
	nng_socket remote, local;
	atomic_int n_callers;
};

static int complain(const char *what, const char *which, int rv)
{
	fprintf(stderr, "musterd-gateway: %s %s: %s\n", what, which, nng_strerror(rv));
	return 1;
}

/* On nng's threads: more than CALLERS_MAX connections at a time are turned away. */
static void on_pipe(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
	struct gateway *g = arg;
	if (event == NNG_PIPE_EV_ADD_PRE) {
		if (atomic_fetch_add(&g->n_callers, 1) >= CALLERS_MAX)
			nng_pipe_close(pipe);
	} else if (event == NNG_PIPE_EV_REM_POST) {
		atomic_fetch_sub(&g->n_callers, 1);
	}
}

/* The text of a PEM file, malloc'd; NULL after a complaint. */
static char *read_pem(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = f != NULL ? calloc(1, PEM_MAX_BYTES) : NULL;
	if (text != NULL && fread(text, 1, PEM_MAX_BYTES - 1, f) == 0) {
		free(text);
		text = NULL;
	}
	if (f != NULL)
		fclose(f);
	if (text == NULL)
		complain("cannot read", path, NNG_ENOENT);
	return text;
}

/* Certificate and key in c; libnng wants them as texts when they are two files. */
static int tls_own(nng_tls_config *c, const struct gateway_options *o)
{
	char *cert = read_pem(o->cert);
	char *key = cert != NULL ? read_pem(o->key) : NULL;
	int rv = key != NULL ? nng_tls_config_own_cert(c, cert, key, NULL) : NNG_ENOENT;
	if (key != NULL && rv != 0)
		complain("cannot use certificate and key", o->cert, rv);
	free(cert);
	free(key);
	return rv;
}

/* A TLS configuration that shows our certificate; as a server it insists on the caller's. */
static int tls_config(const struct gateway_options *o, nng_tls_mode mode, nng_tls_config **ret)
{
	bool server = mode == NNG_TLS_MODE_SERVER;
	nng_tls_config *c = NULL;
	int rv = nng_tls_config_alloc(&c, mode);
	if (rv != 0)
		return complain("cannot set up TLS", "", rv);
	if ((rv = nng_tls_config_ca_file(c, o->ca)) != 0)
		complain("cannot use the authorities in", o->ca, rv);
	else if ((rv = nng_tls_config_auth_mode(c, server ? NNG_TLS_AUTH_MODE_REQUIRED
							  : NNG_TLS_AUTH_MODE_NONE)) != 0)
		complain("cannot set whom to trust", "", rv);
	else
		rv = tls_own(c, o);
	if (rv != 0) {
		nng_tls_config_free(c);
		return 1;
	}
	*ret = c;
	return 0;
}

static int listen_remote(struct gateway *g)
{
	nng_listener l;
	nng_tls_config *tls = NULL;
	int rv = nng_rep0_open_raw(&g->remote);
	if (rv != 0)
		return complain("cannot open a socket", "", rv);
	nng_pipe_notify(g->remote, NNG_PIPE_EV_ADD_PRE, on_pipe, g);
	nng_pipe_notify(g->remote, NNG_PIPE_EV_REM_POST, on_pipe, g);
	if ((rv = nng_listener_create(&l, g->remote, g->options.listen)) != 0)
		return complain("cannot use the address", g->options.listen, rv);
	nng_listener_set_size(l, NNG_OPT_RECVMAXSZ, FRAME_MAX_BYTES);
	if (options_is_tls(&g->options)) {
		if (tls_config(&g->options, NNG_TLS_MODE_SERVER, &tls) != 0)
			return 1;
		rv = nng_listener_set_ptr(l, NNG_OPT_TLS_CONFIG, tls);
		nng_tls_config_free(tls);
		if (rv != 0)
			return complain("cannot set up TLS on", g->options.listen, rv);
	}
	if ((rv = nng_listener_start(l, 0)) != 0)
		return complain("cannot listen on", g->options.listen, rv);
	return 0;
}

static int dial_local(struct gateway *g)
{
	nng_dialer d;
	int rv = nng_req0_open_raw(&g->local);
	if (rv != 0)
		return complain("cannot open a socket", "", rv);
	if ((rv = nng_dialer_create(&d, g->local, g->options.socket)) != 0)
		return complain("cannot use the address", g->options.socket, rv);
	nng_dialer_set_ms(d, NNG_OPT_RECONNMINT, 50);
	nng_dialer_set_ms(d, NNG_OPT_RECONNMAXT, 1000);
	nng_dialer_set_size(d, NNG_OPT_RECVMAXSZ, 4 * FRAME_MAX_BYTES);
	/* The daemon may start after us, and may go away and come back. */
	if ((rv = nng_dialer_start(d, NNG_FLAG_NONBLOCK)) != 0)
		return complain("cannot dial", g->options.socket, rv);
	return 0;
}

/* Somebody accepts on the daemon's socket: while it is away no answer can be expected of us. */
static bool daemon_is_there(const struct gateway *g)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	const char *path = g->options.socket + strlen("ipc://");
	if (strlen(path) >= sizeof(to.sun_path))
		return false;
	memcpy(to.sun_path, path, strlen(path) + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	bool there = connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0;
	close(fd);
	return there;
}

/* Calls our own listener as a caller would. */
static bool probe(const struct gateway *g)
{
	static const char ping[] = "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"daemon.ping\"}";
	nng_socket s;
	nng_dialer d;
	nng_tls_config *tls = NULL;
	bool answered = false;
	char *answer = NULL;
	size_t n = 0;
	if (nng_req0_open(&s) != 0)
		return false;
	nng_socket_set_ms(s, NNG_OPT_SENDTIMEO, PROBE_TIMEOUT_MS);
	nng_socket_set_ms(s, NNG_OPT_RECVTIMEO, PROBE_TIMEOUT_MS);
	nng_socket_set_ms(s, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE);
	if (nng_dialer_create(&d, s, g->options.listen) == 0) {
		bool ready = true;
		if (options_is_tls(&g->options)) {
			/* We call ourselves by address: which name we bear does not matter. */
			ready = tls_config(&g->options, NNG_TLS_MODE_CLIENT, &tls) == 0 &&
				nng_dialer_set_ptr(d, NNG_OPT_TLS_CONFIG, tls) == 0;
		}
		if (ready && nng_dialer_start(d, 0) == 0 &&
		    nng_send(s, (void *)(uintptr_t)ping, sizeof(ping) - 1, 0) == 0)
			answered = nng_recv(s, &answer, &n, NNG_FLAG_ALLOC) == 0;
	}
	if (answered)
		nng_free(answer, n);
	if (tls != NULL)
		nng_tls_config_free(tls);
	nng_close(s);
	return answered;
}

static void *relay(void *arg)
{
	struct gateway *g = arg;
	int rv = nng_device(g->remote, g->local);
	complain("the relay ended", "", rv);
	_exit(1);
}

/* Waits for a signal to end, probing in between; the exit status. */
static int watch(struct gateway *g, const sigset_t *ending)
{
	int missed = 0;
	for (;;) {
		struct timespec pause = {.tv_sec = g->options.probe_s};
		int sig = sigtimedwait(ending, NULL, &pause);
		if (sig == SIGTERM || sig == SIGINT)
			return 0;
		missed = probe(g) || !daemon_is_there(g) ? 0 : missed + 1;
		if (missed == 0)
			sd_notify(0, "WATCHDOG=1");
		if (missed >= PROBES_MISSED_MAX) {
			fprintf(stderr,
				"musterd-gateway: no answer through %s: ending, to be started "
				"anew\n",
				g->options.listen);
			return 1;
		}
	}
}

int main(int argc, char **argv)
{
	static struct gateway g;
	sigset_t all, ending;
	pthread_t thread;
	switch (options_read(argc, argv, &g.options)) {
	case OPTIONS_SHOWN:
		return 0;
	case OPTIONS_WRONG:
		return 2;
	case OPTIONS_RUN:
		break;
	}
	/* nng's threads inherit the mask, so every signal stays with this one. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	sigemptyset(&ending);
	sigaddset(&ending, SIGTERM);
	sigaddset(&ending, SIGINT);
	if (dial_local(&g) != 0 || listen_remote(&g) != 0)
		return 1;
	if (pthread_create(&thread, NULL, relay, &g) != 0)
		return complain("cannot start a thread", "", NNG_ENOMEM);
	fprintf(stderr, "musterd-gateway: %s -> %s\n", g.options.listen, g.options.socket);
	sd_notify(0, "READY=1");
	/* Without nng_close: it may hang in libnng 1.5.2 with callers connected. */
	_exit(watch(&g, &ending));
}
