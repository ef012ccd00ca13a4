/*
 * store_memory_validator -- what servers called the present state of resources, in memory.
 */
#include "edge/store_memory.h"

#include <stdlib.h>

static void drop_at(struct mem_store *s, size_t i)
{
	free(s->validator.at[i]);
	ordered_remove(&s->validator, i, 1);
}

enum err mem_validator_put(struct mem_store *s, struct store_op *op)
{
	struct store_validator v = op->validator;
	struct slice *const texts[] = {&v.url, &v.etag, &v.last_modified};
	size_t i = ordered_find(&s->validator, mem_cmp_validator, &v);
	bool is_there = i < s->validator.n && mem_cmp_validator(s->validator.at[i], &v) == 0;
	bool is_gone = v.etag.n + v.last_modified.n == 0;
	void *made = is_gone ? NULL : mem_record(&v, sizeof(v), texts, 3);

	if (!is_gone && made == NULL)
		return ERR_NOMEM;
	if (is_there)
		drop_at(s, i);
	enum err e = is_gone ? ERR_OK : ordered_insert(&s->validator, i, made);
	if (e != ERR_OK)
		free(made);
	return e;
}

bool mem_validator_forget(struct mem_store *s, int64_t wall_before_ns)
{
	size_t oldest = 0;

	if (s->validator.n == 0)
		return false;
	for (size_t i = 1; i < s->validator.n; i++) {
		const struct store_validator *a = s->validator.at[i], *b = s->validator.at[oldest];
		if (a->wall_at_ns < b->wall_at_ns)
			oldest = i;
	}
	const struct store_validator *v = s->validator.at[oldest];
	if (v->wall_at_ns >= wall_before_ns && s->validator.n <= STORE_VALIDATORS)
		return false;
	drop_at(s, oldest);
	return true;
}
