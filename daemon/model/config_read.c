/*
 * config_read -- the files of the configuration, one over the other, into a struct config.
 */
#include "base/check.h"
#include "model/config_fields.h"
#include "model/proxyurl.h"
#include "model/special.h"
#include "proto/jsontree.h"

#include <stdlib.h>
#include <string.h>

#define SECTION_MAX 32

/* What grows from file to file, and what reading needs. */
struct reading {
	struct config *c;
	const struct config_env *env;
	json_t *allow, *deny, *unix_sockets, *programs, *limits;
};

static enum err grow(struct fields_read *rd, const json_t *value, const struct fields_at *at,
		     json_t *list)
{
	if (!json_is_array(value))
		return fields_fail(rd, at, NULL, "this must be a list");
	if (json_array_size(list) + json_array_size(value) > CONFIG_LIST_MAX)
		return fields_fail(rd, at, NULL, "more than %d entries in all", CONFIG_LIST_MAX);
	return json_array_extend(list, (json_t *)value) == 0 ? ERR_OK : ERR_NOMEM;
}

static enum err grow_texts(struct fields_read *rd, const json_t *value, const struct fields_at *at,
			   json_t *list)
{
	for (size_t i = 0; i < json_array_size(value); i++) {
		struct fields_at at_item = {.up = at, .index = i};
		if (json_string_length(json_array_get(value, i)) == 0)
			return fields_fail(rd, &at_item, NULL, "this must be a text");
	}
	return grow(rd, value, at, list);
}

static enum err grow_networks(struct fields_read *rd, const json_t *value,
			      const struct fields_at *at, json_t *list)
{
	enum err e = grow_texts(rd, value, at, list);
	for (size_t i = 0; e == ERR_OK && i < json_array_size(value); i++) {
		struct fields_at at_item = {.up = at, .index = i};
		struct slice entry = slice_of(json_string_value(json_array_get(value, i))), bad;
		struct net_policy *p = NULL;
		e = net_policy_new(&entry, 1, NULL, 0, &p, &bad);
		net_policy_free(p);
		if (e == ERR_INVALID)
			e = fields_fail(rd, &at_item, NULL,
					"\"%.80s\" is neither \"special\" nor a CIDR block",
					entry.p);
	}
	return e;
}

/* ---- lists ---- */

static enum err read_allow(struct fields_read *rd, const json_t *v, const struct fields_at *at,
			   void *out)
{
	(void)out;
	return grow_networks(rd, v, at, ((struct reading *)rd->user)->allow);
}

static enum err read_deny(struct fields_read *rd, const json_t *v, const struct fields_at *at,
			  void *out)
{
	(void)out;
	return grow_networks(rd, v, at, ((struct reading *)rd->user)->deny);
}

static enum err read_unix_sockets(struct fields_read *rd, const json_t *v,
				  const struct fields_at *at, void *out)
{
	(void)out;
	return grow_texts(rd, v, at, ((struct reading *)rd->user)->unix_sockets);
}

static enum err read_programs(struct fields_read *rd, const json_t *v, const struct fields_at *at,
			      void *out)
{
	enum err e = grow_texts(rd, v, at, ((struct reading *)rd->user)->programs);
	(void)out;
	for (size_t i = 0; e == ERR_OK && i < json_array_size(v); i++) {
		struct fields_at at_item = {.up = at, .index = i};
		if (json_string_value(json_array_get(v, i))[0] != '/')
			e = fields_fail(rd, &at_item, NULL, "a program is named by its full path");
	}
	return e;
}

static enum err read_limits(struct fields_read *rd, const json_t *v, const struct fields_at *at,
			    void *out)
{
	struct reading *r = rd->user;
	struct rules *alone;
	(void)out;
	/* alone first: errors then stand where they are in this file */
	enum err e = rules_read(v, r->env->uid_of, r->env->ctx, &alone, rd->error);
	if (e != ERR_OK)
		return e;
	rules_unref(alone);
	return grow(rd, v, at, r->limits);
}

static enum err read_admin(struct fields_read *rd, const json_t *v, const struct fields_at *at)
{
	struct reading *r = rd->user;
	int64_t uid = json_is_integer(v) ? json_integer_value(v) : -1;
	const char *name = json_string_value(v);
	if (name != NULL && (r->env->uid_of == NULL || !r->env->uid_of(r->env->ctx, name, &uid)))
		return fields_fail(rd, at, NULL, "there is no user \"%.80s\"", name);
	if (uid < 0 || uid > UINT32_MAX)
		return fields_fail(rd, at, NULL, "this must be a user's name or number");
	int64_t *grown = realloc(r->c->admins, (r->c->n_admins + 1) * sizeof(*grown));
	if (grown == NULL)
		return ERR_NOMEM;
	r->c->admins = grown;
	grown[r->c->n_admins++] = uid;
	return ERR_OK;
}

static enum err read_admins(struct fields_read *rd, const json_t *v, const struct fields_at *at,
			    void *out)
{
	struct reading *r = rd->user;
	(void)out;
	if (!json_is_array(v) || json_array_size(v) + r->c->n_admins > CONFIG_LIST_MAX)
		return fields_fail(rd, at, NULL, "this must be a list of at most %d users",
				   CONFIG_LIST_MAX);
	for (size_t i = 0; i < json_array_size(v); i++) {
		struct fields_at at_item = {.up = at, .index = i};
		enum err e = read_admin(rd, json_array_get(v, i), &at_item);
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

/* One loop serves all; a number that would change nothing is not taken in silence. */
static enum err read_shards(struct fields_read *rd, const json_t *v, const struct fields_at *at,
			    void *out)
{
	(void)out;
	if (json_is_integer(v) && json_integer_value(v) == 1)
		return ERR_OK;
	return fields_fail(rd, at, NULL, "this version runs one event loop: shards can only be 1");
}

/* ---- sections ---- */

static const struct {
	const char *section;
	struct field field;
} list_rows[] = {
	{"network", {.name = "allow", .type = FIELD_CUSTOM, .read = read_allow}},
	{"network", {.name = "deny", .type = FIELD_CUSTOM, .read = read_deny}},
	{"network", {.name = "unix_sockets", .type = FIELD_CUSTOM, .read = read_unix_sockets}},
	{"exec", {.name = "programs", .type = FIELD_CUSTOM, .read = read_programs}},
};

/* The rows of one section of config.def, and its lists, as a table. */
static enum err read_section(struct fields_read *rd, const json_t *v, const struct fields_at *at,
			     void *out)
{
	struct reading *r = rd->user;
	struct field field[SECTION_MAX];
	struct field_table t = {.name = at->member, .field = field};
	(void)out;
	for (size_t i = 0; i < config_n_rows; i++) {
		if (strcmp(config_rows[i].section, at->member) != 0)
			continue;
		CHECK(t.n < SECTION_MAX);
		field[t.n++] = config_rows[i].field;
	}
	for (size_t i = 0; i < sizeof(list_rows) / sizeof(list_rows[0]); i++) {
		if (strcmp(list_rows[i].section, at->member) != 0)
			continue;
		CHECK(t.n < SECTION_MAX);
		field[t.n++] = list_rows[i].field;
	}
	return fields_read(rd, &t, v, at, r->c, NULL);
}

#define SECTION(name, doc)                                                                         \
	F_CUSTOM(name, struct config, refs, read_section, NULL, FIELD_OPTIONAL, doc)

static const struct field top_field[] = {
	F_CUSTOM("limits", struct config, rules, read_limits, NULL, FIELD_OPTIONAL,
		 "rates, quotas and concurrency"),
	SECTION("network", "where fetches may go"),
	SECTION("exec", "programs that jobs may run"),
	SECTION("store", "what is kept, and how much of it"),
	SECTION("http", "how requests are made"),
	SECTION("log", "what is told"),
	SECTION("metrics", "reserved; has no members yet"),
	F_CUSTOM("admins", struct config, admins, read_admins, NULL, FIELD_OPTIONAL,
		 "users who see and do all"),
	F_CUSTOM("shards", struct config, refs, read_shards, NULL, FIELD_OPTIONAL,
		 "reserved; can only be 1"),
	SECTION("jobs", "how many, and how long they are kept"),
};
static const struct field_table top_table = FIELD_TABLE("configuration", top_field);

/* ---- defaults ---- */

static void set_default(struct config *c, const struct config_row *r)
{
	struct slice text = slice_of(r->initial);
	char *at = (char *)c + r->field.offset;
	int64_t v = 0;
	switch (r->field.type) {
	case FIELD_STRING:
		*(const char **)(void *)at = r->initial;
		return;
	case FIELD_ENUM:
		for (const struct field_name *n = r->field.names; n->name != NULL; n++) {
			if (slice_is(text, n->name))
				*(int *)(void *)at = n->value;
		}
		return;
	case FIELD_DURATION:
		CHECK(units_duration(text, &v) == ERR_OK);
		break;
	default: /* sizes, and numbers, which are sizes without a unit */
		CHECK(units_size(text, &v) == ERR_OK);
		break;
	}
	*(int64_t *)(void *)at = v;
}

/* ---- files ---- */

static void say(struct bytes *why, const char *file, const char *what)
{
	bytes_add_str(why, file);
	bytes_add_str(why, ": ");
	bytes_add_str(why, what);
}

static enum err read_file(struct reading *r, const struct config_file *f, struct bytes *why)
{
	struct jsonscan_error bad = {0};
	struct fields_error error = {.text = ""};
	struct fields_read rd = {.error = &error, .user = r};
	json_t *tree;
	if (f->text.n > CONFIG_FILE_MAX) {
		say(why, f->name, "the file is larger than 4M");
		return ERR_TOO_LARGE;
	}
	enum err e = jsontree_parse(f->text, NULL, &tree, &bad);
	if (e != ERR_OK) {
		say(why, f->name, "");
		bytes_printf(why, "line %u, column %u: %s", (unsigned)bad.line,
			     (unsigned)bad.column, bad.text);
		return e;
	}
	if (json_array_append_new(r->c->keep, tree) != 0)
		return ERR_NOMEM;
	e = fields_read(&rd, &top_table, tree, NULL, r->c, NULL);
	if (e == ERR_INVALID) {
		say(why, f->name, "");
		fields_error_add(why, &error, f->text);
	}
	return e;
}

static enum err take_texts(const json_t *list, const char ***ret, uint32_t *ret_n)
{
	size_t n = json_array_size(list);
	*ret = calloc(n + 1, sizeof(**ret));
	if (*ret == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < n; i++)
		(*ret)[i] = json_string_value(json_array_get(list, i));
	*ret_n = (uint32_t)n;
	return ERR_OK;
}

static enum err take_network(const struct reading *r)
{
	struct slice allow[CONFIG_LIST_MAX], deny[CONFIG_LIST_MAX], bad;
	size_t n_allow = json_array_size(r->allow), n_deny = json_array_size(r->deny);
	for (size_t i = 0; i < n_allow; i++)
		allow[i] = slice_of(json_string_value(json_array_get(r->allow, i)));
	for (size_t i = 0; i < n_deny; i++)
		deny[i] = slice_of(json_string_value(json_array_get(r->deny, i)));
	return net_policy_new(allow, n_allow, deny, n_deny, &r->c->network, &bad);
}

static enum err check_user_agent(const struct config *c, struct bytes *why)
{
	for (const char *p = c->http_user_agent; *p != '\0'; p++) {
		if (*p >= ' ' && *p <= '~')
			continue;
		bytes_add_str(why, "http.user_agent: a header is printable ASCII");
		return ERR_INVALID;
	}
	return ERR_OK;
}

static enum err check_proxy(const struct config *c, struct bytes *why)
{
	struct proxyurl proxy;
	const char *what;
	if (*c->http_proxy == '\0')
		return ERR_OK;
	enum err e = proxyurl_parse(slice_of(c->http_proxy), &proxy, &what);
	if (e == ERR_OK)
		proxyurl_fini(&proxy);
	else if (e == ERR_INVALID)
		bytes_printf(why, "http.proxy: %s", what);
	return e;
}

/* What only all files together can say. */
static enum err finish(struct reading *r, struct bytes *why)
{
	struct fields_error error = {.text = ""};
	enum err e = rules_read(r->limits, r->env->uid_of, r->env->ctx, &r->c->rules, &error);
	if (e == ERR_INVALID) {
		bytes_add_str(why, "all files together: ");
		fields_error_add(why, &error, (struct slice){"", 0});
	}
	if (e == ERR_OK)
		e = take_texts(r->unix_sockets, &r->c->unix_sockets, &r->c->n_unix_sockets);
	if (e == ERR_OK)
		e = take_texts(r->programs, &r->c->programs, &r->c->n_programs);
	if (e == ERR_OK)
		e = check_proxy(r->c, why);
	if (e == ERR_OK)
		e = check_user_agent(r->c, why);
	return e != ERR_OK ? e : take_network(r);
}

static enum err begin(struct reading *r)
{
	r->c = calloc(1, sizeof(*r->c));
	if (r->c == NULL)
		return ERR_NOMEM;
	r->c->refs = 1;
	r->c->keep = json_array();
	r->allow = json_array();
	r->deny = json_array();
	r->unix_sockets = json_array();
	r->programs = json_array();
	r->limits = json_array();
	for (size_t i = 0; i < config_n_rows; i++)
		set_default(r->c, &config_rows[i]);
	bool is_whole = r->c->keep != NULL && r->allow != NULL && r->deny != NULL &&
			r->unix_sockets != NULL && r->programs != NULL && r->limits != NULL;
	return is_whole ? ERR_OK : ERR_NOMEM;
}

enum err config_read(const struct config_file *file, uint32_t n, const struct config_env *env,
		     struct config **ret, struct bytes *why)
{
	static const struct config_env none = {NULL, NULL};
	struct reading r = {.env = env != NULL ? env : &none};
	enum err e = n <= CONFIG_FILES_MAX ? begin(&r) : ERR_TOO_LARGE;
	for (uint32_t i = 0; i < n && e == ERR_OK; i++)
		e = read_file(&r, &file[i], why);
	if (e == ERR_OK)
		e = finish(&r, why);
	json_decref(r.allow);
	json_decref(r.deny);
	json_decref(r.unix_sockets);
	json_decref(r.programs);
	json_decref(r.limits);
	if (e == ERR_OK)
		*ret = r.c;
	else
		config_unref(r.c);
	if (e == ERR_TOO_LARGE && why->n == 0)
		bytes_printf(why, "more than %d files", CONFIG_FILES_MAX);
	return e;
}
