#include "runner/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Reads that empty any pipe: a share is as large as a whole one of the default size. */
#define PIPE_READS 4

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* A file in memory: nothing has to wait for the program to read it. -1: errno says why. */
static int make_input(struct slice input)
{
	if (input.n == 0)
		return open("/dev/null", O_RDONLY | O_CLOEXEC);
	int fd = memfd_create("stdin", MFD_CLOEXEC);
	while (fd >= 0 && input.n > 0) {
		ssize_t n = write(fd, input.p, input.n);
		if (n <= 0) {
			close(fd);
			return -1;
		}
		input.p += n;
		input.n -= (size_t)n;
	}
	if (fd >= 0)
		lseek(fd, 0, SEEK_SET);
	return fd;
}

/* The ends that the keeper gets. */
struct ends {
	int input, out, err, leash;
};

/* False: errno says why; what was opened stands in c and e. */
static bool open_ends(struct child *c, struct ends *e, struct slice input)
{
	int fd[2];
	if ((e->input = make_input(input)) < 0)
		return false;
	if (pipe2(fd, O_CLOEXEC) != 0)
		return false;
	c->out_fd = fd[0];
	e->out = fd[1];
	if (pipe2(fd, O_CLOEXEC) != 0)
		return false;
	c->err_fd = fd[0];
	e->err = fd[1];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) != 0)
		return false;
	c->leash = fd[0];
	e->leash = fd[1];
	/* The program's ends must block, ours must not. */
	return fcntl(c->out_fd, F_SETFL, O_NONBLOCK) == 0 &&
	       fcntl(c->err_fd, F_SETFL, O_NONBLOCK) == 0;
}

struct child *child_start(const struct runnerwire_run *run, int *ret_errno)
{
	struct child *c = calloc(1, sizeof(*c));
	struct ends e = {-1, -1, -1, -1};
	if (c == NULL) {
		*ret_errno = ENOMEM;
		return NULL;
	}
	c->id = run->id;
	c->keeper = -1;
	c->leash = c->out_fd = c->err_fd = -1;
	list_init(&c->link);
	capture_init(&c->out, CAPTURE_BEGINNING, run->output_bytes);
	capture_init(&c->err, CAPTURE_END, run->output_bytes);
	if (open_ends(c, &e, run->input))
		c->keeper = fork();
	if (c->keeper == 0)
		keeper_run(run, &(struct keeper_fds){e.input, e.out, e.err, e.leash});
	*ret_errno = errno;
	close_fd(&e.input);
	close_fd(&e.out);
	close_fd(&e.err);
	close_fd(&e.leash);
	if (c->keeper > 0)
		return c;
	child_free(c);
	return NULL;
}

void child_cancel(struct child *c)
{
	ssize_t n = send(c->leash, "c", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)n; /* a keeper that is gone has nothing left to cancel */
}

void child_read_out(struct child *c)
{
	if (!capture_read(&c->out, c->out_fd))
		close_fd(&c->out_fd);
}

void child_read_err(struct child *c)
{
	if (!capture_read(&c->err, c->err_fd))
		close_fd(&c->err_fd);
}

/* What a pipe still holds once its writers are gone; should one live on, no more than that. */
static void drain(struct capture *c, int *fd)
{
	for (int i = 0; i < PIPE_READS && *fd >= 0; i++)
		if (!capture_read(c, *fd))
			close_fd(fd);
	close_fd(fd);
}

bool child_read_leash(struct child *c)
{
	struct keeper_word word;
	ssize_t n = recv(c->leash, &word, sizeof(word), MSG_DONTWAIT);
	if (n == (ssize_t)sizeof(word))
		c->word = word;
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return false;
	/* A keeper that was killed took the program with it. */
	if (c->word.how == 0)
		c->word = (struct keeper_word){RUNNERWIRE_SIGNALED, 9};
	drain(&c->out, &c->out_fd);
	drain(&c->err, &c->err_fd);
	return true;
}

void child_free(struct child *c)
{
	if (c == NULL)
		return;
	close_fd(&c->leash);
	if (c->keeper > 0)
		waitpid(c->keeper, NULL, 0);
	close_fd(&c->out_fd);
	close_fd(&c->err_fd);
	capture_fini(&c->out);
	capture_fini(&c->err);
	list_remove(&c->link);
	free(c);
}
