/*
 * schema -- the JSON Schema of a field table (fields.h), so that editors and tests know what the
 * reader accepts from the very table it reads by.
 */
#include "proto/fields.h"
#include "proto/result.h"

static void add_string_schema(struct bytes *out, const struct field *f)
{
	bytes_add_str(out, "\"type\":\"string\"");
	if (f->max != 0)
		bytes_printf(out, ",\"minLength\":%lld,\"maxLength\":%lld", (long long)f->min,
			     (long long)f->max);
}

static void add_number_schema(struct bytes *out, const struct field *f)
{
	bytes_printf(out, "\"type\":\"%s\"", f->type == FIELD_INT ? "integer" : "number");
	if (f->min != 0 || f->max != 0)
		bytes_printf(out, ",\"minimum\":%lld,\"maximum\":%lld", (long long)f->min,
			     (long long)f->max);
}

static void add_enum_schema(struct bytes *out, const struct field *f)
{
	bytes_add_str(out, "\"enum\":[");
	for (const struct field_name *n = f->names; n->name != NULL; n++) {
		bytes_add_str(out, n == f->names ? "" : ",");
		result_add_string(out, slice_of(n->name));
	}
	bytes_add_byte(out, ']');
}

static void add_custom_schema(struct bytes *out, const struct field *f)
{
	/* The text is an object; its inside is what is wanted here. */
	struct slice s = slice_of(f->schema);
	if (s.n > 2)
		bytes_add(out, s.p + 1, s.n - 2);
}

static void add_type(struct bytes *out, const struct field *f)
{
	static const char *const pattern[] = {
		[FIELD_BOOL] = "\"type\":\"boolean\"",
		[FIELD_DURATION] = "\"anyOf\":[{\"type\":\"string\",\"pattern\":"
				   "\"^(0|[0-9]+(ms|s|m|h|d))$\"},{\"const\":0}]",
		[FIELD_SIZE] = "\"anyOf\":[{\"type\":\"string\",\"pattern\":\"^[0-9]+[kKmMgG]?$\"},"
			       "{\"type\":\"integer\",\"minimum\":0}]",
		[FIELD_RATE] = "\"type\":\"string\",\"pattern\":"
			       "\"^[1-9][0-9]*/(([0-9]+)?(ms|s|m|h|d))$\"",
		[FIELD_JSON] = "",
	};
	switch (f->type) {
	case FIELD_STRING:
		add_string_schema(out, f);
		break;
	case FIELD_INT:
	case FIELD_NUMBER:
		add_number_schema(out, f);
		break;
	case FIELD_ENUM:
		add_enum_schema(out, f);
		break;
	case FIELD_CUSTOM:
		add_custom_schema(out, f);
		break;
	case FIELD_OBJECT:
		bytes_add_str(out, "\"allOf\":[");
		fields_add_schema(out, f->table);
		bytes_add_byte(out, ']');
		break;
	case FIELD_BOOL:
	case FIELD_DURATION:
	case FIELD_SIZE:
	case FIELD_RATE:
	case FIELD_JSON:
		bytes_add_str(out, pattern[f->type]);
		break;
	}
}

static void add_property(struct bytes *out, const struct field *f)
{
	result_add_string(out, slice_of(f->name));
	bytes_add_str(out, ":{");
	size_t before = out->n;
	add_type(out, f);
	if (f->doc != NULL) {
		bytes_add_str(out, out->n > before ? ",\"description\":" : "\"description\":");
		result_add_string(out, slice_of(f->doc));
	}
	bytes_add_byte(out, '}');
}

void fields_add_schema(struct bytes *out, const struct field_table *t)
{
	bool has_required = false;
	bytes_add_str(out, "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{");
	for (size_t i = 0; i < t->n; i++) {
		if (i > 0)
			bytes_add_byte(out, ',');
		add_property(out, &t->field[i]);
	}
	bytes_add_byte(out, '}');
	for (size_t i = 0; i < t->n; i++) {
		if (t->field[i].need != FIELD_REQUIRED)
			continue;
		bytes_add_str(out, has_required ? "," : ",\"required\":[");
		result_add_string(out, slice_of(t->field[i].name));
		has_required = true;
	}
	bytes_add_str(out, has_required ? "]}" : "}");
}
