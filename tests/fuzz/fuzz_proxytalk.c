/*
 * What a proxy says before the origin's bytes flow. The first byte picks the kind of proxy, the
 * login and how many bytes come at a time; of what follows the talk not one byte may be read.
 */
#include "base/check.h"
#include "edge/proxytalk.h"

#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void empty(int fd)
{
	char buf[4096];
	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
}

static enum err talk(struct proxytalk *t, const int fd[2], const uint8_t *data, size_t n,
		     size_t piece)
{
	bool write;
	size_t at = 0;
	enum err e = proxytalk_step(t, fd[0], &write);
	while (e == ERR_AGAIN) {
		empty(fd[1]);
		size_t some = n - at < piece ? n - at : piece;
		if (at == n)
			shutdown(fd[1], SHUT_WR);
		else if (send(fd[1], data + at, some, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
			at += some;
		bool over = at == n && some == 0;
		e = proxytalk_step(t, fd[0], &write);
		CHECK(!over || e != ERR_AGAIN);
	}
	CHECK(e == ERR_OK || t->why != NULL);
	return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const size_t pieces[] = {1, 3, 20, 4096};
	int fd[2];
	if (n < 1 || n > 60000)
		return 0;
	struct xproxy proxy = {.kind = data[0] & 1 ? XPROXY_SOCKS5 : XPROXY_HTTP};
	if (data[0] & 2) {
		proxy.user = SLICE_LIT("user");
		proxy.pass = SLICE_LIT("pass");
	}
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) == 0);
	struct proxytalk t;
	CHECK(proxytalk_init(&t, &proxy, SLICE_LIT("origin.example"), 443) == ERR_OK);
	talk(&t, fd, data + 1, n - 1, pieces[data[0] >> 2 & 3]);
	proxytalk_fini(&t);
	close(fd[0]);
	close(fd[1]);
	return 0;
}
