#include "job/spec_schema.h"

#include "base/check.h"
#include "job/fetch_read.h"
#include "job/spec_build.h"
#include "proto/result.h"

#include <string.h>

#define REFERENCE "{\"type\":\"string\",\"pattern\":\"[$][{]\"}"
#define REF(name) "{\"$ref\":\"#/$defs/" name "\"}"

/* Definitions that are no table. */
static const struct {
	const char *name, *schema;
} plain[] = {
	{"reference", REFERENCE},
	{"duration", "{\"anyOf\":[{\"type\":\"string\",\"pattern\":\"^(0|[0-9]+(ms|s|m|h|d))$\"},"
		     "{\"const\":0}," REF("reference") "]}"},
	{"value", "{}"},
	{"text", "{\"type\":\"string\"}"},
	{"name", "{\"type\":\"string\",\"minLength\":1}"},
	{"texts", "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}"},
	{"texts_list", "{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"string\"}}"},
	{"argv", "{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"string\"}}"},
	{"marks", "{\"type\":\"array\",\"minItems\":2,\"maxItems\":2,\"items\":"
		  "{\"type\":\"string\",\"minLength\":1}}"},
	{"range",
	 "{\"anyOf\":[{\"type\":\"array\",\"minItems\":2,\"maxItems\":3,\"items\":"
	 "{\"anyOf\":[{\"type\":\"integer\"}," REF("reference") "]}}," REF("reference") "]}"},
	{"pointer",
	 "{\"anyOf\":[{\"type\":\"string\",\"pattern\":\"^(/.*)?$\"}," REF("reference") "]}"},
	{"kinds", "{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"string\"}}"},
	{"kinds_and_statuses",
	 "{\"type\":\"array\",\"items\":{\"type\":[\"string\",\"integer\"]}}"},
	{"tasks", "{\"type\":\"array\",\"items\":" REF("task") "}"},
	{"some_tasks", "{\"type\":\"array\",\"minItems\":1,\"items\":" REF("task") "}"},
	{"fetch_payload", "{\"anyOf\":[{\"type\":\"string\"},{\"allOf\":[" REF(
				  "fetch") ","
					   "{\"required\":[\"url\"]}]}]}"},
	{"catch", "{\"type\":\"array\",\"minItems\":1,\"items\":" REF("catch_clause") "}"},
	{"with", "{\"type\":\"array\",\"minItems\":1,\"items\":" REF("with_entry") "}"},
	{"cond",
	 "{\"type\":\"object\",\"properties\":{\"status\":{\"type\":[\"integer\",\"string\","
	 "\"array\"]"
	 "},\"kind\":{\"type\":[\"string\",\"array\"]},\"header\":{\"type\":\"object\"},\"any\":"
	 "{\"type\":\"array\",\"minItems\":1,\"items\":" REF("cond") "},\"not\":" REF(
		 "cond") ","
			 "\"of\":{\"type\":\"string\",\"minLength\":1}},\"patternProperties\":{\"^("
			 "/"
			 ".*)?$\":{}},"
			 "\"additionalProperties\":false}"},
};

/* Tables; some must have exactly one of their members. */
static const struct {
	const char *name;
	const struct field_table *table;
	const char *one_of; /* names with commas between; NULL: none */
	bool or_string;
} table[] = {
	{"task", &spec_task_table, "verbs", true},
	{"fetch", &fetch_table, NULL, false},
	{"each", &spec_each_table, NULL, false},
	{"source", &spec_source_table, "range,file,feed,queue,pages,json,lines,between,emits",
	 true},
	{"pages", &spec_pages_table, NULL, false},
	{"exec", &spec_exec_table, NULL, false},
	{"put", &spec_put_table, NULL, false},
	{"take", &spec_take_table, NULL, false},
	{"retry", &spec_retry_table, NULL, false},
	{"catch_clause", &spec_catch_table, NULL, false},
	{"with_entry", &spec_with_table, "lock,semaphore,permit,enter", false},
	{"defaults", &spec_defaults_table, NULL, false},
	{"limits", &spec_limits_table, NULL, false},
	{"results", &spec_results_table, NULL, false},
};

static void add_required(struct bytes *out, struct slice name, bool is_first)
{
	bytes_add_str(out, is_first ? "{\"required\":[" : ",{\"required\":[");
	result_add_string(out, name);
	bytes_add_str(out, "]}");
}

static void add_one_of(struct bytes *out, const char *names)
{
	bytes_add_str(out, "{\"oneOf\":[");
	if (strcmp(names, "verbs") == 0) {
		for (int v = 0; v < VERB_COUNT; v++)
			add_required(out, slice_of(verb_name((enum verb)v)), v == 0);
	} else {
		for (const char *p = names; *p != '\0';) {
			size_t n = strcspn(p, ",");
			add_required(out, (struct slice){p, n}, p == names);
			p += n + (p[n] == ',');
		}
	}
	bytes_add_str(out, "]}");
}

static void add_table(struct bytes *out, size_t i)
{
	result_add_string(out, slice_of(table[i].name));
	bytes_add_str(out, ":");
	if (table[i].or_string)
		bytes_add_str(out,
			      strcmp(table[i].name, "source") == 0
				      ? "{\"anyOf\":[{\"type\":\"array\"}," REF("reference") ","
				      : "{\"anyOf\":[{\"type\":\"string\"},");
	if (table[i].one_of != NULL)
		bytes_add_str(out, "{\"allOf\":[");
	fields_add_schema(out, table[i].table);
	if (table[i].one_of != NULL) {
		bytes_add_str(out, ",");
		add_one_of(out, table[i].one_of);
		bytes_add_str(out, "]}");
	}
	bytes_add_str(out, table[i].or_string ? "]}," : ",");
}

static void add_compact(struct bytes *out)
{
	bytes_add_str(out, "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\","
			   "\"title\":\"muster job file\",\"allOf\":[");
	fields_add_schema(out, &spec_job_table);
	bytes_add_str(out, "],\"$defs\":{");
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		add_table(out, i);
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		result_add_string(out, slice_of(plain[i].name));
		bytes_printf(out, ":%s%s", plain[i].schema,
			     i + 1 < sizeof(plain) / sizeof(plain[0]) ? "," : "");
	}
	bytes_add_str(out, "}}");
}

/* What is no string may also be given by a reference. */
static bool may_be_referred(const json_t *schema)
{
	const json_t *type = json_object_get(schema, "type");
	if (json_object_get(schema, "$ref") != NULL || json_object_get(schema, "allOf") != NULL)
		return false;
	if (json_is_string(type) && strcmp(json_string_value(type), "string") == 0)
		return json_object_get(schema, "pattern") != NULL;
	return type != NULL || json_object_get(schema, "enum") != NULL ||
	       json_object_get(schema, "anyOf") != NULL;
}

/* {"anyOf":[schema, reference],"description":…}; takes nothing, returns a new reference. */
static json_t *or_reference(json_t *schema)
{
	json_t *made = json_object(), *either = json_array();
	json_t *text = json_object_get(schema, "description");
	if (text != NULL)
		json_object_set(made, "description", text);
	json_t *copy = json_copy(schema);
	json_object_del(copy, "description");
	json_array_append_new(either, copy);
	json_array_append_new(either, json_pack("{s:s}", "$ref", "#/$defs/reference"));
	json_object_set_new(made, "anyOf", either);
	return made;
}

static void widen(json_t *schema)
{
	json_t *properties = json_object_get(schema, "properties"), *v;
	const char *name;
	size_t i;
	json_object_foreach(properties, name, v)
	{
		widen(v);
		if (may_be_referred(v))
			json_object_set_new(properties, name, or_reference(v));
	}
	json_array_foreach(json_object_get(schema, "allOf"), i, v) widen(v);
	json_array_foreach(json_object_get(schema, "anyOf"), i, v) widen(v);
}

static int add_piece(const char *p, size_t n, void *out)
{
	return bytes_add(out, p, n) == ERR_OK ? 0 : -1;
}

enum err job_schema_add(struct bytes *out)
{
	struct bytes compact = BYTES_LIMIT(0);
	add_compact(&compact);
	json_t *schema = compact.err == ERR_OK ? json_loadb(compact.p, compact.n, 0, NULL) : NULL;
	enum err e = compact.err;
	bytes_fini(&compact);
	if (schema == NULL)
		return e != ERR_OK ? e : ERR_NOMEM;
	json_t *def;
	const char *name;
	widen(schema);
	json_object_foreach(json_object_get(schema, "$defs"), name, def)
	{
		if (strcmp(name, "cond") != 0)
			widen(def);
	}
	json_dump_callback(schema, add_piece, out, JSON_INDENT(1));
	json_decref(schema);
	return bytes_add_byte(out, '\n');
}
