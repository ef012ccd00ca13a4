/*
 * errjson -- an error object as JSON: stable key order, groups stay nested, always valid, also when
 * there is no room for all of it: what did not fit is counted in "truncated".
 */
#include "run/internal.h"

#include <stdio.h>
#include <string.h>

enum { ROOM_DEFAULT = 64 * 1024, ROOM_LEAST = 256 };
#define MAX_SAFE_INTEGER 9007199254740992LL

static const char *const policy_name[] = {
	[ACT_FAIL_FAST] = "fail_fast", [ACT_COLLECT] = "collect", [ACT_FIRST_OK] = "first_ok"};
static const char *const phase_name[] = {
	[ACT_PHASE_BODY] = "body", [ACT_PHASE_CLEANUP] = "cleanup", [ACT_PHASE_INIT] = "init"};

/* Length of the well-formed UTF-8 sequence at p (RFC 3629 section 4); 0: none. */
static size_t sequence(const unsigned char *p)
{
	if (p[0] < 0x80)
		return 1;
	size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
	bool outside = (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf4 && p[1] > 0x8f);
	return overlong || outside ? 0 : n;
}

static void add_string(struct bytes *out, const char *text)
{
	bytes_add_byte(out, '"');
	for (const unsigned char *p = (const unsigned char *)text; *p != '\0';) {
		size_t n = sequence(p);
		if (n == 0)
			bytes_add_str(out, "\xef\xbf\xbd");
		else if (*p == '"' || *p == '\\')
			bytes_printf(out, "\\%c", *p);
		else if (*p < 0x20)
			bytes_printf(out, "\\u%04x", *p);
		else
			bytes_add(out, p, n);
		p += n != 0 ? n : 1;
	}
	bytes_add_byte(out, '"');
}

static void add_key(struct bytes *out, const char *key, bool first)
{
	bytes_printf(out, "%s\"%s\":", first ? "" : ",", key);
}

static void add_number(struct bytes *out, const char *key, uint64_t v)
{
	bool big = v > (uint64_t)MAX_SAFE_INTEGER;
	bytes_printf(out, big ? ",\"%s\":\"%llu\"" : ",\"%s\":%llu", key, (unsigned long long)v);
}

static void add_what(struct bytes *out, const act_err *e)
{
	add_key(out, "type", true);
	add_string(out, e->type);
	add_key(out, "code", false);
	add_string(out, act_rc_name(e->code));
	add_key(out, "message", false);
	add_string(out, e->message);
}

static void add_task(struct bytes *out, const act_err *e)
{
	if (e->task == 0)
		return;
	bytes_printf(out, ",\"task\":{\"id\":\"%u.%u.%u\",\"name\":", (unsigned)(e->task >> 56),
		     (unsigned)(e->task >> 32 & 0xffffff), (unsigned)e->task);
	add_string(out, e->name);
	add_number(out, "index", e->index);
	bytes_add_byte(out, '}');
}

static void add_cause(struct bytes *out, const act_err *e, int depth)
{
	if (e == NULL || depth >= ACT_ERR_CAUSES)
		return;
	bytes_add_str(out, ",\"cause\":{");
	add_what(out, e);
	add_cause(out, e->cause, depth + 1);
	bytes_add_byte(out, '}');
}

static void add_leaf(struct bytes *out, const act_err *e)
{
	bytes_add_byte(out, '{');
	add_what(out, e);
	add_task(out, e);
	bytes_printf(out, ",\"at_ms\":%lld.%01lld,\"phase\":\"%s\"",
		     (long long)(e->at_ns / NS_PER_MS), (long long)(e->at_ns % NS_PER_MS / 100000),
		     phase_name[e->phase]);
	if (e->restarts > 0)
		add_number(out, "restarts", e->restarts);
	add_cause(out, e->cause, 0);
	bytes_add_byte(out, '}');
}

static void add_any(struct bytes *out, const act_err *e, size_t room, int depth);

/* As many children as there is room for, into a buffer of their own; returns how many are left. */
static uint64_t add_children(struct bytes *list, const act_err *e, size_t room, int depth)
{
	uint32_t i = 0;
	for (; i < e->n_child; i++) {
		struct bytes one;
		bytes_init(&one, room);
		if (list->n < room)
			add_any(&one, e->child[i], room - list->n - 1, depth + 1);
		bool fits = one.err == ERR_OK && one.n > 0 && list->n + one.n + 1 <= room;
		if (fits && list->n > 0)
			bytes_add_byte(list, ',');
		if (fits)
			bytes_add_slice(list, bytes_slice(&one));
		bytes_fini(&one);
		if (!fits)
			break;
	}
	return e->n_child - i;
}

static void add_group(struct bytes *out, const act_err *e, size_t room, int depth)
{
	struct bytes list;
	bytes_init(&list, 0);
	bytes_add_byte(out, '{');
	add_what(out, e);
	add_key(out, "group", false);
	add_string(out, e->name);
	bytes_printf(out, ",\"policy\":\"%s\"", policy_name[e->policy]);
	add_number(out, "cause_index", e->cause_index);
	bytes_printf(out, ",\"counts\":{\"ok\":%llu,\"failed\":%llu,\"cancelled\":%llu}",
		     (unsigned long long)e->counts.ok, (unsigned long long)e->counts.failed,
		     (unsigned long long)e->counts.cancelled);
	uint64_t left = e->n_child;
	size_t used = out->n + 64;
	if (depth < ACT_ERR_DEPTH && used < room)
		left = add_children(&list, e, room - used, depth);
	add_number(out, "truncated", left + e->n_truncated);
	bytes_add_str(out, ",\"errors\":[");
	bytes_add_slice(out, bytes_slice(&list));
	bytes_add_str(out, "]}");
	if (list.err != ERR_OK)
		out->err = list.err;
	bytes_fini(&list);
}

static void add_any(struct bytes *out, const act_err *e, size_t room, int depth)
{
	if (e->n_child > 0)
		add_group(out, e, room, depth);
	else
		add_leaf(out, e);
}

static void add_minimal(struct bytes *out, const act_err *e)
{
	bytes_printf(out, "{\"type\":\"truncated\",\"code\":\"%s\",\"message\":\"\"}",
		     act_rc_name(e->code));
}

enum err act_err_json(const act_err *e, struct bytes *out, size_t max_bytes)
{
	size_t room = max_bytes == 0 ? ROOM_DEFAULT : max_bytes;
	if (room < ROOM_LEAST)
		room = ROOM_LEAST;
	struct bytes own;
	bytes_init(&own, 0);
	add_any(&own, e, room, 0);
	if (own.err == ERR_OK && own.n > room) {
		bytes_clear(&own);
		add_minimal(&own, e);
	}
	enum err err = own.err;
	if (err == ERR_OK)
		err = bytes_add_slice(out, bytes_slice(&own));
	bytes_fini(&own);
	return err;
}
