/*
 * fetchbody -- see fetchbody.h. As with curl, @FILE is read by the command, and -d of a file drops
 * its line ends. What is small goes with the job; files and what is large are uploads.
 */
#include "client/fetchbody.h"

#include "client/say.h"
#include "client/slurp.h"
#include "client/upload.h"
#include "proto/jsonscan.h"
#include "proto/result.h"
#include "proto/utf8.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define JSON_MAX_BYTES (64u << 20) /* it is checked as a whole */

static enum status cannot_send(const char *path, enum err e)
{
	say("cannot send %s: %s", strcmp(path, "-") == 0 ? "standard input" : path,
	    e == ERR_IO		 ? strerror(errno)
	    : e == ERR_TOO_LARGE ? "it is larger than 64 MiB"
				 : err_text(e));
	return STATUS_USAGE;
}

static enum status read_file(const char *path, struct bytes *out)
{
	out->limit = JSON_MAX_BYTES;
	enum err e = slurp(path, out);
	return e == ERR_OK ? STATUS_OK : cannot_send(path, e);
}

/* DATA, @FILE or @-. */
static enum status add_data(const char *text, struct bytes *out)
{
	if (text[0] != '@') {
		bytes_add_str(out, text);
		return STATUS_OK;
	}
	return read_file(text + 1, out);
}

static void drop_line_ends(struct bytes *b, size_t from)
{
	size_t to = from;
	for (size_t i = from; i < b->n; i++)
		if (b->p[i] != '\r' && b->p[i] != '\n' && b->p[i] != '\0')
			b->p[to++] = b->p[i];
	b->n = to;
}

static bool has_header(const json_t *fetch, const char *name)
{
	const json_t *list = json_object_get(fetch, "headers");
	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcasecmp(json_string_value(json_array_get(json_array_get(list, i), 0)),
			       name) == 0)
			return true;
	return false;
}

static void set_type(json_t *fetch, const char *name, const char *value)
{
	if (!has_header(fetch, name))
		json_array_append_new(json_object_get(fetch, "headers"),
				      json_pack("[s,s]", name, value));
}

static void set_inline(json_t *fetch, const struct bytes *body)
{
	struct slice s = bytes_slice(body);
	if (utf8_valid(s)) {
		json_object_set_new(fetch, "body", json_stringn(s.p != NULL ? s.p : "", s.n));
		return;
	}
	struct bytes text = {.limit = 0};
	result_add_base64(&text, s);
	json_object_set_new(fetch, "body_base64", json_stringn(text.p, text.n));
	bytes_fini(&text);
}

/* What is read already; taken over. */
static void set_body(json_t *fetch, struct bytes *body, struct upload_list *up)
{
	char name[16];
	if (body->n <= UPLOAD_INLINE_BYTES) {
		set_inline(fetch, body);
		return;
	}
	upload_begin(up, name);
	upload_add_text(up, body);
	json_object_set_new(fetch, "upload", json_string(name));
}

/* ---- -d ---- */

/* Whether it is a small file, or no file: what can be read now to go with the job. */
static bool is_small(const char *data)
{
	struct stat st;
	if (data[0] != '@')
		return true;
	bool is_known = strcmp(data, "@-") != 0 && stat(data + 1, &st) == 0 && S_ISREG(st.st_mode);
	return is_known && (uint64_t)st.st_size <= UPLOAD_INLINE_BYTES;
}

static enum status upload_form_data(json_t *fetch, const struct args_list *l,
				    struct upload_list *up)
{
	char name[16];
	upload_begin(up, name);
	for (size_t i = 0; i < l->n; i++) {
		struct bytes text = {.limit = 0};
		bytes_add_str(&text, i > 0 ? "&" : "");
		if (l->v[i][0] != '@')
			bytes_add_str(&text, l->v[i]);
		upload_add_text(up, &text);
		enum err e = l->v[i][0] == '@' ? upload_add_file(up, l->v[i] + 1, true) : ERR_OK;
		if (e != ERR_OK)
			return cannot_send(l->v[i] + 1, e);
	}
	json_object_set_new(fetch, "upload", json_string(name));
	return STATUS_OK;
}

static enum status inline_form_data(json_t *fetch, const struct args_list *l,
				    struct upload_list *up)
{
	struct bytes body = {.limit = 0};
	enum status s = STATUS_OK;
	for (size_t i = 0; i < l->n && s == STATUS_OK; i++) {
		if (i > 0)
			bytes_add_byte(&body, '&');
		size_t from = body.n;
		s = add_data(l->v[i], &body);
		if (l->v[i][0] == '@')
			drop_line_ends(&body, from);
	}
	if (s == STATUS_OK)
		set_body(fetch, &body, up);
	bytes_fini(&body);
	return s;
}

static enum status add_form_data(json_t *fetch, const struct args *a, struct upload_list *up)
{
	const struct args_list *l = &a->value[OPTION_DATA];
	bool all_small = true;
	for (size_t i = 0; i < l->n; i++)
		all_small &= is_small(l->v[i]);
	enum status s = all_small ? inline_form_data(fetch, l, up) : upload_form_data(fetch, l, up);
	if (s == STATUS_OK)
		set_type(fetch, "Content-Type", "application/x-www-form-urlencoded");
	return s;
}

/* ---- --json, -T ---- */

static enum status add_json(json_t *fetch, const struct args *a, struct upload_list *up)
{
	struct bytes body = {.limit = 0};
	struct jsonscan_error error;
	const struct jsonscan_limits limits = {.values = UINT32_MAX};
	enum status s = add_data(args_text(a, OPTION_JSON_BODY), &body);
	if (s == STATUS_OK && jsonscan_check(bytes_slice(&body), &limits, &error) != ERR_OK) {
		say("--json: line %u, column %u: %s", error.line, error.column, error.text);
		s = STATUS_USAGE;
	}
	if (s == STATUS_OK) {
		set_body(fetch, &body, up);
		set_type(fetch, "Content-Type", "application/json");
		set_type(fetch, "Accept", "application/json");
	}
	bytes_fini(&body);
	return s;
}

static enum status add_upload(json_t *fetch, const struct args *a, struct upload_list *up)
{
	const char *path = args_text(a, OPTION_UPLOAD);
	char name[16];
	upload_begin(up, name);
	enum err e = upload_add_file(up, path, false);
	if (e != ERR_OK)
		return cannot_send(path, e);
	json_object_set_new(fetch, "upload", json_string(name));
	if (!args_has(a, OPTION_METHOD))
		json_object_set_new(fetch, "method", json_string("PUT"));
	return STATUS_OK;
}

/* ---- -F ---- */

static enum status add_part_file(json_t *part, const char *path, struct upload_list *up)
{
	char name[16];
	const char *slash = strrchr(path, '/');
	upload_begin(up, name);
	enum err e = upload_add_file(up, path, false);
	if (e != ERR_OK)
		return cannot_send(path, e);
	json_object_set_new(part, "upload", json_string(name));
	json_object_set_new(part, "filename", json_string(slash != NULL ? slash + 1 : path));
	return STATUS_OK;
}

/* N=V or N=@FILE */
static enum status add_part(json_t *parts, const char *text, struct upload_list *up)
{
	const char *equals = strchr(text, '=');
	if (equals == NULL || equals == text) {
		say("-F wants NAME=VALUE or NAME=@FILE, not \"%s\"", text);
		return STATUS_USAGE;
	}
	json_t *part = json_object();
	json_array_append_new(parts, part);
	json_object_set_new(part, "name", json_stringn(text, (size_t)(equals - text)));
	if (equals[1] == '@')
		return add_part_file(part, equals + 2, up);
	if (!utf8_valid(slice_of(equals + 1))) {
		say("-F: the value of %.*s is not UTF-8", (int)(equals - text), text);
		return STATUS_USAGE;
	}
	json_object_set_new(part, "value", json_string(equals + 1));
	return STATUS_OK;
}

static enum status add_multipart(json_t *fetch, const struct args *a, struct upload_list *up)
{
	const struct args_list *l = &a->value[OPTION_FORM];
	json_t *parts = json_array();
	enum status s = STATUS_OK;
	for (size_t i = 0; i < l->n && s == STATUS_OK; i++)
		s = add_part(parts, l->v[i], up);
	json_object_set_new(fetch, "multipart", parts);
	return s;
}

enum status fetchbody_add(json_t *fetch, const struct args *a, struct upload_list *up)
{
	static const struct {
		enum option_id option;
		enum status (*add)(json_t *fetch, const struct args *a, struct upload_list *up);
	} way[] = {{OPTION_DATA, add_form_data},
		   {OPTION_JSON_BODY, add_json},
		   {OPTION_UPLOAD, add_upload},
		   {OPTION_FORM, add_multipart}};
	int first = -1;
	for (int i = 0; i < 4; i++) {
		if (!args_has(a, way[i].option))
			continue;
		if (first >= 0) {
			say("--%s and --%s are two bodies", options[way[first].option].name,
			    options[way[i].option].name);
			return STATUS_USAGE;
		}
		first = i;
	}
	return first < 0 ? STATUS_OK : way[first].add(fetch, a, up);
}
