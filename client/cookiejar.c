/*
 * cookiejar -- see cookiejar.h.
 */
#include "client/cookiejar.h"

#include "client/say.h"
#include "client/slurp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define JAR_MAX_BYTES (2u << 20)
#define LINES_MAX     3000
#define HEAD	      "# Netscape HTTP Cookie File\n# Written by muster: name and value are secrets.\n\n"

/* ---- reading ---- */

static bool is_one_of(const char *at, size_t n, const char *const word[2])
{
	for (int i = 0; i < 2; i++)
		if (strlen(word[i]) == n && strncasecmp(at, word[i], n) == 0)
			return true;
	return false;
}

/* The daemon refuses a job with a line that is none. */
static bool is_cookie(const char *line)
{
	static const char *const bools[2] = {"TRUE", "FALSE"};
	size_t width[6];
	const char *col[6];
	if (strncmp(line, "#HttpOnly_", 10) == 0)
		line += 10;
	if (*line == '#')
		return false;
	for (int i = 0; i < 6; i++) {
		col[i] = line;
		width[i] = strcspn(line, "\t");
		line += width[i] + (line[width[i]] == '\t');
	}
	bool has_numbers = width[4] > 0 && strspn(col[4], "0123456789") == width[4];
	return width[0] > (*col[0] == '.') && is_one_of(col[1], width[1], bools) &&
	       *col[2] == '/' && is_one_of(col[3], width[3], bools) && has_numbers && width[5] > 0;
}

static void add_lines(json_t *list, char *text)
{
	for (char *line = text; *line != '\0';) {
		size_t n = strcspn(line, "\n");
		bool is_end = line[n] == '\0';
		line[n] = '\0';
		if (n > 0 && line[n - 1] == '\r')
			line[n - 1] = '\0';
		if (is_cookie(line) && json_array_size(list) < LINES_MAX)
			json_array_append_new(list, json_string(line));
		line += n + !is_end;
	}
}

enum status cookiejar_add(json_t *job, const char *path)
{
	struct bytes text = BYTES_LIMIT(JAR_MAX_BYTES);
	if (path == NULL)
		return STATUS_OK;
	if (strcmp(path, "-") == 0) {
		say("--cookie-jar wants a file, not -");
		return STATUS_USAGE;
	}
	enum err e = slurp(path, &text);
	if (e == ERR_OK) {
		json_t *list = json_array();
		add_lines(list, (char *)(uintptr_t)bytes_cstr(&text));
		json_object_set_new(job, "cookies", list);
	} else if (e == ERR_IO && errno == ENOENT) {
		e = ERR_OK; /* the jar begins empty */
	} else {
		say("cannot read the cookies in %s: %s", path,
		    e == ERR_IO ? strerror(errno) : err_text(e));
	}
	bytes_fini(&text);
	return e == ERR_OK ? STATUS_OK : STATUS_USAGE;
}

/* ---- writing ---- */

static bool write_all(int fd, const struct bytes *text)
{
	for (size_t at = 0; at < text->n;) {
		ssize_t n = write(fd, text->p + at, text->n - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += (size_t)n;
	}
	return true;
}

/* Beside it, then in its place: who reads it meanwhile sees one or the other. */
static bool replace(const char *path, const struct bytes *text)
{
	struct bytes part = {.limit = 0};
	bytes_printf(&part, "%s.XXXXXX", path);
	char *name = bytes_steal(&part, NULL);
	int fd = name != NULL ? mkstemp(name) : -1;
	bool ok = fd >= 0 && write_all(fd, text);
	int no = errno;
	if (fd >= 0 && close(fd) != 0)
		ok = false;
	if (ok && rename(name, path) != 0) {
		no = errno;
		ok = false;
	}
	if (!ok && fd >= 0)
		unlink(name);
	free(name);
	errno = no;
	return ok;
}

static bool take_lines(const struct muster_reply *r, struct bytes *out, bool *ret_has)
{
	json_t *tree = json_loadb(r->result, r->n_result, 0, NULL);
	const json_t *list = json_object_get(tree, "cookies");
	*ret_has = json_is_array(list);
	for (size_t i = 0; i < json_array_size(list); i++)
		bytes_printf(out, "%s\n", json_string_value(json_array_get(list, i)));
	bool ok = tree != NULL && out->err == ERR_OK;
	json_decref(tree);
	return ok;
}

enum status cookiejar_save(struct session *s, const char *job, const char *path)
{
	struct bytes text = {.limit = 0};
	struct muster_reply r;
	enum status status = STATUS_OK;
	bool has = false;
	bytes_printf(&text, "{\"job\":\"%s\"}", job);
	enum muster_status ms = session_call(s, "job.cookies", bytes_cstr(&text), &r, &status);
	bytes_clear(&text);
	bytes_add_str(&text, HEAD);
	if (ms == MUSTER_OK && !take_lines(&r, &text, &has)) {
		say("job.cookies: the answer makes no sense");
		status = STATUS_FAILED;
	} else if (ms == MUSTER_OK && has && !replace(path, &text)) {
		say("cannot write the cookies to %s: %s", path, strerror(errno));
		status = STATUS_FAILED;
	} else if (ms == MUSTER_REFUSED) {
		status = ask_failed(s->m, "job.cookies", ms, &r);
	}
	bytes_fini(&text);
	return status;
}
