/*
 * The whole response path: a real exchange, a real Unix socket, a peer that answers with the
 * input. The first byte picks how it is cut and what happens after it. Each call ends, once.
 */
#include "base/check.h"
#include "tests/kit/rawd.h"
#include "tests/kit/xkit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void fetch(struct xkit *k, struct rawd *server, const char *path, const uint8_t *data,
		  size_t n)
{
	static const size_t pieces[] = {0, 1, 3, 50};
	static const char *const methods[] = {"GET", "HEAD", "POST", "GET"};
	struct xgot g = {0};
	struct xreq r = xkit_get("a.example", 80, false);
	r.unix_socket = slice_of(path);
	r.method = slice_of(methods[data[0] >> 2 & 3]);
	r.limits.body_bytes = 100000;
	r.timeouts = (struct xtimeouts){1000, 60, 60, 60};
	rawd_add(server, &(struct rawd_reply){.bytes = {(const char *)data + 1, n - 1},
					      .piece = n < 2000 ? pieces[data[0] & 3] : 0,
					      .then = data[0] & 16 ? RAWD_CLOSE : RAWD_HALF_CLOSE});
	xkit_fetch(k, &r, &g);
	CHECK(g.n_ends == 1 && g.n_heads <= 1 && g.body.n <= 100000);
	xgot_fini(&g);
}

/* One authority instead of the system's hundreds, which take longer to read than a fetch. */
static struct slice few_authorities(void)
{
	static char path[] = "/tmp/fuzz-ca.XXXXXX";
	static bool written;
	if (!written) {
		int fd = mkstemp(path);
		struct slice pem = rawd_ca_pem();
		CHECK(fd >= 0 && write(fd, pem.p, pem.n) == (ssize_t)pem.n);
		close(fd);
		written = true;
	}
	return slice_of(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char path[] = "/tmp/fuzz.XXXXXX";
	struct xkit k;
	if (n < 1)
		return 0;
	int fd = mkstemp(path);
	CHECK(fd >= 0);
	close(fd);
	xkit_open(&k, &(struct exchange_evhttp_options){.ca_file = few_authorities()});
	struct rawd *server = rawd_new_unix(k.base, path);
	fetch(&k, server, path, data, n);
	fetch(&k, server, path, data, n);
	rawd_free(server);
	xkit_close(&k);
	unlink(path);
	return 0;
}
