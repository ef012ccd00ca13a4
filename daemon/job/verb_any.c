/*
 * any: the first success wins and cancels the rest. The next task starts when one before it failed,
 * or after `stagger`. If all fail, it fails with all of their errors.
 */
#include "job/verb_any.h"

#include "job/recall.h"
#include "job/verb.h"

#include <stdio.h>
#include <stdlib.h>

/* Starts them: a task of the same group. */
struct starter {
	act_co co;
	int rc;
	struct any_frame *f;
	int64_t stagger_ns;
	uint32_t i;
	act_scope *scope;
};

static void start_one(act_self *self, struct starter *s)
{
	struct task *t = s->f->t;
	struct task *child = task_new(t->env, t->node->child[s->i], t, t->names);
	act_event_clear(s->f->next);
	if (child == NULL)
		return;
	child->index = s->i;
	children_go(self, &s->f->c, child);
}

struct begun {
	uint32_t i;
	uint64_t seq;
};

static int by_seq(const void *a, const void *b)
{
	const struct begun *x = a, *y = b;
	if (x->seq != y->seq)
		return x->seq == 0 || (y->seq != 0 && x->seq > y->seq) ? 1 : -1;
	return (x->i > y->i) - (x->i < y->i);
}

/* What an earlier life began begins at once, the first committed outcome first: so the winner stays
 * the winner. Returns how many of them there are. */
static uint32_t find_begun(const struct task *t, struct begun *b)
{
	char path[TASK_PATH_MAX];
	const struct recall *recall = t->env->recall;
	struct slice at = task_path_in(t, path);
	uint32_t n = 0;
	for (uint32_t i = 0; i < t->node->n_child; i++) {
		int w = snprintf(path + at.n, TASK_PATH_MAX - at.n, ".%u", i);
		struct slice child = {path, at.n + (size_t)w};
		if (recall_was_begun(recall, child))
			b[n++] = (struct begun){i, recall_last_seq(recall, child)};
	}
	qsort(b, n, sizeof(*b), by_seq);
	return n;
}

static void start_begun(act_self *self, struct starter *s)
{
	struct task *t = s->f->t;
	struct begun *b =
		recall_is_empty(t->env->recall) ? NULL : calloc(t->node->n_child, sizeof(*b));
	uint32_t n = b != NULL ? find_begun(t, b) : 0, last = 0;
	s->f->is_begun = true;
	for (uint32_t k = 0; k < n; k++) {
		last = b[k].i + 1 > last ? b[k].i + 1 : last;
		s->i = b[k].i;
		start_one(self, s);
	}
	/* Those before the last one began too: what became of them is not known. */
	for (s->i = 0; s->i < last; s->i++) {
		bool has_begun = false;
		for (uint32_t k = 0; k < n; k++)
			has_begun |= b[k].i == s->i;
		if (!has_begun)
			start_one(self, s);
	}
	/* Failures among them have started the next ones already. */
	s->f->n_excused = last > 0 ? last - 1 : 0;
	free(b);
}

static int starter_step(act_self *self, void *frame)
{
	struct starter *s = frame;
	CO_BEGIN(&s->co);
	start_begun(self, s);
	if (s->i == 0) {
		start_one(self, s);
		s->i++;
	}
	while (s->i < s->f->t->node->n_child && !act_is_cancelled(self)) {
		s->scope = s->stagger_ns >= 0 ? act_scope_open(self, s->stagger_ns) : NULL;
		CO_AWAIT(&s->co, s->rc, act_event_wait(self, s->f->next));
		if (s->scope != NULL)
			act_scope_close(self, s->scope, ACT_OK, NULL);
		if (act_is_cancelled(self))
			break;
		start_one(self, s);
		s->i++;
	}
	CO_END(&s->co);
}

static bool begin(act_self *self, struct any_frame *f, struct task *t)
{
	struct interp_env env = names_env(t->names);
	struct interp_error e = {0};
	struct starter s = {.f = f, .stagger_ns = ACT_FOREVER};
	int64_t ms;
	f->t = t;
	f->next = act_event_new(t->env->shard);
	if (t->node->u.any.has_stagger) {
		if (spec_dur_render(&t->node->u.any.stagger, &env, &ms, &e) != ERR_OK) {
			task_fail(t, KIND_REQUEST_INVALID, "stagger: %s", e.sentence);
			return false;
		}
		s.stagger_ns = ms * NS_PER_MS;
	}
	if (f->next == NULL) {
		task_fail(t, KIND_MEMORY, "no memory for an any");
		return false;
	}
	if (!children_open(self, &f->c, t, CHILDREN_FIRST))
		return false;
	if (act_is_cancelled(self))
		start_begun(self, &s);
	else if (children_help(self, &f->c, starter_step, &s, sizeof(s)) == ACT_ENOMEM)
		children_cancel(self, &f->c, ACT_WHY_CANCEL);
	return true;
}

static void child_ended(struct any_frame *f, struct task *child)
{
	if (child->out.state == OUTCOME_OK && f->value == NULL)
		f->value = json_incref(child->out.value);
	if (!outcome_is_ok(&child->out) && f->n_excused > 0)
		f->n_excused--;
	else if (!outcome_is_ok(&child->out))
		act_event_set(f->next);
	task_free(child);
}

static void any_ends(act_self *self, struct any_frame *f, struct task *t)
{
	bool has_won = f->c.n_ok > 0;
	bool is_short = f->c.n < t->node->n_child; /* cancelled before it had started them all */
	children_close(self, &f->c);
	task_sum(t, &f->c.below);
	if (has_won) {
		if (f->c.n > f->c.n_ok || t->out.n_failed > 0)
			task_settled(t);
		task_handled(t, t->out.n_failed);
		task_ok(t, f->value);
		f->value = NULL;
	} else if (is_short || children_were_cut(&f->c)) {
		task_cancelled(self, t);
	} else if (f->c.n_failed > 0) {
		task_fail_with(t, children_errors(&f->c));
	} else {
		task_fail(t, KIND_MEMORY, "no memory for a task");
	}
}

int verb_any_step(act_self *self, void *task)
{
	struct task *t = task;
	struct any_frame *f = (void *)t->frame;
	CO_BEGIN(&f->co);
	if (!begin(self, f, t))
		return ACT_OK;
	task_waits(t, TASK_WAITS_CHILDREN, act_now_ns(self), 0);
	for (;;) {
		CO_CALL(&f->co, f->rc, children_next, &f->c);
		if (f->c.got != NULL)
			child_ended(f, f->c.got);
		else if (f->is_begun)
			break;
		else /* cancelled before the first step of what starts them */
			start_begun(self, &(struct starter){.f = f});
	}
	any_ends(self, f, t);
	CO_END(&f->co);
}

void verb_any_fini(struct task *t)
{
	struct any_frame *f = (void *)t->frame;
	children_fini(&f->c);
	json_decref(f->value);
	f->value = NULL;
	if (f->next != NULL)
		act_event_free(f->next);
	f->next = NULL;
}
