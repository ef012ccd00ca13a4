/*
 * shard -- the outer loop of a thread: what came in, what is to run, what goes out, timers, the
 * foreign event loop. Sleeps only when nothing is left, and says so before it looks for the last
 * time, so that no wake-up is lost.
 */
#include "run/internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
	ACTORS_DEFAULT = 4 << 20,
	TURN_MESSAGES = 1024,
	HUGE_AFTER = 2 << 20, /* bytes of headers on small pages first */
};
#define TURN_NS	      50000
#define TRIM_EVERY_NS NS_PER_S
#define SLOW_NS	      (100 * NS_PER_MS)
#define WAIT_LIMIT_NS (30 * NS_PER_S)
#define CELLS_DEFAULT (16ULL << 20)

static size_t headers_bytes(const act_shard *sh)
{
	return (size_t)sh->max_slots * sizeof(struct actor);
}

static bool map_headers(act_shard *sh)
{
	size_t bytes = headers_bytes(sh);
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return false;
	if (bytes > HUGE_AFTER)
		madvise((char *)p + HUGE_AFTER, bytes - HUGE_AFTER, MADV_HUGEPAGE);
	sh->actors = p;
	return true;
}

static void take_opts(act_shard *sh, const struct act_shard_opts *o)
{
	sh->clock = o->clock;
	sh->loop = o->loop;
	sh->log = o->log;
	sh->user = o->user;
	sh->mesh = o->mesh;
	sh->no = o->no;
	sh->first = (uint32_t)o->no << SLOT_BITS;
	sh->offload = o->offload;
	sh->max_slots = o->max_actors != 0 ? o->max_actors : ACTORS_DEFAULT;
	if (sh->max_slots > SLOT_MAX)
		sh->max_slots = SLOT_MAX;
	sh->turn_messages = o->turn_messages != 0 ? o->turn_messages : TURN_MESSAGES;
	sh->turn_ns = o->turn_ns != 0 ? o->turn_ns : TURN_NS;
	sh->slow_turn_ns = o->slow_turn_ns != 0 ? o->slow_turn_ns : SLOW_NS;
	sh->default_wait_ns = o->default_wait_ns != 0 ? o->default_wait_ns : WAIT_LIMIT_NS;
	sh->is_permuted = o->permute_seed != 0;
	rng_seed(&sh->rng, o->seed);
	rng_seed(&sh->permute, o->permute_seed);
}

act_shard *act_shard_new(const struct act_shard_opts *opts)
{
	act_shard *sh = aligned_alloc(64, (sizeof(*sh) + 63) & ~(size_t)63);
	if (sh == NULL)
		return NULL;
	memset(sh, 0, sizeof(*sh));
	take_opts(sh, opts);
	if (!map_headers(sh)) {
		free(sh);
		return NULL;
	}
	sh->self.sh = sh;
	rt_slab_init(&sh->cells, CELL_BYTES,
		     opts->max_cells != 0 ? opts->max_cells : CELLS_DEFAULT);
	rt_slab_init(&sh->mores, (sizeof(struct more) + 63) & ~63UL, 0);
	rt_slab_init(&sh->scopes, (sizeof(act_scope) + 15) & ~15UL, 0);
	rt_slab_init(&sh->groups, (sizeof(act_group) + 63) & ~63UL, 0);
	rt_slab_keep_addresses(&sh->scopes); /* a reference to a closed one looks at its serial */
	rt_slab_keep_addresses(&sh->groups);
	rt_slab_set_init(&sh->blocks);
	list_init(&sh->free_proxies);
	sh->now_ns = clock_mono_ns(sh->clock);
	rt_wheel_init(&sh->wheel, sh->now_ns);
	rt_scope_init(sh, &sh->root, NULL, NULL, false);
	if (sh->mesh == NULL || rt_mesh_attach(sh->mesh, sh))
		return sh;
	sh->mesh = NULL;
	act_shard_free(sh);
	return NULL;
}

act_self *act_shard_root(act_shard *sh)
{
	CHECK(sh->self.a == NULL);
	return &sh->self;
}

/* ---- the turn: what runs in it is turn's ---- */

static inline bool has_runnable(const act_shard *sh)
{
	return rt_runq_count(&sh->lo) + rt_runq_count(&sh->hi) > 0;
}

/* Everything of a turn but the foreign loop. */
static void turn(act_shard *sh)
{
	COUNT(sh, turns, 1);
	int64_t began = sh->now_ns = clock_mono_ns(sh->clock);
	rt_inbox_take(sh);
	rt_mesh_take(sh);
	rt_timers_run(sh);
	if (sh->is_permuted) {
		rt_runq_permute(&sh->lo, &sh->permute);
		rt_runq_permute(&sh->hi, &sh->permute);
	}
	rt_turn_run(sh);
	if (sh->n_outbox > 0)
		rt_cast_commit(sh);
	rt_mesh_flush(sh);
	COUNT(sh, busy_ns, sh->now_ns - began);
}

static void poll_loop(act_shard *sh, int64_t timeout_ns)
{
	COUNT(sh, polls, 1);
	sh->loop->poll(sh->loop->ctx, timeout_ns);
}

bool act_shard_turn(act_shard *sh)
{
	turn(sh);
	poll_loop(sh, 0);
	return !act_shard_idle(sh);
}

static bool has_news(const act_shard *sh)
{
	return has_runnable(sh) || !rt_inbox_is_empty(sh) || !rt_mesh_is_empty(sh);
}

bool act_shard_idle(const act_shard *sh)
{
	return !has_news(sh) && sh->n_outbox == 0;
}

int64_t act_shard_next_timer_ns(const act_shard *sh)
{
	return rt_wheel_next_ns(&sh->wheel);
}

static int64_t sleep_ns(act_shard *sh)
{
	int64_t next = rt_wheel_next_ns(&sh->wheel);
	if (next == INT64_MAX)
		return -1;
	int64_t left = next - clock_mono_ns(sh->clock);
	return left > 0 ? left : 0;
}

static bool is_asked_to_stop(const act_shard *sh)
{
	return __atomic_load_n(&sh->is_asked_to_stop, __ATOMIC_SEQ_CST) != 0;
}

static void trim(act_shard *sh)
{
	if (sh->now_ns - sh->trimmed_ns < TRIM_EVERY_NS)
		return;
	sh->trimmed_ns = sh->now_ns;
	rt_slab_trim(&sh->cells);
	rt_slab_trim(&sh->mores);
	rt_slab_trim(&sh->scopes);
	rt_slab_trim(&sh->groups);
	rt_slab_set_trim(&sh->blocks);
}

/* Producers publish, then look at is_sleeping; the shard sets it, then looks at what they publish.
 */
static void sleep_until_news(act_shard *sh)
{
	__atomic_store_n(&sh->is_sleeping, 1, __ATOMIC_SEQ_CST);
	bool stay = has_news(sh) || is_asked_to_stop(sh);
	if (!stay) {
		COUNT(sh, sleeps, 1);
		trim(sh);
	}
	poll_loop(sh, stay ? 0 : sleep_ns(sh));
	__atomic_store_n(&sh->is_sleeping, 0, __ATOMIC_SEQ_CST);
}

void act_shard_run(act_shard *sh, bool until_empty)
{
	while (!is_asked_to_stop(sh)) {
		turn(sh);
		if (until_empty && sh->live == 0)
			return;
		if (has_runnable(sh))
			poll_loop(sh, 0);
		else
			sleep_until_news(sh);
	}
	__atomic_store_n(&sh->is_asked_to_stop, 0, __ATOMIC_SEQ_CST);
}

void rt_shard_rouse(act_shard *sh)
{
	if (__atomic_load_n(&sh->is_sleeping, __ATOMIC_SEQ_CST) != 0 &&
	    __atomic_exchange_n(&sh->is_sleeping, 0, __ATOMIC_SEQ_CST) != 0) {
		__atomic_fetch_add(&sh->n_wakes, 1, __ATOMIC_RELAXED);
		sh->loop->wake(sh->loop->ctx);
	}
}

void act_shard_wake(act_shard *sh)
{
	sh->loop->wake(sh->loop->ctx);
}

void act_shard_ask_stop(act_shard *sh)
{
	__atomic_store_n(&sh->is_asked_to_stop, 1, __ATOMIC_SEQ_CST);
	sh->loop->wake(sh->loop->ctx);
}

int64_t act_shard_now_ns(const act_shard *sh)
{
	return sh->now_ns;
}

uint64_t act_shard_live(const act_shard *sh)
{
	return sh->live;
}

struct act_watch act_shard_watch(const act_shard *sh)
{
	return (struct act_watch){__atomic_load_n(&sh->self.id, __ATOMIC_ACQUIRE),
				  __atomic_load_n(&sh->activations, __ATOMIC_RELAXED)};
}

/* The header was written before the id was, and stays mapped; the class outlives the shard. */
const char *act_shard_watch_class(const act_shard *sh, struct act_watch seen)
{
	const struct actor *a = &sh->actors[rt_id_slot(seen.id)];
	const act_class *cls = seen.id != 0 ? __atomic_load_n(&a->cls, __ATOMIC_RELAXED) : NULL;
	struct act_watch now = act_shard_watch(sh);
	bool is_same = now.id == seen.id && now.activation == seen.activation;
	return is_same && cls != NULL ? cls->name : "";
}

/* ---- the end ---- */

static void kill_all(act_shard *sh)
{
	for (uint32_t i = 0; i < sh->n_slots; i++)
		if (sh->actors[i].run != RUN_FREE)
			rt_kill_actor(sh, &sh->actors[i]);
}

/* Those killed may spawn in their defers; work on other threads is waited for. Between two looks
 * at all slots, turns for all of them. */
static void wind_down(act_shard *sh)
{
	while (sh->live > 0 || sh->n_jobs > 0) {
		kill_all(sh);
		uint64_t turns = sh->n_slots / sh->turn_messages;
		do
			turn(sh);
		while (turns-- > 0 && has_runnable(sh));
		if (!has_runnable(sh) && sh->n_jobs > 0)
			sleep_until_news(sh);
	}
	rt_inbox_take(sh);
	rt_mesh_take(sh);
	rt_mesh_flush(sh);
}

static void check_conservation(const act_shard *sh)
{
	const act_stats *s = &sh->stats;
	CHECK(s->sent == s->delivered + s->dead + s->dropped);
}

void act_shard_free(act_shard *sh)
{
	if (sh == NULL)
		return;
	CHECK(sh->self.a == NULL);
	__atomic_store_n(&sh->is_asked_to_stop, 0, __ATOMIC_SEQ_CST);
	wind_down(sh);
	if (sh->mesh != NULL)
		rt_mesh_detach(sh->mesh, sh);
	else
		check_conservation(sh);
	for (uint32_t i = 0; i < sh->n_proxy; i++)
		free(sh->proxy[i]);
	free(sh->proxy);
	rt_runq_fini(&sh->lo);
	rt_runq_fini(&sh->hi);
	rt_slab_fini(&sh->cells);
	rt_slab_fini(&sh->mores);
	rt_slab_fini(&sh->scopes);
	rt_slab_fini(&sh->groups);
	rt_slab_set_fini(&sh->blocks);
	free(sh->free_slot);
	rt_farsig_fini(sh);
	munmap(sh->actors, headers_bytes(sh));
	free(sh);
}
