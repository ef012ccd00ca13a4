/*
 * acterr -- error objects: one block of memory each, counted. Their JSON is errjson's.
 */
#include "run/internal.h"

#include <stdlib.h>
#include <string.h>

static const act_err no_memory = {
	.code = ACT_ENOMEM,
	.type = "runtime",
	.message = "out of memory",
	.name = "",
};

struct rc_row {
	int rc;
	const char *name, *text;
};

static const struct rc_row rc_row[] = {{ACT_OK, "OK", "ok"},
				       {ACT_EXIT, "EXIT", "ended"},
				       {ACT_WAIT, "WAIT", "waiting"},
#define X(name, value, text) {value, #name, text},
				       ACT_RC_LIST(X)
#undef X
};

static const struct rc_row *find_rc(int rc)
{
	for (size_t i = 0; i < sizeof(rc_row) / sizeof(*rc_row); i++)
		if (rc_row[i].rc == rc)
			return &rc_row[i];
	return NULL;
}

const char *act_rc_name(int rc)
{
	const struct rc_row *row = find_rc(rc);
	return row != NULL ? row->name : "EFAILED";
}

const char *act_rc_text(int rc)
{
	const struct rc_row *row = find_rc(rc);
	return row != NULL ? row->text : "failed";
}

static uint32_t cause_depth(const act_err *e)
{
	uint32_t n = 0;
	for (; e != NULL; e = e->cause)
		n++;
	return n;
}

/* Room for n children behind the object. */
static act_err *make(int code, const char *type, const char *message, uint32_t n)
{
	size_t type_n = strlen(type) + 1;
	size_t text_n = strnlen(message, ACT_ERR_MESSAGE_MAX) + 1;
	act_err *e = malloc(sizeof(*e) + n * sizeof(act_err *) + type_n + text_n);
	if (e == NULL)
		return NULL;
	*e = (act_err){.refs = 1, .code = code, .name = ""};
	e->child = n > 0 ? (act_err **)(void *)(e + 1) : NULL;
	char *text = (char *)(e + 1) + n * sizeof(act_err *);
	memcpy(text, type, type_n);
	e->type = text;
	text += type_n;
	memcpy(text, message, text_n - 1);
	text[text_n - 1] = '\0';
	e->message = text;
	return e;
}

/* The shared constant; nobody writes to an object without references. */
static act_err *out_of_memory(void)
{
	return (act_err *)(uintptr_t)&no_memory;
}

act_err *act_err_new(int code, const char *type, const char *message, act_err *cause)
{
	act_err *e = make(code < 0 ? code : ACT_EFAILED, type, message, 0);
	if (e == NULL || cause_depth(cause) >= ACT_ERR_CAUSES) {
		act_err_drop(cause);
		cause = NULL;
	}
	if (e == NULL)
		return out_of_memory();
	e->cause = cause;
	return e;
}

act_err *act_err_new_group(const char *message, const char *name, act_err *const *child, uint32_t n)
{
	act_err *e = make(ACT_EGROUP, "group", message, n);
	if (e == NULL)
		return out_of_memory();
	e->name = name;
	e->n_child = n;
	for (uint32_t i = 0; i < n; i++)
		e->child[i] = act_err_ref(child[i]);
	return e;
}

act_err *act_err_ref(const act_err *e)
{
	act_err *mine = (act_err *)(uintptr_t)e;
	if (mine != NULL && mine->refs != 0)
		mine->refs++;
	return mine;
}

/* Chains and trees are bounded (ACT_ERR_CAUSES, nesting of groups by the depth of the program). */
void act_err_drop(const act_err *e)
{
	if (e == NULL || e->refs == 0)
		return;
	act_err *mine = (act_err *)(uintptr_t)e;
	if (--mine->refs > 0)
		return;
	act_err_drop(mine->cause);
	for (uint32_t i = 0; i < mine->n_child; i++)
		act_err_drop(mine->child[i]);
	free(mine);
}

/* ---- split ---- */

static act_err *part_of(const act_err *e, act_err **kept, uint32_t n)
{
	if (n == 0)
		return NULL;
	act_err *part = act_err_new_group(e->message, e->name, kept, n);
	for (uint32_t i = 0; i < n; i++)
		act_err_drop(kept[i]);
	if (part->refs == 0)
		return part;
	part->task = e->task;
	part->index = e->index;
	part->at_ns = e->at_ns;
	part->phase = e->phase;
	part->policy = e->policy;
	part->cause_index = e->cause_index;
	part->counts = e->counts;
	return part;
}

act_err *act_err_split(const act_err *e, bool (*pred)(const act_err *leaf, void *ctx), void *ctx,
		       act_err **ret_rest)
{
	*ret_rest = NULL;
	if (e == NULL)
		return NULL;
	if (e->n_child == 0) {
		if (pred(e, ctx))
			return act_err_ref(e);
		*ret_rest = act_err_ref(e);
		return NULL;
	}
	act_err *yes[ACT_ERR_LEAVES], *no[ACT_ERR_LEAVES];
	uint32_t n_yes = 0, n_no = 0;
	for (uint32_t i = 0; i < e->n_child && i < ACT_ERR_LEAVES; i++) {
		act_err *rest;
		act_err *match = act_err_split(e->child[i], pred, ctx, &rest);
		if (match != NULL)
			yes[n_yes++] = match;
		if (rest != NULL)
			no[n_no++] = rest;
	}
	*ret_rest = part_of(e, no, n_no);
	return part_of(e, yes, n_yes);
}
