/*
 * standalone -- see standalone.h.
 */
#include "client/standalone.h"

#include "client/say.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_WITHIN_MS 20000
#define STOP_WITHIN_MS	12000

void standalone_find(const char *name, char *out, size_t cap)
{
	char self[512];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash = n > 0 ? memrchr(self, '/', (size_t)n) : NULL;
	if (slash != NULL) {
		snprintf(out, cap, "%.*s/%s", (int)(slash - self), self, name);
		if (access(out, X_OK) == 0)
			return;
	}
	snprintf(out, cap, "%s", name);
}

static int open_notify(const char *dir, char *path, size_t cap)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	snprintf(path, cap, "%s/notify", dir);
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* In the child. Its messages go to stderr only if it cannot start: they are in its log. */
_Noreturn static void exec_daemon(const struct standalone *s, const char *notify, pid_t parent)
{
	char program[600], state[80], log[80];
	standalone_find("musterd", program, sizeof(program));
	snprintf(state, sizeof(state), "%s/state", s->dir);
	snprintf(log, sizeof(log), "%s/log", s->dir);
	signals_restore();
	/* If we die without a word, so does it. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(STATUS_NO_DAEMON);
	setpgid(0, 0);
	int out = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	setenv("NOTIFY_SOCKET", notify, 1);
	unsetenv("LISTEN_FDS");
	execlp(program, "musterd", "--state", state, "--socket", s->address, "--foreground",
	       (char *)NULL);
	dprintf(STDERR_FILENO, "cannot run %s: %s\n", program, strerror(errno));
	_exit(STATUS_NO_DAEMON);
}

static void show_log(const struct standalone *s)
{
	char path[80], line[512];
	snprintf(path, sizeof(path), "%s/log", s->dir);
	FILE *f = fopen(path, "re");
	if (f == NULL)
		return;
	while (fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		say("musterd: %s", line);
	}
	fclose(f);
}

static bool is_ready_message(int fd)
{
	char text[1024];
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
	if (n <= 0)
		return false;
	text[n] = '\0';
	return strncmp(text, "READY=1", 7) == 0 || strstr(text, "\nREADY=1") != NULL;
}

/* Until it is ready, has ended, is too slow, or we are told to stop. */
static bool wait_ready(const struct standalone *s, int notify, struct signals *signals)
{
	int child = (int)syscall(SYS_pidfd_open, s->pid, 0);
	struct pollfd p[3] = {{notify, POLLIN, 0}, {child, POLLIN, 0}, {signals->fd, POLLIN, 0}};
	bool ready = false;
	while (!ready && poll(p, 3, READY_WITHIN_MS) > 0 && p[1].revents == 0 && p[2].revents == 0)
		ready = p[0].revents != 0 && is_ready_message(notify);
	if (child >= 0)
		close(child);
	return ready;
}

static enum status fail(struct standalone *s, const char *what)
{
	say("%s: %s", what, strerror(errno));
	standalone_stop(s);
	return STATUS_NO_DAEMON;
}

enum status standalone_start(struct standalone *s, struct signals *signals)
{
	char notify_path[96];
	const char *tmp = getenv("TMPDIR");
	bool is_short = tmp != NULL && tmp[0] == '/' && strlen(tmp) < 32;
	snprintf(s->dir, sizeof(s->dir), "%s/muster-XXXXXX", is_short ? tmp : "/tmp");
	if (mkdtemp(s->dir) == NULL) {
		s->dir[0] = '\0';
		return fail(s, "cannot make a directory for a private daemon");
	}
	snprintf(s->address, sizeof(s->address), "ipc://%s/control.sock", s->dir);
	int notify = open_notify(s->dir, notify_path, sizeof(notify_path));
	if (notify < 0)
		return fail(s, "cannot make a socket for a private daemon");
	pid_t parent = getpid();
	s->pid = fork();
	if (s->pid == 0)
		exec_daemon(s, notify_path, parent);
	bool ready = s->pid > 0 && wait_ready(s, notify, signals);
	close(notify);
	if (ready) {
		say("a private daemon: its limits are not shared with other commands");
		return STATUS_OK;
	}
	if (signals_take(signals) == 0) {
		say("the private daemon did not start");
		show_log(s);
	}
	standalone_stop(s);
	return STATUS_NO_DAEMON;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	remove(path);
	return 0;
}

void standalone_stop(struct standalone *s)
{
	if (s->pid > 0) {
		int child = (int)syscall(SYS_pidfd_open, s->pid, 0);
		struct pollfd p = {child, POLLIN, 0};
		kill(s->pid, SIGTERM);
		if (child < 0 || poll(&p, 1, STOP_WITHIN_MS) == 0)
			kill(s->pid, SIGKILL);
		waitpid(s->pid, NULL, 0);
		if (child >= 0)
			close(child);
	}
	s->pid = 0;
	if (s->dir[0] != '\0')
		nftw(s->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	s->dir[0] = '\0';
}
