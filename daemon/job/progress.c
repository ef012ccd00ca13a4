#include "job/progress.h"

#include "job/verb.h"
#include "job/verb_any.h"
#include "job/verb_each.h"
#include "job/verb_group.h"
#include "job/verb_row.h"

#include <string.h>

static bool is_row(enum verb v)
{
	return v == VERB_SEQUENCE || v == VERB_FALLBACK;
}

/* What the scope has folded so far; NULL: it does not run its tasks side by side. */
static const struct children *children_of(const struct task *t)
{
	const void *frame = t->frame;
	switch (t->node->verb) {
	case VERB_GROUP:
	case VERB_GATHER:
		return &((const struct group_frame *)frame)->c;
	case VERB_ANY:
		return &((const struct any_frame *)frame)->c;
	case VERB_EACH:
		return &((const struct each_frame *)frame)->c;
	default:
		return NULL;
	}
}

static bool is_child(const struct task *t, const struct task *scope)
{
	enum node_place p = t->node->place;
	return t->up == scope && (p == PLACE_CHILD || p == PLACE_EACH);
}

static bool runs(const struct task *t)
{
	return t->wait == TASK_RUNS || t->wait == TASK_WAITS_CHILDREN ||
	       t->wait == TASK_WAITS_RESPONSE || t->wait == TASK_WAITS_COMMIT;
}

static uint32_t count_live(const struct task *scope, struct progress *p)
{
	uint32_t n = 0;
	LIST_EACH (l, (struct link *)(uintptr_t)&scope->env->tasks) {
		const struct task *t = LIST_ENTRY(l, struct task, all);
		if (!is_child(t, scope))
			continue;
		n++;
		if (!t->is_started)
			p->not_started++;
		else if (runs(t))
			p->running++;
		else
			p->waiting++;
	}
	return n;
}

static uint64_t items_to_come(const struct each_frame *e)
{
	if (e->ops == NULL || !e->ops->is_counted || e->cursor == NULL)
		return 0;
	uint64_t n = e->ops->known != NULL ? e->ops->known(e) : e->n_source;
	return n > e->cursor->cursor.next ? n - e->cursor->cursor.next : 0;
}

bool progress_of(const struct task *t, struct progress *ret)
{
	const struct children *c = children_of(t);
	*ret = (struct progress){0};
	if (c == NULL && !is_row(t->node->verb))
		return false;
	uint32_t live = count_live(t, ret);
	if (c != NULL) {
		ret->ok = c->n_ok;
		ret->failed = c->n_failed;
		ret->cancelled = c->n_cancelled;
		ret->not_started += c->n_never;
	} else {
		uint32_t i = ((const struct row_frame *)(const void *)t->frame)->i;
		*(t->node->verb == VERB_SEQUENCE ? &ret->ok : &ret->failed) = i;
	}
	uint64_t known = ret->ok + ret->failed + ret->cancelled + live + (c ? c->n_never : 0);
	if (t->node->verb == VERB_EACH)
		ret->not_started += items_to_come((const void *)t->frame);
	else if (t->node->n_child > known)
		ret->not_started += t->node->n_child - known;
	return true;
}

const char *progress_state(const struct task *t)
{
	bool is_scope = children_of(t) != NULL || is_row(t->node->verb);
	return task_wait_text(is_scope && t->wait == TASK_RUNS ? TASK_WAITS_CHILDREN : t->wait);
}

struct task *progress_task(const struct jobenv *env, struct slice path)
{
	char buf[TASK_PATH_MAX];
	LIST_EACH (l, (struct link *)(uintptr_t)&env->tasks) {
		struct task *t = LIST_ENTRY(l, struct task, all);
		if (slice_eq(task_path_in(t, buf), path))
			return t;
	}
	return NULL;
}

/* ---- places ---- */

struct place {
	const struct node *parent;
	struct slice piece;
	const struct node *found;
};

static bool is_index(struct slice piece)
{
	for (size_t i = 0; i < piece.n; i++)
		if (piece.p[i] < '0' || piece.p[i] > '9')
			return false;
	return piece.n > 0 && piece.n < 19;
}

static bool visit(void *ctx, const struct node *n)
{
	struct place *p = ctx;
	char piece[NODE_PIECE_MAX];
	node_piece(n, piece);
	if (n->parent != p->parent || n == p->parent)
		return true;
	if (n->place == PLACE_EACH ? is_index(p->piece) : slice_is(p->piece, piece + 1))
		p->found = n;
	return p->found == NULL;
}

const struct node *progress_node(const struct job_spec *spec, struct slice path)
{
	const struct node *at = spec->root;
	if (path.n == 0 || path.p[0] != '0' || (path.n > 1 && path.p[1] != '.'))
		return NULL;
	for (size_t i = 1; at != NULL && i < path.n;) {
		size_t begin = ++i;
		while (i < path.n && path.p[i] != '.')
			i++;
		struct place p = {.parent = at, .piece = {path.p + begin, i - begin}};
		node_walk(at, visit, &p);
		at = p.found;
	}
	return at;
}

/* ---- why not ---- */

static void why_each(const struct task *each, struct bytes *out)
{
	const struct each_frame *e = (const void *)each->frame;
	if (each->wait == TASK_WAITS_CHILDREN && e->n_open >= e->window)
		bytes_printf(out, "its each has %u items under way, as many as may be at once",
			     e->n_open);
	else
		bytes_printf(out, "its each %s", progress_state(each));
}

static void why_row(const struct task *row, struct slice at, struct bytes *out)
{
	uint32_t i = ((const struct row_frame *)(const void *)row->frame)->i;
	bytes_printf(out,
		     row->node->verb == VERB_SEQUENCE
			     ? "it comes after %.*s.%u, which has not ended"
			     : "it runs only if %.*s.%u fails",
		     (int)at.n, at.p, i);
}

static void why_cleanup(char piece, struct slice at, struct bytes *out)
{
	static const struct {
		char piece;
		const char *sentence;
	} rows[] = {
		{'c', "it handles what %.*s may fail with"},
		{'f', "it runs when %.*s has ended"},
		{'x', "it runs when %.*s has ended"},
		{'w', "%.*s has not come to it"},
		{'s', "%.*s has not come to it"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].piece == piece)
			bytes_printf(out, rows[i].sentence, (int)at.n, at.p);
}

void progress_why_not(const struct jobenv *env, struct slice path, struct bytes *out)
{
	struct slice at = path;
	const struct task *up = NULL;
	char piece = '0';
	while (up == NULL && at.n > 0) {
		while (at.n > 0 && at.p[at.n - 1] != '.')
			at.n--;
		piece = at.n < path.n ? path.p[at.n] : '0';
		at.n -= at.n > 0;
		up = at.n > 0 ? progress_task(env, at) : NULL;
	}
	if (up == NULL)
		bytes_add_str(out, "the job has not come to it");
	else if (piece < '0' || piece > '9')
		why_cleanup(piece, at, out);
	else if (!up->is_started)
		bytes_printf(out, "%.*s has not begun", (int)at.n, at.p);
	else if (up->node->verb == VERB_EACH)
		why_each(up, out);
	else if (is_row(up->node->verb))
		why_row(up, at, out);
	else if (up->node->verb == VERB_ANY)
		bytes_printf(out, "%.*s starts it when one before it fails%s", (int)at.n, at.p,
			     up->node->u.any.has_stagger ? ", or in time" : "");
	else
		bytes_printf(out, "%.*s has not come to it", (int)at.n, at.p);
}
