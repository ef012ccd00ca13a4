#include "job/verb.h"

#include "job/mods.h"
#include "job/verb_any.h"
#include "job/verb_each.h"
#include "job/verb_group.h"
#include "job/verb_line.h"
#include "job/verb_named.h"
#include "job/verb_row.h"

/* A row without a step is a verb this daemon does not run: refused when it is submitted. */
static const struct verb_ops ops[VERB_COUNT] = {
	[VERB_FETCH] = {0, verb_fetch_step, verb_fetch_fini},
	[VERB_GROUP] = {sizeof(struct group_frame), verb_group_step, verb_group_fini},
	[VERB_GATHER] = {sizeof(struct group_frame), verb_gather_step, verb_gather_fini},
	[VERB_EACH] = {sizeof(struct each_frame), verb_each_step, verb_each_fini},
	[VERB_SEQUENCE] = {sizeof(struct row_frame), verb_sequence_step, verb_sequence_fini},
	[VERB_FALLBACK] = {sizeof(struct row_frame), verb_fallback_step, verb_fallback_fini},
	[VERB_ANY] = {sizeof(struct any_frame), verb_any_step, verb_any_fini},
	[VERB_SLEEP] = {sizeof(struct sleep_frame), verb_sleep_step, NULL},
	[VERB_EMIT] = {sizeof(struct emit_frame), verb_emit_step, verb_emit_fini},
	[VERB_FAIL] = {sizeof(struct fail_frame), verb_fail_step, NULL},
	[VERB_PUT] = {sizeof(struct named_frame), verb_put_step, verb_named_fini},
	[VERB_TAKE] = {sizeof(struct named_frame), verb_take_step, verb_named_fini},
	[VERB_SET] = {sizeof(struct named_frame), verb_word_step, verb_named_fini},
	[VERB_CLEAR] = {sizeof(struct named_frame), verb_word_step, verb_named_fini},
	[VERB_WAIT] = {sizeof(struct named_frame), verb_wait_step, verb_named_fini},
	[VERB_EXEC] = {sizeof(struct exec_frame), verb_exec_step, verb_exec_fini},
};

const struct verb_ops *verb_ops(enum verb v)
{
	return &ops[v];
}

static bool check_node(void *ctx, const struct node *n)
{
	struct bytes *out = ctx;
	if (ops[n->verb].step == NULL)
		bytes_printf(out, "the verb \"%s\" is not available in this version",
			     verb_name(n->verb));
	else if (n->verb == VERB_EACH && !each_source_runs(n->u.each.in.kind))
		bytes_printf(out, "this source of \"each\" is not available in this version");
	return out->n == 0;
}

bool verb_check(const struct job_spec *spec, struct bytes *ret_sentence)
{
	node_walk(spec->root, check_node, ret_sentence);
	return ret_sentence->n == 0;
}

static uint64_t each_items(const struct each_spec *e)
{
	if (e->in.kind == SOURCE_RANGE && e->in.has_range)
		return spec_range_count(&e->in.range);
	if (e->in.kind == SOURCE_LIST && !e->in.value.has_refs)
		return json_array_size(e->in.value.json);
	return 0;
}

uint64_t verb_leaves(const struct node *n)
{
	uint64_t sum = 0;
	if (verb_is_leaf(n->verb))
		return 1;
	if (n->verb == VERB_EACH)
		return each_items(&n->u.each) * verb_leaves(n->u.each.run);
	if ((n->verb == VERB_FALLBACK || n->verb == VERB_ANY) && n->n_child > 0)
		return verb_leaves(n->child[0]);
	for (uint32_t i = 0; i < n->n_child; i++)
		sum += verb_leaves(n->child[i]);
	return sum;
}
