/*
 * signals -- a signalfd; see signals.h.
 */
#include "client/signals.h"

#include <signal.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void fill(sigset_t *set)
{
	static const int wanted[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction now;
	sigemptyset(set);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (sigaction(wanted[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
			sigaddset(set, wanted[i]);
}

void signals_open(struct signals *s)
{
	sigset_t set;
	fill(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	s->first = 0;
	s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int signals_take(struct signals *s)
{
	struct signalfd_siginfo info;
	if (s->fd < 0 || read(s->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return 0;
	if (s->first == 0)
		s->first = (int)info.ssi_signo;
	return (int)info.ssi_signo;
}

void signals_restore(void)
{
	sigset_t none;
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

_Noreturn void signals_die(int signo)
{
	/* No core of a command that was only told to stop. */
	const struct rlimit no_core = {0, 0};
	sigset_t only;
	setrlimit(RLIMIT_CORE, &no_core);
	signal(signo, SIG_DFL);
	sigemptyset(&only);
	sigaddset(&only, signo);
	sigprocmask(SIG_UNBLOCK, &only, NULL);
	raise(signo);
	_exit(128 + signo);
}
