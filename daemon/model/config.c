/*
 * config -- what one may ask of a configuration that has been read.
 */
#include "model/config.h"

#include "model/config_fields.h"
#include "model/glob.h"
#include "model/special.h"
#include "model/url.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define INITIAL_INT(v)		    #v
#define INITIAL_DURATION(v)	    v
#define INITIAL_SIZE(v)		    v
#define INITIAL_STRING(v)	    v
#define INITIAL_LEVEL(v)	    v
#define ROW_INT(nm, mb, lo, hi, dc) F_INT(nm, struct config, mb, lo, hi, FIELD_OPTIONAL, dc)
#define ROW_DURATION(nm, mb, lo, hi, dc)                                                           \
	F_DURATION(nm, struct config, mb, lo, hi, FIELD_OPTIONAL, dc)
#define ROW_SIZE(nm, mb, lo, hi, dc)   F_SIZE(nm, struct config, mb, lo, hi, FIELD_OPTIONAL, dc)
#define ROW_STRING(nm, mb, lo, hi, dc) F_STRING(nm, struct config, mb, lo, hi, FIELD_OPTIONAL, dc)
#define ROW_LEVEL(nm, mb, lo, hi, dc)                                                              \
	F_ENUM(nm, struct config, mb, config_levels, FIELD_OPTIONAL, dc)

const struct config_row config_rows[] = {
#define CONFIG(section, name, type, initial, low, high, reload, doc)                               \
	{#section, ROW_##type(#name, section##_##name, low, high, doc), INITIAL_##type(initial),   \
	 CONFIG_##reload},
#include "model/config.def"
#undef CONFIG
};
const size_t config_n_rows = sizeof(config_rows) / sizeof(config_rows[0]);

const struct field_name config_levels[] = {
	{"error", LOG_LEVEL_ERROR},
	{"warn", LOG_LEVEL_WARN},
	{"info", LOG_LEVEL_INFO},
	{"debug", LOG_LEVEL_DEBUG},
	{NULL, 0},
};

struct config *config_ref(struct config *c)
{
	c->refs++;
	return c;
}

void config_unref(struct config *c)
{
	if (c == NULL || --c->refs > 0)
		return;
	rules_unref(c->rules);
	net_policy_free(c->network);
	free(c->unix_sockets);
	free(c->admins);
	free(c->programs);
	json_decref(c->keep);
	free(c);
}

bool config_is_admin(const struct config *c, int64_t uid)
{
	for (uint32_t i = 0; i < c->n_admins; i++) {
		if (c->admins[i] == uid)
			return true;
	}
	return false;
}

static bool any_matches(const char *const *glob, uint32_t n, struct slice text)
{
	for (uint32_t i = 0; i < n; i++) {
		if (glob_match(slice_of(glob[i]), text, false))
			return true;
	}
	return false;
}

/* "/run/x/../../etc": no pattern can be trusted with it. */
static bool climbs(struct slice path)
{
	return memmem(path.p, path.n, "/../", 4) != NULL ||
	       (path.n >= 3 && memcmp(path.p + path.n - 3, "/..", 3) == 0);
}

bool config_unix_socket_allowed(const struct config *c, struct slice path)
{
	return !climbs(path) && any_matches(c->unix_sockets, c->n_unix_sockets, path);
}

bool config_program_allowed(const struct config *c, struct slice path)
{
	return !climbs(path) && any_matches(c->programs, c->n_programs, path);
}

static const void *value_at(const struct config *c, const struct config_row *r)
{
	return (const char *)c + r->field.offset;
}

static bool is_same(const struct config *a, const struct config *b, const struct config_row *r)
{
	const void *x = value_at(a, r), *y = value_at(b, r);
	switch (r->field.type) {
	case FIELD_STRING:
		return strcmp(*(const char *const *)x, *(const char *const *)y) == 0;
	case FIELD_ENUM:
		return *(const int *)x == *(const int *)y;
	default:
		return *(const int64_t *)x == *(const int64_t *)y;
	}
}

static void add_name(struct bytes *out, const char *section, const char *name)
{
	if (out->n > 0)
		bytes_add_str(out, ", ");
	bytes_add_str(out, section);
	bytes_add_byte(out, '.');
	bytes_add_str(out, name);
}

void config_restart_needed(const struct config *now, const struct config *next, struct bytes *out)
{
	for (size_t i = 0; i < config_n_rows; i++) {
		const struct config_row *r = &config_rows[i];
		if (r->reload == CONFIG_START && !is_same(now, next, r))
			add_name(out, r->section, r->field.name);
	}
}

/* ---- as JSON ---- */

static void add_text(struct bytes *out, struct slice text)
{
	json_t *s = json_stringn(text.p, text.n);
	char *dumped = s != NULL ? json_dumps(s, JSON_ENCODE_ANY) : NULL;
	bytes_add_str(out, dumped != NULL ? dumped : "\"\"");
	free(dumped);
	json_decref(s);
}

static void add_value(struct bytes *out, const struct config *c, const struct config_row *r)
{
	const void *v = value_at(c, r);
	struct bytes text = BYTES_LIMIT(8192);
	switch (r->field.type) {
	case FIELD_INT:
		bytes_add_i64(out, *(const int64_t *)v);
		return;
	case FIELD_DURATION:
		units_add_duration(&text, *(const int64_t *)v);
		break;
	case FIELD_SIZE:
		units_add_size(&text, *(const int64_t *)v);
		break;
	case FIELD_ENUM:
		bytes_add_str(&text, config_levels[*(const int *)v].name);
		break;
	default:
		url_mask(slice_of(*(const char *const *)v), &text);
		break;
	}
	add_text(out, bytes_slice(&text));
	bytes_fini(&text);
}

/* The lists as their files wrote them. */
static void add_lists(struct bytes *out, const struct config *c)
{
	size_t i;
	json_t *file;
	bytes_add_str(out, ",\"files\":[");
	json_array_foreach(c->keep, i, file)
	{
		json_t *part = json_object();
		static const char *const lists[] = {"limits", "network", "admins"};
		for (size_t k = 0; part != NULL && k < 3; k++) {
			json_t *v = json_object_get(file, lists[k]);
			if (v != NULL)
				json_object_set(part, lists[k], v);
		}
		char *dumped = part != NULL ? json_dumps(part, JSON_COMPACT) : NULL;
		if (i > 0)
			bytes_add_byte(out, ',');
		bytes_add_str(out, dumped != NULL ? dumped : "{}");
		free(dumped);
		json_decref(part);
	}
	bytes_add_byte(out, ']');
}

void config_dump(const struct config *c, struct bytes *out)
{
	const char *section = "";
	bytes_add_byte(out, '{');
	for (size_t i = 0; i < config_n_rows; i++) {
		const struct config_row *r = &config_rows[i];
		bool is_new = strcmp(section, r->section) != 0;
		if (is_new) {
			bytes_add_str(out, *section != '\0' ? "},\"" : "\"");
			bytes_add_str(out, r->section);
			bytes_add_str(out, "\":{\"");
		} else {
			bytes_add_str(out, ",\"");
		}
		section = r->section;
		bytes_add_str(out, r->field.name);
		bytes_add_str(out, "\":");
		add_value(out, c, r);
	}
	bytes_add_byte(out, '}');
	add_lists(out, c);
	bytes_add_byte(out, '}');
}
