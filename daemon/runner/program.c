#include "runner/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void limit(__rlimit_resource_t what, rlim_t most)
{
	struct rlimit l;
	if (getrlimit(what, &l) == 0 && l.rlim_max != RLIM_INFINITY && l.rlim_max < most)
		most = l.rlim_max;
	l.rlim_cur = l.rlim_max = most;
	setrlimit(what, &l);
}

static void default_signals(void)
{
	sigset_t none;
	struct sigaction sa = {.sa_handler = SIG_DFL};
	for (int s = 1; s < NSIG; s++)
		sigaction(s, &sa, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* execve takes lists of char *, and does not write to them. */
static char *const *untouched(const char *const *list)
{
	union {
		const char *const *from;
		char *const *to;
	} u = {.from = list};
	return u.to;
}

_Noreturn static void become(const struct runnerwire_run *run, pid_t parent, int tell)
{
	setsid();
	default_signals();
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_NOFILE, PROGRAM_FILES);
	if (run->memory_bytes > 0)
		limit(RLIMIT_AS, run->memory_bytes);
	/* Whoever started it may be gone already: nobody would end it then. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 &&
	    getppid() == parent && close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) == 0)
		execve(run->argv[0], untouched(run->argv), untouched(run->env));
	int why = errno;
	ssize_t n = write(tell, &why, sizeof(why));
	(void)n;
	_exit(127);
}

pid_t program_start(const struct runnerwire_run *run, int *ret_errno)
{
	int fd[2], why = 0;
	pid_t parent = getpid();
	if (pipe2(fd, O_CLOEXEC) != 0) {
		*ret_errno = errno;
		return -1;
	}
	pid_t pid = fork();
	if (pid == 0)
		become(run, parent, fd[1]);
	if (pid < 0)
		why = errno;
	close(fd[1]);
	/* Closed by execve: nothing to read says that it runs. */
	if (pid > 0 && read(fd[0], &why, sizeof(why)) == (ssize_t)sizeof(why)) {
		waitpid(pid, NULL, 0);
		pid = -1;
	}
	close(fd[0]);
	*ret_errno = why;
	return pid;
}
