/*
 * spec_names -- which names a reference may use where it stands.
 */
#include "job/spec_build.h"

#include <string.h>

#define MAX_NEAR 64

static const struct spec_scope *find(const struct spec_build *b, struct slice name)
{
	const struct spec_scope *s = b->scope;
	while (s != NULL && !slice_eq(s->name, name))
		s = s->up;
	return s;
}

static bool is_var(const struct spec_build *b, struct slice name)
{
	return b->w->vars != NULL && json_object_getn(b->w->vars, name.p, name.n) != NULL;
}

/* What the writer may have meant. */
static const char *nearest(const struct spec_build *b, struct slice name)
{
	const char *names[MAX_NEAR];
	size_t n = 0;
	for (const struct spec_scope *s = b->scope; s != NULL && n < MAX_NEAR; s = s->up)
		names[n++] = s->name.p;
	for (void *it = json_object_iter(b->w->vars); it != NULL && n < MAX_NEAR;
	     it = json_object_iter_next(b->w->vars, it))
		names[n++] = json_object_iter_key(it);
	return fields_nearest(name.p, names, n);
}

static enum err fail_unknown(struct spec_build *b, struct slice name, const struct fields_at *at)
{
	const char *near = nearest(b, name);
	if (near != NULL)
		return fields_fail(&b->rd, at, NULL,
				   "nothing is called ${%s} here; did you mean ${%.64s}?", name.p,
				   near);
	if (table_get(&b->w->ids, name) != NULL)
		return fields_fail(&b->rd, at, NULL,
				   "nothing is called ${%s} here: an id is known to later tasks of "
				   "the same sequence only",
				   name.p);
	return fields_fail(&b->rd, at, NULL, "nothing is called ${%s} here", name.p);
}

enum err spec_check_names(struct spec_build *b, const struct tmpl *t, const struct fields_at *at,
			  uint32_t *ret_n_run)
{
	*ret_n_run = 0;
	for (uint32_t i = 0; i < t->n_part; i++) {
		if (!t->part[i].is_ref)
			continue;
		const struct spec_scope *s = find(b, t->part[i].text);
		if (s == NULL && !is_var(b, t->part[i].text))
			return fail_unknown(b, t->part[i].text, at);
		if (s != NULL && s->node != NULL)
			s->node->is_read = true;
		*ret_n_run += s != NULL;
	}
	return ERR_OK;
}

struct of_check {
	struct spec_build *b;
	const struct fields_at *at;
	enum err err;
};

static void check_of(void *ctx, struct slice id)
{
	struct of_check *oc = ctx;
	const struct spec_scope *s = find(oc->b, id);
	if (oc->err != ERR_OK)
		return;
	if (s != NULL && s->node != NULL) {
		s->node->is_read = true;
		return;
	}
	oc->err = fields_fail(&oc->b->rd, oc->at, NULL,
			      "no earlier task of a sequence around has the id \"%.64s\"", id.p);
}

enum err spec_check_of(struct spec_build *b, const struct cond *c, const struct fields_at *at)
{
	struct of_check oc = {.b = b, .at = at};
	cond_each_of(c, check_of, &oc);
	return oc.err;
}

enum err spec_check_new_name(struct spec_build *b, const char *name, const struct fields_at *at)
{
	if (!interp_name_valid(slice_of(name)))
		return fields_fail(
			&b->rd, at, NULL,
			"a name is letters, digits, _ and -, at most %d, and begins with "
			"a letter or _",
			INTERP_MAX_NAME);
	if (strcmp(name, "error") == 0 || strcmp(name, "outcome") == 0)
		return fields_fail(&b->rd, at, NULL, "\"%s\" means something else already", name);
	if (is_var(b, slice_of(name)))
		return fields_fail(&b->rd, at, NULL, "\"%s\" is the name of a variable of this job",
				   name);
	return ERR_OK;
}
