/*
 * configfiles -- see configfiles.h.
 */
#include "edge/configfiles.h"

#include "edge/machine.h"
#include "model/config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_PATH "/etc/musterd/musterd.json"

struct texts {
	struct config_file file[CONFIG_FILES_MAX];
	struct bytes text[CONFIG_FILES_MAX];
	char *name[CONFIG_FILES_MAX];
	uint32_t n;
};

static enum err fail(struct bytes *why, const char *path, enum err e)
{
	char text[64];
	bytes_printf(why, "%s: %s", path,
		     e == ERR_IO || e == ERR_NOT_FOUND ? strerror_r(errno, text, sizeof(text))
						       : err_text(e));
	return e;
}

static enum err read_whole(int fd, struct bytes *out)
{
	char piece[65536];
	bytes_init(out, CONFIG_FILE_MAX);
	for (;;) {
		ssize_t n = read(fd, piece, sizeof(piece));
		if (n == 0)
			return ERR_OK;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ERR_IO;
		enum err e = bytes_add(out, piece, (size_t)n);
		if (e != ERR_OK)
			return e;
	}
}

static enum err add_file(struct texts *t, const char *path, struct bytes *why)
{
	if (t->n == CONFIG_FILES_MAX)
		return fail(why, path, ERR_TOO_LARGE);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail(why, path, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO);
	enum err e = read_whole(fd, &t->text[t->n]);
	close(fd);
	char *name = e == ERR_OK ? strdup(path) : NULL;
	if (name == NULL) {
		bytes_fini(&t->text[t->n]);
		return fail(why, path, e == ERR_OK ? ERR_NOMEM : e);
	}
	t->name[t->n] = name;
	t->file[t->n] = (struct config_file){.name = name, .text = bytes_slice(&t->text[t->n])};
	t->n++;
	return ERR_OK;
}

static int is_json(const struct dirent *d)
{
	size_t n = strlen(d->d_name);
	return n > 5 && d->d_name[0] != '.' && strcmp(d->d_name + n - 5, ".json") == 0;
}

/* conf.d beside the file; its absence is no error. */
static enum err add_dir(struct texts *t, const char *path, struct bytes *why)
{
	struct bytes dir = {.n = 0};
	struct dirent **entry = NULL;
	const char *slash = strrchr(path, '/');
	bytes_add(&dir, path, slash != NULL ? (size_t)(slash - path) + 1 : 0);
	bytes_add_str(&dir, "conf.d");
	int n = scandir(bytes_cstr(&dir), &entry, is_json, alphasort);
	enum err e = ERR_OK;
	for (int i = 0; i < n; i++) {
		struct bytes file = {.n = 0};
		bytes_printf(&file, "%s/%s", bytes_cstr(&dir), entry[i]->d_name);
		if (e == ERR_OK)
			e = add_file(t, bytes_cstr(&file), why);
		bytes_fini(&file);
		free(entry[i]);
	}
	free(entry);
	bytes_fini(&dir);
	return e;
}

const char *configfiles_path(const struct configfiles *cf)
{
	if (cf->path != NULL)
		return cf->path;
	return access(DEFAULT_PATH, F_OK) == 0 ? DEFAULT_PATH : NULL;
}

enum err configfiles_load(const struct configfiles *cf, struct config **ret, struct bytes *why)
{
	struct texts *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return ERR_NOMEM;
	const char *path = cf->path != NULL ? cf->path : DEFAULT_PATH;
	enum err e = ERR_OK;
	if (cf->path != NULL || access(path, F_OK) == 0)
		e = add_file(t, path, why);
	if (e == ERR_OK)
		e = add_dir(t, path, why);
	struct config_env env = {.uid_of = machine_uid_of};
	if (e == ERR_OK)
		e = config_read(t->file, t->n, &env, ret, why);
	for (uint32_t i = 0; i < t->n; i++) {
		free(t->name[i]);
		bytes_fini(&t->text[i]);
	}
	free(t);
	return e;
}
