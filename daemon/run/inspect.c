/* inspect -- counters and rows about actors, for people and metrics. */
#include "run/internal.h"

void act_stats_read(const act_shard *sh, act_stats *ret)
{
	*ret = (act_stats){0};
#define X(name) ret->name = __atomic_load_n(&sh->stats.name, __ATOMIC_RELAXED);
	ACT_STATS_LIST(X)
#undef X
	ret->wakes = __atomic_load_n(&sh->n_wakes, __ATOMIC_RELAXED);
	ret->live = ret->spawned - ret->ended;
	ret->queued = ret->sent - ret->delivered - ret->dead - ret->dropped;
}

uint64_t act_stats_cells(const act_shard *sh)
{
	return rt_slab_in_use(&sh->cells) - (sh->answer != NULL);
}

static const char *state_name(const struct actor *a)
{
	static const char *const name[] = {
		[RUN_FREE] = "free",	   [RUN_IDLE] = "idle",	    [RUN_QUEUED] = "queued",
		[RUN_RUNNING] = "running", [RUN_PARKED] = "parked",
	};
	return name[a->run];
}

/* Made beforehand, for what it still waits for. */
static bool is_awaited(const struct task *t, const struct hold *h)
{
	bool may_be = t->wait_of == WAIT_SEM || t->wait_of == WAIT_LOCK || t->wait_of == WAIT_GET;
	return may_be && t->w.on.hold == h && h->n == 0;
}

static void add_holds(const struct task *t, struct act_row *row)
{
	for (const struct hold *h = t->holds; h != NULL; h = rt_hold_after(t, h)) {
		if (is_awaited(t, h))
			continue;
		uint32_t i = row->n_holds++;
		if (i >= ACT_ROW_HOLDS)
			continue;
		row->hold[i].what = h->kind->name;
		row->hold[i].object = h->object;
		row->hold[i].n = h->n;
	}
}

static void add_task(act_shard *sh, struct task *t, struct act_row *row)
{
	const struct wait_row *wait = &rt_wait_row[t->wait_of];
	row->is_task = true;
	row->name = t->name;
	row->parent = t->child == NULL ? t->of.parent : rt_task_id(sh, t->of.group->scope.opener);
	row->deadline_ns = rt_scope_deadline(t->scope);
	row->is_cancelled = rt_is_cancelled(t);
	for (const act_scope *s = t->scope; !rt_is_home(t, s); s = s->parent)
		row->n_scopes++;
	add_holds(t, row);
	if (t->wait_of <= WAIT_GRANTED)
		return;
	row->parked_on = wait->name;
	row->parked_since_ns = t->since_ns;
	if (wait->owner != NULL)
		row->parked_owner = wait->owner(sh, t);
}

static struct act_row row_of(act_shard *sh, struct actor *a)
{
	struct act_row row = {
		.id = rt_id(sh, a),
		.class_name = a->cls->name,
		.name = a->cls->name,
		.state = state_name(a),
		.depth = a->depth,
		.high_water = a->high_water,
		.cap = a->cap,
		.received = a->received,
		.deadline_ns = INT64_MAX,
	};
	if (rt_is_task(a)) {
		add_task(sh, rt_task(a), &row);
		return row;
	}
	row.cls = a->cls;
	row.state_data = a->state;
	if (a->more != NULL && a->more->name != NULL) {
		row.name = a->more->name;
		row.parent = a->more->parent;
	}
	return row;
}

bool act_inspect(act_shard *sh, uint32_t *cursor, uint32_t max,
		 void (*row)(void *ctx, const struct act_row *row), void *ctx)
{
	for (uint32_t n = 0; n < max && *cursor < sh->n_slots; ++*cursor) {
		struct actor *a = &sh->actors[*cursor];
		if (a->run == RUN_FREE)
			continue;
		struct act_row r = row_of(sh, a);
		row(ctx, &r);
		n++;
	}
	return *cursor < sh->n_slots;
}

bool act_inspect_one(act_shard *sh, act_id id, void (*row)(void *ctx, const struct act_row *row),
		     void *ctx)
{
	struct actor *a = rt_find(sh, id);
	if (a == NULL)
		return false;
	struct act_row r = row_of(sh, a);
	row(ctx, &r);
	return true;
}
