#include "gateway/options.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROBE_DEFAULT_S 30

static const char help[] =
	"usage: musterd-gateway --listen ADDR [--socket ipc://PATH] [--cacert FILE --cert FILE "
	"--key FILE]\n"
	"\n"
	"Lets muster be controlled from other machines: relays requests between ADDR and the "
	"daemon's\n"
	"local socket. The daemon serves them with the gateway's rights: no attached jobs, no "
	"leases.\n"
	"\n"
	"  --listen tls+tcp://HOST:PORT   callers need a certificate signed by --cacert\n"
	"  --listen tcp://127.0.0.1:PORT  without TLS: on loopback only\n"
	"  --socket ipc://PATH            the daemon (default ipc:///run/musterd/control.sock)\n"
	"  --cacert FILE                  PEM: who may call\n"
	"  --cert FILE --key FILE         PEM: who we are\n"
	"  --probe SECONDS                call ourselves that often, end when unanswered (30)\n"
	"\n"
	"example:\n"
	"  musterd-gateway --listen tls+tcp://0.0.0.0:7443 --cacert ca.pem --cert gw.pem --key "
	"gw.key\n"
	"  muster --socket tls+tcp://host:7443 --cacert ca.pem --cert me.pem --key me.key ping\n";

bool options_is_tls(const struct gateway_options *o)
{
	return strncmp(o->listen, "tls+tcp://", 10) == 0;
}

static enum options_verdict wrong(const char *what, const char *advice)
{
	fprintf(stderr, "musterd-gateway: %s%s (see --help)\n", what, advice);
	return OPTIONS_WRONG;
}

static bool is_loopback(const char *address)
{
	static const char *const prefix[] = {"tcp://127.", "tcp://[::1]:", "tcp://localhost:"};
	for (size_t i = 0; i < sizeof(prefix) / sizeof(prefix[0]); i++)
		if (strncmp(address, prefix[i], strlen(prefix[i])) == 0)
			return true;
	return false;
}

static enum options_verdict judge(const struct gateway_options *o)
{
	if (o->listen == NULL)
		return wrong("--listen is missing", ": say where callers connect");
	if (strncmp(o->socket, "ipc://", 6) != 0)
		return wrong(o->socket, ": the daemon's address begins with ipc://");
	if (options_is_tls(o)) {
		if (o->ca == NULL || o->cert == NULL || o->key == NULL)
			return wrong("tls+tcp:// needs --cacert, --cert and --key",
				     ": callers are known by their certificates");
		return OPTIONS_RUN;
	}
	if (strncmp(o->listen, "tcp://", 6) != 0)
		return wrong(o->listen, ": an address begins with tls+tcp:// or tcp://");
	if (!is_loopback(o->listen))
		return wrong(o->listen, ": without TLS only loopback addresses are served");
	return OPTIONS_RUN;
}

static bool read_number(const char *text, int *ret)
{
	char *end = NULL;
	long n = strtol(text, &end, 10);
	if (end == text || *end != '\0' || n < 1 || n > 3600)
		return false;
	*ret = (int)n;
	return true;
}

enum options_verdict options_read(int argc, char **argv, struct gateway_options *ret)
{
	struct gateway_options o = {.socket = "ipc:///run/musterd/control.sock",
				    .probe_s = PROBE_DEFAULT_S};
	const struct {
		const char *name;
		const char **to;
	} texts[] = {{"--listen", &o.listen},
		     {"--socket", &o.socket},
		     {"--cacert", &o.ca},
		     {"--cert", &o.cert},
		     {"--key", &o.key}};
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			fputs(help, stdout);
			return OPTIONS_SHOWN;
		}
		if (strcmp(argv[i], "--version") == 0) {
			puts("musterd-gateway " MUSTER_VERSION);
			return OPTIONS_SHOWN;
		}
		if (i + 1 == argc)
			return wrong(argv[i], ": unknown, or its value is missing");
		size_t k = 0;
		const size_t n = sizeof(texts) / sizeof(texts[0]);
		while (k < n && strcmp(argv[i], texts[k].name) != 0)
			k++;
		if (k < n) {
			*texts[k].to = argv[++i];
		} else if (strcmp(argv[i], "--probe") == 0) {
			if (!read_number(argv[++i], &o.probe_s))
				return wrong(argv[i], ": --probe takes 1 to 3600 seconds");
		} else {
			return wrong(argv[i], ": no such option");
		}
	}
	*ret = o;
	return judge(ret);
}
