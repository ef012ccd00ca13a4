#include "job/line.h"

#include "job/recall.h"
#include "job/verb.h"
#include "job/verb_each.h"
#include "model/pointer.h"

#include <stdlib.h>
#include <string.h>

#define VALUE_BYTES (8u << 20)

static enum results_class class_of(const struct outcome *o)
{
	if (outcome_is_ok(o))
		return RESULTS_OK;
	if (o->state == OUTCOME_CANCELLED &&
	    (o->error == NULL || failure_kind(o->error) == KIND_CANCELLED))
		return RESULTS_CANCELLED;
	return RESULTS_FAILED;
}

bool line_is_item(const struct task *t)
{
	const struct node *n = t->node;
	return n->place == PLACE_EACH && verb_is_leaf(n->verb) && n->n_catch == 0 &&
	       n->parent->u.each.in.kind != SOURCE_QUEUE && n->finally == NULL && n->n_with == 0;
}

static void count(struct task *t, enum results_class c)
{
	uint64_t *of[] = {[RESULTS_OK] = &t->env->tally.ok,
			  [RESULTS_FAILED] = &t->env->tally.failed,
			  [RESULTS_CANCELLED] = &t->env->tally.cancelled};
	++*of[c];
	if (c == RESULTS_FAILED)
		t->out.n_failed++;
	if (line_is_item(t) && !t->is_told) {
		t->is_told = true;
		t->env->n_told++;
	}
}

bool line_recall(struct task *t)
{
	char path[TASK_PATH_MAX];
	if (recall_is_empty(t->env->recall))
		return false;
	return recall_outcome(t->env->recall, task_path_in(t, path), &t->out);
}

bool line_needs_doc(const struct task *t)
{
	const struct results_spec *r = &t->env->spec->results;
	return (r->where != NULL && cond_needs_doc(r->where)) || r->n_pointer > 0;
}

/* ---- the record ---- */

static struct slice tag_of(struct task *t, const struct line_about *about, struct bytes *mem)
{
	struct interp_env env = names_env(t->names);
	struct interp_error e;
	json_t *v = NULL;
	if (about->fetch != NULL && about->fetch->tag.n > 0)
		return about->fetch->tag;
	if (t->node->tag.json == NULL || spec_value_render(&t->node->tag, &env, &v, &e) != ERR_OK)
		return (struct slice){NULL, 0};
	char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
	bytes_add_str(mem, text != NULL ? text : "null");
	free(text);
	json_decref(v);
	return bytes_slice(mem);
}

static void tell_error(const struct task *t, struct result_record *rec, struct bytes *mem)
{
	if (t->out.error == NULL)
		return;
	rec->kind = failure_kind(t->out.error);
	rec->message = failure_message(t->out.error);
	if (rec->kind != KIND_GROUP || failure_write(t->out.error, mem) != ERR_OK)
		return;
	rec->error = bytes_slice(mem);
}

bool line_is_wanted(const struct task *t, const struct line_about *about)
{
	const struct cond *where = t->env->spec->results.where;
	struct cond_input in = {.has_result = true,
				.status = about->rec->status,
				.kind = t->out.error != NULL ? failure_kind(t->out.error)
							     : KIND_NONE,
				.headers = about->header,
				.n_headers = about->n_header,
				.doc = about->doc};
	return where == NULL || cond_holds(where, &in, NULL, NULL);
}

/* Without memory for the whole, the line shrinks to what says that and why. */
static void shrink(struct result_record *rec)
{
	rec->body = rec->value = rec->error = rec->reason = rec->final_url =
		(struct slice){NULL, 0};
	rec->n_header = rec->n_history = 0;
	rec->has_headers = false;
}

/* `"/items/0/id":7`: members of the body that results.select names, behind all others. */
static void add_pointers(const struct results_spec *s, const json_t *doc, struct bytes *out)
{
	for (uint32_t i = 0; i < s->n_pointer; i++) {
		const json_t *v = pointer_get(doc, s->pointer[i]);
		char *text = v != NULL ? json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
		if (text != NULL && out->err == ERR_OK) {
			out->n--;
			bytes_add_byte(out, ',');
			result_add_string(out, s->pointer[i]);
			bytes_add_byte(out, ':');
			bytes_add_str(out, text);
			bytes_add_byte(out, '}');
		}
		free(text);
	}
}

/* The number it got; 0: none, or not yet. */
static uint64_t write_line(struct task *t, const struct line_about *about, enum results_class c)
{
	struct results *r = t->env->results;
	struct result_record *rec = about->rec;
	struct results_line line;
	for (int tries = 0; tries < 2; tries++) {
		if (results_begin(r, task_turn(t), &line) != ERR_OK)
			return 0;
		rec->seq = line.seq;
		if (result_add(line.out, rec) == ERR_OK && about->doc != NULL && tries == 0)
			add_pointers(&t->env->spec->results, about->doc, line.out);
		if (results_end(r, &line, c) == ERR_OK)
			return line.seq;
		shrink(rec);
	}
	return 0;
}

/* The result as others see it by ${id}: the line, and `json`. */
static void set_value(struct task *t, const struct line_about *about)
{
	struct bytes text = BYTES_LIMIT(VALUE_BYTES);
	struct result_record whole = *about->rec;
	whole.select = 0;
	whole.file = about->value_file;
	if (whole.file.p == NULL)
		whole.body = about->value_body;
	if (result_add(&text, &whole) == ERR_OK) {
		json_t *v = json_loadb(text.p, text.n, JSON_ALLOW_NUL, NULL);
		if (v != NULL && about->doc != NULL)
			json_object_set(v, "json", (json_t *)(uintptr_t)about->doc);
		json_decref(t->out.value);
		t->out.value = v;
	}
	bytes_fini(&text);
}

/* ---- what goes with it ---- */

static void remember(struct task *t, enum results_class c, uint64_t seq)
{
	char path[TASK_PATH_MAX];
	if (!line_is_item(t)) {
		recall_put_outcome(t->env, task_path_in(t, path), &t->out, seq);
		return;
	}
	struct done_mark m = {.index = t->index};
	if (t->out.state == OUTCOME_FAILED)
		m.kind = failure_kind(t->out.error);
	else if (t->out.state == OUTCOME_CANCELLED)
		m.kind = KIND_CANCELLED;
	m.n_failed = (uint32_t)t->out.n_failed;
	results_mark(t->env->results, each_cursor(t->up), &m);
	each_keep_item(t, &m, (int)c, seq);
	each_list_keep(t);
	t->is_marked = true;
}

/* The line that this one replaces, of a leaf that runs again. */
static uint64_t superseded(struct task *t)
{
	char path[TASK_PATH_MAX];
	struct slice at, data;
	int64_t seq;
	if (!t->env->is_again || t->supersedes != 0)
		return t->supersedes;
	at = task_path_in(t, path);
	if (!recall_get(t->env->recall, at, RECALL_AGAIN, &seq, &data))
		return 0;
	recall_drop(t->env, at, RECALL_AGAIN);
	return (uint64_t)seq;
}

void line_tell(act_self *self, struct task *t, struct line_about *about,
	       struct results_wait *ret_wait)
{
	char path[TASK_PATH_MAX];
	struct bytes tag = BYTES_LIMIT(1 << 20), error = BYTES_LIMIT(1 << 20);
	struct result_record *rec = about->rec;
	enum results_class c = class_of(&t->out);
	rec->job = jobenv_id(t->env);
	rec->task = task_path_in(t, path);
	rec->supersedes = superseded(t);
	rec->ok = outcome_is_ok(&t->out);
	rec->tag = tag_of(t, about, &tag);
	rec->at_wall_ns = clock_wall_ns(t->env->clock);
	rec->select = t->env->spec->results.select;
	tell_error(t, rec, &error);
	count(t, c);
	results_make_room(t->env->results);
	uint64_t seq = 0;
	if (line_is_wanted(t, about))
		seq = write_line(t, about, c);
	else
		results_count(t->env->results, c);
	if (about->is_value)
		set_value(t, about);
	remember(t, c, seq);
	bytes_fini(&tag);
	bytes_fini(&error);
	task_waits(t, TASK_WAITS_COMMIT, act_now_ns(self), 0);
	*ret_wait = (struct results_wait){.r = t->env->results,
					  .no = results_commit_no(t->env->results)};
}

int line_wait(act_self *self, void *frame)
{
	return results_wait(self, frame);
}

int line_plain(act_self *self, void *frame)
{
	struct line_plain *f = frame;
	CO_BEGIN(&f->co);
	struct result_record rec = {.size = -1, .value = f->value, .timing = RESULT_NO_TIMING};
	struct line_about about = {.rec = &rec};
	line_tell(self, f->t, &about, &f->wait);
	CO_CALL(&f->co, f->rc, results_wait, &f->wait);
	CO_END(&f->co);
}
