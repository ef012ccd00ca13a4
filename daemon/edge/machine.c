/*
 * machine -- see machine.h.
 */
#include "edge/machine.h"

#include "base/check.h"

#include <ares.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;
	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static int64_t mono_ns(void *ctx)
{
	(void)ctx;
	return read_clock(CLOCK_MONOTONIC);
}

static int64_t boot_ns(void *ctx)
{
	(void)ctx;
	return read_clock(CLOCK_BOOTTIME);
}

static int64_t wall_ns(void *ctx)
{
	(void)ctx;
	return read_clock(CLOCK_REALTIME);
}

const struct clock machine_clock = {.mono_ns = mono_ns, .boot_ns = boot_ns, .wall_ns = wall_ns};

static void random_bytes(void *p, size_t n)
{
	CHECK(getrandom(p, n, 0) == (ssize_t)n); /* up to 256 bytes never come short */
}

uint64_t machine_random(void)
{
	uint64_t v;
	random_bytes(&v, sizeof(v));
	return v;
}

void machine_new_id(char ret[33])
{
	unsigned char raw[16];
	random_bytes(raw, sizeof(raw));
	for (size_t i = 0; i < sizeof(raw); i++)
		snprintf(ret + 2 * i, 3, "%02x", raw[i]);
}

uint64_t machine_boot(void)
{
	char text[64];
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, text, sizeof(text));
	close(fd);
	uint64_t v = 0;
	for (ssize_t i = 0; i < n && text[i] != '\n'; i++)
		v = v * 1099511628211ULL + (unsigned char)text[i]; /* FNV: only has to differ */
	return v;
}

uint32_t machine_uid(void)
{
	return (uint32_t)geteuid();
}

uint32_t machine_pid(void)
{
	return (uint32_t)getpid();
}

uint64_t machine_raise_files(void)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) != 0)
		return 0;
	if (r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
		getrlimit(RLIMIT_NOFILE, &r);
	}
	return r.rlim_cur;
}

void machine_ignore_sigpipe(void)
{
	signal(SIGPIPE, SIG_IGN);
}

bool machine_uid_of(void *ctx, const char *name, int64_t *ret_uid)
{
	char buffer[4096];
	struct passwd pw, *found = NULL;
	(void)ctx;
	if (getpwnam_r(name, &pw, buffer, sizeof(buffer), &found) != 0 || found == NULL)
		return false;
	*ret_uid = (int64_t)found->pw_uid;
	return true;
}

/* ---- directories ---- */

static enum err make_one(const char *path, struct bytes *why)
{
	char text[64];
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return ERR_OK;
	bytes_printf(why, "%s: cannot make the directory: %s", path,
		     strerror_r(errno, text, sizeof(text)));
	return ERR_IO;
}

enum err machine_make_dir(const char *path, struct bytes *why)
{
	struct stat st;
	char *copy = strdup(path);
	enum err e = copy != NULL ? ERR_OK : ERR_NOMEM;
	for (char *slash = copy; e == ERR_OK && slash != NULL;) {
		slash = strchr(slash + 1, '/');
		if (slash != NULL)
			*slash = '\0';
		e = make_one(copy, why);
		if (slash != NULL)
			*slash = '/';
	}
	free(copy);
	if (e != ERR_OK)
		return e;
	if (lstat(path, &st) != 0 || !(S_ISDIR(st.st_mode) || S_ISLNK(st.st_mode))) {
		bytes_printf(why, "%s: it is no directory", path);
		return ERR_DENIED;
	}
	return ERR_OK;
}

/* A directory of ours below /tmp, where others could have been first. */
static enum err private_tmp(struct bytes *out)
{
	struct stat st;
	bytes_printf(out, "/tmp/musterd-%u", machine_uid());
	const char *path = bytes_cstr(out);
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return ERR_IO;
	if (lstat(path, &st) != 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & 0077) != 0)
		return ERR_DENIED;
	return ERR_OK;
}

static const char *env_path(const char *name)
{
	const char *v = getenv(name);
	return v != NULL && v[0] == '/' ? v : NULL;
}

enum err machine_add_absolute(struct bytes *out, const char *path)
{
	char here[PATH_MAX];
	if (path[0] == '/')
		return bytes_add_str(out, path);
	if (getcwd(here, sizeof(here)) == NULL)
		return ERR_IO;
	if (path[0] == '.' && path[1] == '/')
		path += 2;
	return bytes_printf(out, "%s%s%s", here, here[1] != '\0' ? "/" : "", path);
}

enum err machine_state_dir(struct bytes *out)
{
	const char *dir = env_path("STATE_DIRECTORY"); /* set by the service manager */
	if (dir != NULL)
		return bytes_printf(out, "%s", dir);
	if (machine_uid() == 0)
		return bytes_printf(out, "/var/lib/musterd");
	dir = env_path("XDG_STATE_HOME");
	if (dir != NULL)
		return bytes_printf(out, "%s/musterd", dir);
	dir = env_path("HOME");
	if (dir != NULL)
		return bytes_printf(out, "%s/.local/state/musterd", dir);
	return private_tmp(out);
}

enum err machine_socket_path(struct bytes *out)
{
	const char *dir = env_path("RUNTIME_DIRECTORY");
	if (dir == NULL && machine_uid() == 0)
		dir = "/run/musterd";
	if (dir != NULL)
		return bytes_printf(out, "%s/control.sock", dir);
	dir = env_path("XDG_RUNTIME_DIR");
	if (dir != NULL)
		return bytes_printf(out, "%s/musterd/control.sock", dir);
	enum err e = private_tmp(out);
	return e == ERR_OK ? bytes_add_str(out, "/control.sock") : e;
}

void machine_libraries(struct bytes *out)
{
	bytes_printf(out, "libevent %s, %s, c-ares %s, jansson %s, zlib %s", event_get_version(),
		     OpenSSL_version(OPENSSL_VERSION), ares_version(NULL), jansson_version_str(),
		     zlibVersion());
}
