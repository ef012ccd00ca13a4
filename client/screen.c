/*
 * screen -- see screen.h.
 */
#include "client/screen.h"

#include "client/say.h"
#include "client/session.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define ENTER "\033[?1049h\033[?25l\033[2J"
#define LEAVE "\033[?25h\033[?1049l"

static void put(const char *text)
{
	ssize_t n = write(STDOUT_FILENO, text, strlen(text));
	(void)n; /* a terminal that is gone needs no restoring */
}

/* Keys at once and unseen; Ctrl-C stays a signal, Ctrl-Z would leave the page behind. */
static void take_keys(struct screen *s)
{
	struct termios t;
	s->has_keys = tcgetattr(STDIN_FILENO, &s->before) == 0;
	if (!s->has_keys)
		return;
	t = s->before;
	t.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	t.c_cc[VMIN] = 0;
	t.c_cc[VTIME] = 0;
	t.c_cc[VSUSP] = _POSIX_VDISABLE;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &t);
}

void screen_open(struct screen *s)
{
	sigset_t resize;
	*s = (struct screen){.signals = {.fd = -1}};
	signals_open(&s->signals);
	sigemptyset(&resize);
	sigaddset(&resize, SIGWINCH);
	sigprocmask(SIG_BLOCK, &resize, NULL);
	s->resize_fd = signalfd(-1, &resize, SFD_CLOEXEC | SFD_NONBLOCK);
	take_keys(s);
	put(ENTER);
}

void screen_close(struct screen *s)
{
	put(LEAVE);
	if (s->has_keys)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &s->before);
	close(s->resize_fd);
}

static bool has_quit_key(struct screen *s)
{
	char keys[64];
	ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));
	if (n <= 0)
		s->has_keys = n < 0 && s->has_keys;
	for (ssize_t i = 0; i < n; i++)
		if (keys[i] == 'q' || keys[i] == 'Q')
			return true;
	return false;
}

enum screen_event screen_wait(struct screen *s, int64_t until_ms)
{
	for (;;) {
		int64_t left = until_ms - session_now_ms();
		struct pollfd p[] = {
			{.fd = s->signals.fd, .events = POLLIN},
			{.fd = s->resize_fd, .events = POLLIN},
			{.fd = s->has_keys ? STDIN_FILENO : -1, .events = POLLIN},
		};
		if (left <= 0 || poll(p, 3, (int)left) <= 0)
			return SCREEN_TICK;
		if (p[0].revents != 0 && signals_take(&s->signals) != 0)
			return SCREEN_SIGNAL;
		if (p[2].revents != 0 && has_quit_key(s))
			return SCREEN_QUIT;
		struct signalfd_siginfo info;
		if (p[1].revents != 0 && read(s->resize_fd, &info, sizeof(info)) > 0)
			return SCREEN_TICK;
	}
}

static bool is_utf8(void)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *v = getenv(names[i]);
		if (v != NULL && v[0] != '\0')
			return strcasestr(v, "utf-8") != NULL || strcasestr(v, "utf8") != NULL;
	}
	return false;
}

void screen_measure(struct frame *f, bool is_terminal)
{
	struct winsize w;
	f->is_terminal = is_terminal;
	f->has_colours = is_terminal && say_has_colours(STDOUT_FILENO);
	f->has_utf8 = is_utf8();
	f->columns = f->rows = UINT_MAX;
	if (!is_terminal)
		return;
	bool is_known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 && w.ws_row > 0;
	/* A character in the last column would be taken back by the erasing behind it. */
	f->columns = (is_known ? w.ws_col : 80u) - 1;
	f->rows = is_known ? w.ws_row : 24;
}
