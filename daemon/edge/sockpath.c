/*
 * sockpath -- see sockpath.h. The lock file (control.sock -> control.lock) says whether another
 * daemon of ours is alive; the look at the path says what else stands there.
 */
#include "edge/sockpath.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static enum err fail(struct sockpath *sp, enum err e, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static enum err fail(struct sockpath *sp, enum err e, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(sp->failure, sizeof(sp->failure), fmt, ap);
	va_end(ap);
	return e;
}

static enum err fail_errno(struct sockpath *sp, const char *what)
{
	char text[64];
	enum err e = errno == EACCES || errno == EPERM ? ERR_DENIED : ERR_IO;
	return fail(sp, e, "%s: cannot %s: %s", sp->path, what,
		    strerror_r(errno, text, sizeof(text)));
}

enum err sockpath_init(struct sockpath *sp, const char *path)
{
	*sp = (struct sockpath){.lock_fd = -1};
	size_t n = path != NULL ? strlen(path) : 0;
	if (n == 0 || n > SOCKPATH_MAX)
		return ERR_INVALID;
	memcpy(sp->path, path, n + 1);
	return ERR_OK;
}

static enum err take_lock(struct sockpath *sp)
{
	char lock[SOCKPATH_MAX + 8];
	size_t n = strlen(sp->path);
	if (n > 5 && strcmp(sp->path + n - 5, ".sock") == 0)
		n -= 5;
	snprintf(lock, sizeof(lock), "%.*s.lock", (int)n, sp->path);
	int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fail_errno(sp, "open its lock file");
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		bool is_busy = errno == EWOULDBLOCK;
		enum err e = is_busy ? fail(sp, ERR_BUSY, "%s: another musterd is serving there",
					    sp->path)
				     : fail_errno(sp, "lock its lock file");
		close(fd);
		return e;
	}
	sp->lock_fd = fd;
	return ERR_OK;
}

static void address_of(const struct sockpath *sp, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(ret->sun_path, sp->path, strlen(sp->path) + 1);
}

/* OK: it is a socket on which nobody listens. */
static enum err look_if_dead(struct sockpath *sp)
{
	struct sockaddr_un a;
	address_of(sp, &a);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fail_errno(sp, "look whether it is alive");
	int rc = connect(fd, (const struct sockaddr *)&a, sizeof(a));
	int why = errno;
	close(fd);
	if (rc != 0 && why == ECONNREFUSED)
		return ERR_OK;
	return fail(sp, ERR_EXISTS, "%s: another program is listening there", sp->path);
}

static const char *kind_of(mode_t mode)
{
	if (S_ISLNK(mode))
		return "a symbolic link";
	if (S_ISREG(mode))
		return "a regular file";
	if (S_ISDIR(mode))
		return "a directory";
	return "no socket";
}

/* Leaves the path free, or says why it cannot be. */
static enum err clear_path(struct sockpath *sp)
{
	struct stat st;
	if (lstat(sp->path, &st) != 0)
		return errno == ENOENT ? ERR_OK : fail_errno(sp, "look at it");
	if (!S_ISSOCK(st.st_mode))
		return fail(sp, ERR_CONFLICT, "%s: it is %s; it was left alone", sp->path,
			    kind_of(st.st_mode));
	enum err e = look_if_dead(sp);
	if (e != ERR_OK)
		return e;
	return unlink(sp->path) == 0 ? ERR_OK : fail_errno(sp, "remove the dead socket");
}

/* chmod comes before listen: until then nobody can connect. */
static enum err bind_and_listen(struct sockpath *sp, int fd, unsigned mode, int backlog)
{
	struct sockaddr_un a;
	struct stat st;
	address_of(sp, &a);
	if (bind(fd, (const struct sockaddr *)&a, sizeof(a)) != 0)
		return fail_errno(sp, "bind it");
	if (chmod(sp->path, (mode_t)mode) != 0 || lstat(sp->path, &st) != 0 ||
	    listen(fd, backlog) != 0) {
		enum err e = fail_errno(sp, "listen on it");
		unlink(sp->path);
		return e;
	}
	sp->dev = st.st_dev;
	sp->ino = st.st_ino;
	sp->is_bound = true;
	return ERR_OK;
}

enum err sockpath_listen(struct sockpath *sp, unsigned mode, int backlog, int *ret_fd)
{
	enum err e = take_lock(sp);
	if (e != ERR_OK)
		return e;
	e = clear_path(sp);
	int fd = -1;
	if (e == ERR_OK) {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		e = fd < 0 ? fail_errno(sp, "make a socket")
			   : bind_and_listen(sp, fd, mode, backlog);
	}
	if (e == ERR_OK) {
		*ret_fd = fd;
		return ERR_OK;
	}
	if (fd >= 0)
		close(fd);
	sockpath_leave(sp);
	return e;
}

void sockpath_leave(struct sockpath *sp)
{
	struct stat st;
	if (sp->is_bound && lstat(sp->path, &st) == 0 && st.st_dev == sp->dev &&
	    st.st_ino == sp->ino)
		unlink(sp->path);
	sp->is_bound = false;
	if (sp->lock_fd >= 0)
		close(sp->lock_fd);
	sp->lock_fd = -1;
}
