#include "job/names.h"

#include <stdlib.h>
#include <string.h>

void names_init(struct names *n, const struct names *outer, struct slice name)
{
	*n = (struct names){.outer = outer, .name = name};
}

void names_fini(struct names *n)
{
	json_decref(n->value);
	n->value = NULL;
	n->raw = (struct slice){NULL, 0};
}

const json_t *names_value(struct names *n)
{
	if (n->value == NULL && n->raw.n > 0)
		n->value = json_loadb(n->raw.p, n->raw.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	return n->value;
}

static struct names *find(const struct names *n, struct slice name)
{
	while (n != NULL && !slice_eq(n->name, name))
		n = n->outer;
	return (struct names *)(uintptr_t)n;
}

static enum err lookup(void *ctx, struct slice name, struct interp_value *ret)
{
	struct names *n = find(ctx, name);
	if (n == NULL || (n->value == NULL && n->raw.n == 0))
		return ERR_NOT_FOUND;
	const json_t *v = names_value(n);
	if (v == NULL)
		return ERR_NOMEM;
	*ret = (struct interp_value){.json = v};
	return ERR_OK;
}

struct interp_env names_env(const struct names *n)
{
	return (struct interp_env){.lookup = lookup, .ctx = (void *)(uintptr_t)n};
}

static struct slice text_of(const json_t *v)
{
	if (!json_is_string(v))
		return (struct slice){"", 0};
	return (struct slice){json_string_value(v), json_string_length(v)};
}

void names_result_input(const json_t *value, struct names_input *ret)
{
	const json_t *headers = json_object_get(value, "headers");
	const json_t *kind = json_object_get(json_object_get(value, "error"), "kind");
	size_t n = 0, i;
	json_t *pair;
	json_array_foreach(headers, i, pair)
	{
		if (n == sizeof(ret->header) / sizeof(ret->header[0]))
			break;
		ret->header[n++] = (struct cond_header){text_of(json_array_get(pair, 0)),
							text_of(json_array_get(pair, 1))};
	}
	ret->in = (struct cond_input){
		.has_result = true,
		.status = (int)json_integer_value(json_object_get(value, "status")),
		.kind = kind_from_name(text_of(kind)),
		.headers = ret->header,
		.n_headers = n,
		.doc = json_object_get(value, "json"),
	};
}

/* cond_of keeps the input past the call: so it lives with the evaluation. */
struct of_ctx {
	const struct names *names;
	struct names_input *input;
};

static bool result_of(void *ctx, struct slice id, struct cond_input *ret)
{
	struct of_ctx *of = ctx;
	struct names *n = find(of->names, id);
	if (n == NULL || !n->has_result)
		return false;
	names_result_input(names_value(n), of->input);
	*ret = of->input->in;
	return true;
}

bool names_hold(const struct cond *c, const json_t *item, const struct names *n)
{
	struct cond_input in = {.doc = item};
	struct of_ctx of = {n, calloc(1, sizeof(*of.input))};
	struct interp_env env = names_env(n);
	bool holds = of.input != NULL && cond_holds_in(c, &in, result_of, &of, &env);
	free(of.input);
	return holds;
}
