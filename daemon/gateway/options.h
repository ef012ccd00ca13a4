/*
 * options -- what musterd-gateway was told on its command line.
 */
#pragma once

#include <stdbool.h>

struct gateway_options {
	const char *listen; /* tls+tcp://HOST:PORT, or tcp:// on loopback */
	const char *socket; /* ipc:// address of the daemon */
	const char *ca, *cert, *key;
	int probe_s; /* seconds between self-probes */
};

enum options_verdict { OPTIONS_RUN, OPTIONS_SHOWN, OPTIONS_WRONG };

/*
 * Reads argv into *ret; text stays argv's. SHOWN: --help or --version was printed.
 * WRONG: one line on stderr says what, and what would be right.
 */
enum options_verdict options_read(int argc, char **argv, struct gateway_options *ret);
/* The address speaks TLS. */
bool options_is_tls(const struct gateway_options *o);
