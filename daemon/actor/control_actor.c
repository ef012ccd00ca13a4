/*
 * control_actor -- the methods actor.*: the runtime seen from inside, page by page.
 */
#include "actor/call.h"
#include "actor/control_methods.h"
#include "actor/control_state.h"
#include "proto/result.h"
#include "run/stats.h"

#define ROWS_DEFAULT 200
#define ROWS_MAX     1000

struct list_params {
	int64_t after, max;
};

static const struct field list_fields[] = {
	F_INT("after", struct list_params, after, 0, UINT32_MAX, FIELD_OPTIONAL,
	      "the cursor of the page before"),
	F_INT("max", struct list_params, max, 1, ROWS_MAX, FIELD_OPTIONAL, "rows of this page"),
};
static const struct field_table list_table = FIELD_TABLE("params", list_fields);

/* Ids are 64 bits, more than a JSON number holds for everybody. */
static void add_id(struct bytes *b, const char *name, act_id id)
{
	if (id != 0)
		bytes_printf(b, "\"%s\":\"%llx\",", name, (unsigned long long)id);
}

static void add_name(struct bytes *b, const char *name, const char *text)
{
	bytes_printf(b, "\"%s\":", name);
	result_add_string(b, slice_of(text));
	bytes_add_byte(b, ',');
}

/* Rows of one answer. */
struct row_list {
	struct bytes *out;
	int64_t now_ns;
};

static void add_row(const struct row_list *l, const struct act_row *r)
{
	struct bytes *b = l->out;
	add_id(b, "id", r->id);
	add_id(b, "parent", r->parent);
	if (r->class_name != NULL)
		add_name(b, "class", r->class_name);
	if (r->name != NULL)
		add_name(b, "name", r->name);
	bytes_printf(b, "\"task\":%s,\"state\":\"%s\",", r->is_task ? "true" : "false", r->state);
	if (r->parked_on != NULL)
		add_name(b, "parked_on", r->parked_on);
	if (r->parked_on != NULL && r->parked_since_ns != 0 && l->now_ns >= r->parked_since_ns)
		bytes_printf(b, "\"parked_ms\":%lld,",
			     (long long)((l->now_ns - r->parked_since_ns) / NS_PER_MS));
	add_id(b, "parked_owner", r->parked_owner);
	if (r->is_cancelled)
		bytes_add_str(b, "\"cancelled\":true,");
	bytes_printf(b, "\"mailbox\":%u,\"high_water\":%u,\"cap\":%u,\"received\":%u", r->depth,
		     r->high_water, r->cap, r->received);
}

static void list_row(void *ctx, const struct act_row *r)
{
	const struct row_list *l = ctx;
	struct bytes *b = l->out;
	bytes_add_str(b, b->n > 0 && b->p[b->n - 1] == '}' ? ",{" : "{");
	add_row(l, r);
	bytes_add_byte(b, '}');
}

void control_actor_list(act_self *self, struct call *call)
{
	struct list_params p = {.max = ROWS_DEFAULT};
	if (!call_params(self, call, &list_table, &p))
		return;
	uint32_t cursor = (uint32_t)p.after;
	struct bytes b = {.n = 0};
	struct row_list l = {.out = &b, .now_ns = act_now_ns(self)};
	bytes_add_str(&b, "{\"actors\":[");
	bool more = act_inspect(act_myshard(self), &cursor, (uint32_t)p.max, list_row, &l);
	bytes_add_byte(&b, ']');
	if (more)
		bytes_printf(&b, ",\"next\":%u", cursor);
	bytes_add_byte(&b, '}');
	call_ok(self, call, &b);
}

struct dump_params {
	const char *id;
};

static const struct field dump_fields[] = {
	F_STRING("id", struct dump_params, id, 1, 16, FIELD_REQUIRED, "as actor.list gives it"),
};
static const struct field_table dump_table = FIELD_TABLE("params", dump_fields);

static void dump_row(void *ctx, const struct act_row *r)
{
	const struct row_list *l = ctx;
	struct bytes *b = l->out;
	bytes_add_byte(b, '{');
	add_row(l, r);
	if (r->cls != NULL && r->cls->dump != NULL) {
		bytes_add_str(b, ",\"own\":{");
		r->cls->dump(b, r->state_data);
		bytes_add_byte(b, '}');
	}
	bytes_add_byte(b, '}');
}

static bool hex_id(const char *text, act_id *ret)
{
	act_id id = 0;
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		if (c >= '0' && c <= '9')
			id = id << 4 | (act_id)(c - '0');
		else if (c >= 'a' && c <= 'f')
			id = id << 4 | (act_id)(c - 'a' + 10);
		else
			return false;
	}
	*ret = id;
	return true;
}

void control_actor_dump(act_self *self, struct call *call)
{
	struct dump_params p = {.id = NULL};
	act_id id;
	struct bytes b = {.n = 0};
	struct row_list l = {.out = &b, .now_ns = act_now_ns(self)};
	if (!call_params(self, call, &dump_table, &p))
		return;
	if (!hex_id(p.id, &id) || !act_inspect_one(act_myshard(self), id, dump_row, &l)) {
		bytes_fini(&b);
		call_fail(self, call, KIND_NOT_FOUND, "no actor %s", p.id);
		return;
	}
	call_ok(self, call, &b);
}
