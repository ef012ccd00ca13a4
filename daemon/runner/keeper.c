#include "runner/keeper.h"

#include "runner/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SWEEP_POLL_MS 10

enum phase {
	RUNNING,
	ASKED,	/* SIGTERM has been sent */
	KILLED, /* SIGKILL has been sent */
	OVER,
};

struct keeper {
	pid_t pid; /* of the program, which leads a group and a session */
	int leash, signals;
	enum phase phase;
	enum runnerwire_how why; /* of what it was asked or killed for */
	int64_t due_ms;		 /* of the phase; -1: never */
	struct keeper_word word;
};

static int64_t now_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- its end ---- */

static void tell_word(const struct keeper *k)
{
	ssize_t n = send(k->leash, &k->word, sizeof(k->word), MSG_NOSIGNAL);
	(void)n; /* a runner that is gone needs no answer */
}

/* Our own children, whoever's they were. */
static void kill_children(void)
{
	char text[4096];
	int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;
	text[n > 0 ? n : 0] = '\0';
	for (char *p = text, *end; *p != '\0'; p = end) {
		long pid = strtol(p, &end, 10);
		if (end == p || (*end != ' ' && *end != '\0'))
			break; /* the last number may be cut */
		if (*end == ' ' && pid > 1)
			kill((pid_t)pid, SIGKILL);
		end += *end == ' ';
	}
	if (fd >= 0)
		close(fd);
}

/* Everything that is left is killed and reaped; what was a grandchild becomes a child meanwhile. */
static void sweep(void)
{
	int64_t until_ms = now_ms() + KEEPER_SWEEP_MS;
	for (;;) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);
		if (pid < 0 || now_ms() >= until_ms)
			return;
		if (pid > 0)
			continue;
		kill_children();
		poll(NULL, 0, SWEEP_POLL_MS);
	}
}

/* ---- the program ---- */

static void ask_to_end(struct keeper *k, enum runnerwire_how why)
{
	if (k->phase != RUNNING)
		return;
	k->phase = ASKED;
	k->why = why;
	k->due_ms = now_ms() + KEEPER_GRACE_MS;
	kill(-k->pid, SIGTERM);
	kill(-k->pid, SIGCONT);
}

static void kill_now(struct keeper *k, enum runnerwire_how why)
{
	if (k->phase == RUNNING)
		k->why = why;
	k->phase = KILLED;
	k->due_ms = now_ms() + KEEPER_SWEEP_MS;
	kill(-k->pid, SIGKILL);
}

static void on_due(struct keeper *k)
{
	switch (k->phase) {
	case RUNNING:
		ask_to_end(k, RUNNERWIRE_TIMED_OUT);
		break;
	case ASKED:
		kill_now(k, k->why);
		break;
	case KILLED:
	case OVER: /* it waits for a disk: nothing ends it before that answers */
		k->word = (struct keeper_word){k->why, 0};
		k->phase = OVER;
		break;
	}
}

static void on_leash(struct keeper *k)
{
	char word;
	ssize_t n = recv(k->leash, &word, 1, MSG_DONTWAIT);
	if (n > 0)
		ask_to_end(k, RUNNERWIRE_CANCELLED);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		kill_now(k, RUNNERWIRE_CANCELLED);
}

static void program_ended(struct keeper *k, const siginfo_t *si)
{
	kill(-k->pid, SIGKILL); /* before it is reaped: the number is still its group's */
	if (k->phase != RUNNING)
		k->word = (struct keeper_word){k->why, 0};
	else if (si->si_code == CLD_EXITED)
		k->word = (struct keeper_word){RUNNERWIRE_EXITED, (uint32_t)si->si_status};
	else
		k->word = (struct keeper_word){RUNNERWIRE_SIGNALED, (uint32_t)si->si_status};
	k->phase = OVER;
}

static void on_children(struct keeper *k)
{
	struct signalfd_siginfo info;
	siginfo_t si;
	ssize_t n = read(k->signals, &info, sizeof(info));
	(void)n; /* it says only that there is something to reap */
	for (;;) {
		si.si_pid = 0;
		if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) != 0 || si.si_pid == 0)
			return;
		if (si.si_pid == k->pid)
			program_ended(k, &si);
		waitpid(si.si_pid, NULL, 0);
	}
}

static int wait_ms(const struct keeper *k)
{
	int64_t left = k->due_ms - now_ms();
	if (k->due_ms < 0 || left > 1000000)
		return k->due_ms < 0 ? -1 : 1000000;
	return left > 0 ? (int)left : 0;
}

static void watch(struct keeper *k)
{
	while (k->phase != OVER) {
		struct pollfd p[2] = {{k->signals, POLLIN, 0}, {k->leash, POLLIN, 0}};
		/* A leash that is gone would be readable for ever. */
		nfds_t n = k->phase == KILLED ? 1 : 2;
		poll(p, n, wait_ms(k));
		if (p[0].revents != 0)
			on_children(k);
		if (k->phase != OVER && n == 2 && p[1].revents != 0)
			on_leash(k);
		if (k->phase != OVER && k->due_ms >= 0 && now_ms() >= k->due_ms)
			on_due(k);
	}
}

/* ---- its beginning ---- */

/* From now on it holds nothing but 0, 1, 2 for the program, 3 and 4 for itself. */
static void keep_only(struct keeper *k, const struct keeper_fds *fds)
{
	int all[4] = {fds->input, fds->out, fds->err, fds->leash};
	/* Above their places first, so that none overwrites another. */
	for (int i = 0; i < 4; i++)
		all[i] = fcntl(all[i], F_DUPFD_CLOEXEC, 8);
	for (int i = 0; i < 4; i++)
		dup2(all[i], i);
	k->leash = 3;
	fcntl(k->leash, F_SETFD, FD_CLOEXEC);
	close_range(4, ~0u, 0);
}

_Noreturn void keeper_run(const struct runnerwire_run *run, const struct keeper_fds *fds)
{
	struct keeper k = {.phase = RUNNING, .due_ms = -1};
	sigset_t set;
	int why = 0;
	keep_only(&k, fds);
	prctl(PR_SET_NAME, "muster-keeper");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_SETMASK, &set, NULL);
	k.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	k.pid = k.signals >= 0 ? program_start(run, &why) : -1;
	if (k.signals < 0)
		why = errno;
	/* Else its end would not be seen by whoever reads what it writes. */
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	if (k.pid < 0) {
		k.word = (struct keeper_word){RUNNERWIRE_NOT_STARTED, (uint32_t)why};
	} else {
		if (run->timeout_ms > 0)
			k.due_ms = now_ms() + (int64_t)run->timeout_ms;
		watch(&k);
		sweep();
	}
	tell_word(&k);
	_exit(0);
}
