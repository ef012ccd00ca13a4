/*
 * job_explain -- `explain`: of a job, what its tasks wait for and which keys hold them back; of one
 * task, what it does or waits for, how far what is below it is, and, once it has ended, its lines
 * with their attempts, found among the results.
 */
#include "actor/job_held.h"
#include "actor/job_state.h"
#include "actor/leaf_explain.h"
#include "actor/store.h"
#include "job/feed.h"
#include "job/mods.h"
#include "job/progress.h"
#include "job/results.h"
#include "job/verb.h"
#include "proto/result.h"

#include <stdlib.h>
#include <string.h>

#define TASKS_MAX  256
#define GROUPS_MAX 32
#define LINES_MAX  8
#define SCAN_BYTES (512u << 20) /* of results that are looked through */
#define PAGE_BYTES (1u << 20)

struct explain {
	act_co co;
	int rc;
	struct job *j;
	struct jobenv *env; /* a reference */
	struct job_call *call;
	struct bytes out;
	struct limit_explain_ask keys;
	act_msg *m;
	bool wants_keys, wants_lines;
	const struct node *node; /* of the path */
	/* its lines */
	struct bytes lines;
	uint64_t after, scanned, ok_below, failed_below;
	uint32_t n_lines;
	bool more;
};

static struct slice path_of(const struct explain *x)
{
	return bytes_slice(&x->call->text);
}

/* ---- one task ---- */

static void add_times(act_self *self, const struct task *t, struct bytes *out)
{
	int64_t now = act_now_ns(self), deadline = mods_deadline_ns(t);
	if (t->wait_since_ns > 0)
		bytes_printf(out, ",\"since_ms\":%lld",
			     (long long)((now - t->wait_since_ns) / NS_PER_MS));
	else if (t->is_started)
		bytes_printf(out, ",\"since_ms\":%lld",
			     (long long)((now - t->begun_ns) / NS_PER_MS));
	if (t->wait_until_ns > now)
		bytes_printf(out, ",\"in_ms\":%lld",
			     (long long)((t->wait_until_ns - now) / NS_PER_MS));
	if (deadline > now)
		bytes_printf(out, ",\"timeout_in_ms\":%lld",
			     (long long)((deadline - now) / NS_PER_MS));
}

static void add_progress(const struct task *t, struct bytes *out)
{
	struct progress p;
	if (!progress_of(t, &p))
		return;
	bytes_printf(out,
		     ",\"below\":{\"ok\":%llu,\"failed\":%llu,\"cancelled\":%llu,\"running\":%llu,"
		     "\"waiting\":%llu,\"not_started\":%llu}",
		     (unsigned long long)p.ok, (unsigned long long)p.failed,
		     (unsigned long long)p.cancelled, (unsigned long long)p.running,
		     (unsigned long long)p.waiting, (unsigned long long)p.not_started);
}

static void add_task(act_self *self, const struct task *t, struct slice path, struct bytes *out)
{
	bytes_printf(out, "{\"task\":\"%.*s\",\"verb\":\"%s\",\"state\":\"%s\"", (int)path.n,
		     path.p, verb_name(t->node->verb),
		     t->is_started ? progress_state(t) : "has not begun");
	add_times(self, t, out);
	bytes_add_byte(out, '}');
}

/* The task that is asked about: all there is to tell. */
static void add_this(act_self *self, const struct task *t, struct slice path, struct bytes *out)
{
	add_task(self, t, path, out);
	if (out->n == 0 || out->err != ERR_OK)
		return;
	out->n--;
	if (t->node->id.n > 0) {
		bytes_add_str(out, ",\"id\":");
		result_add_string(out, t->node->id);
	}
	leaf_explain(t, out);
	add_progress(t, out);
	bytes_add_byte(out, '}');
}

/* ---- all tasks ---- */

struct alike {
	enum verb verb;
	const char *state;
	uint32_t n;
	const struct task *longest;
};

static int64_t since(const struct task *t)
{
	return t->wait_since_ns > 0 ? t->wait_since_ns : t->begun_ns;
}

static uint32_t group(const struct job *j, struct alike g[GROUPS_MAX])
{
	uint32_t n = 0;
	LIST_EACH (l, &j->env->tasks) {
		const struct task *t = LIST_ENTRY(l, struct task, all);
		const char *state = t->is_started ? progress_state(t) : "has not begun";
		uint32_t k = 0;
		while (k < n && (g[k].verb != t->node->verb || g[k].state != state))
			k++;
		if (k == GROUPS_MAX)
			continue;
		if (k == n)
			g[n++] = (struct alike){t->node->verb, state, 0, t};
		g[k].n++;
		if (since(t) < since(g[k].longest))
			g[k].longest = t;
	}
	return n;
}

static void add_groups(act_self *self, const struct job *j, struct bytes *out)
{
	struct alike g[GROUPS_MAX];
	char path[TASK_PATH_MAX];
	uint32_t n = group(j, g);
	bytes_add_str(out, ",\"summary\":[");
	for (uint32_t i = 0; i < n; i++) {
		int64_t ms = (act_now_ns(self) - since(g[i].longest)) / NS_PER_MS;
		struct slice at = task_path_in(g[i].longest, path);
		bytes_printf(out,
			     "%s{\"verb\":\"%s\",\"state\":\"%s\",\"n\":%u,\"longest_ms\":%lld,"
			     "\"longest\":\"%.*s\"}",
			     i > 0 ? "," : "", verb_name(g[i].verb), g[i].state, g[i].n,
			     (long long)(g[i].longest->is_started ? ms : 0), (int)at.n, at.p);
	}
	bytes_add_byte(out, ']');
}

static bool is_at_or_below(struct slice path, struct slice root)
{
	return root.n == 0 || (path.n >= root.n && memcmp(path.p, root.p, root.n) == 0 &&
			       (path.n == root.n || path.p[root.n] == '.'));
}

static void add_tasks(act_self *self, struct explain *x)
{
	char buf[TASK_PATH_MAX];
	uint32_t n = 0;
	bytes_add_str(&x->out, ",\"tasks\":[");
	LIST_EACH (l, &x->j->env->tasks) {
		const struct task *t = LIST_ENTRY(l, struct task, all);
		struct slice path = task_path_in(t, buf);
		if (!t->is_started || !is_at_or_below(path, path_of(x)))
			continue;
		bytes_add_str(&x->out, n++ > 0 ? "," : "");
		add_task(self, t, path, &x->out);
		if (n == TASKS_MAX)
			break;
	}
	bytes_add_byte(&x->out, ']');
}

/* ---- the beginning of the answer ---- */

static void add_head(act_self *self, struct explain *x)
{
	const struct job_call *c = x->call;
	bytes_add_str(&x->out, "{\"job\":\"");
	job_id_add(&x->out, x->j->number, x->j->is_volatile);
	bytes_printf(&x->out, "\",\"state\":\"%s\"", store_job_state_text(x->j->state));
	if (c->queue.is_queued && x->j->state == STORE_JOB_QUEUED)
		bytes_printf(&x->out, ",\"queue\":{\"ahead\":%u,\"running\":%u,\"since_ms\":%lld}",
			     c->queue.ahead, c->queue.running,
			     (long long)((act_now_ns(self) - c->queue.since_ns) / NS_PER_MS));
}

/* ---- lines of a task that has ended ---- */

/* Without what is large: `explain` tells what happened, `results` what came. */
static void keep_line(struct explain *x, struct slice line)
{
	static const char *const large[] = {"body", "body_base64", "headers", "value", "job"};
	json_t *v = json_loadb(line.p, line.n, JSON_ALLOW_NUL, NULL);
	for (size_t i = 0; v != NULL && i < sizeof(large) / sizeof(large[0]); i++)
		json_object_del(v, large[i]);
	char *text = v != NULL ? json_dumps(v, JSON_COMPACT) : NULL;
	if (text != NULL) {
		if (x->lines.n > 0)
			bytes_add_byte(&x->lines, ',');
		bytes_add_str(&x->lines, text);
		x->n_lines++;
	}
	free(text);
	json_decref(v);
}

static void take_line(struct explain *x, struct slice line)
{
	static const char key[] = "\"task\":\"";
	size_t head = line.n < 128 ? line.n : 128;
	const char *at = memmem(line.p, head, key, sizeof(key) - 1);
	const char *end = line.p + line.n, *p = at != NULL ? at + sizeof(key) - 1 : end;
	const char *q = memchr(p, '"', (size_t)(end - p));
	struct slice task = {p, q != NULL ? (size_t)(q - p) : 0}, path = path_of(x);
	if (!is_at_or_below(task, path))
		return;
	if (task.n == path.n && x->n_lines < LINES_MAX)
		keep_line(x, line);
	bool is_ok = memmem(q, (size_t)(end - q) < 512 ? (size_t)(end - q) : 512, "\"ok\":true",
			    9) != NULL;
	*(is_ok ? &x->ok_below : &x->failed_below) += task.n > path.n;
}

static void take_chunks(struct explain *x)
{
	const struct store_rows *rows = job_rows(x->m);
	x->more = rows != NULL && rows->more && rows->n > 0;
	for (uint32_t i = 0; rows != NULL && i < rows->n; i++) {
		const struct store_chunk *c = &rows->row[i].chunk;
		const char *p = c->lines.p, *end = p + c->lines.n, *nl;
		for (; p < end && (nl = memchr(p, '\n', (size_t)(end - p))) != NULL; p = nl + 1)
			take_line(x, (struct slice){p, (size_t)(nl - p)});
		x->after = c->first_seq + c->n - 1;
		x->scanned += c->lines.n;
	}
	x->more = x->more && x->scanned < SCAN_BYTES;
}

static int read_chunks(act_self *self, struct explain *x)
{
	struct store_query q = {.kind = STORE_Q_CHUNKS,
				.job = x->j->number,
				.after = x->after,
				.max_bytes = PAGE_BYTES};
	return job_read(self, x->j, &q, &x->m);
}

static void add_gone(struct explain *x)
{
	struct bytes why = BYTES_LIMIT(1024);
	bool has_lines = x->n_lines > 0 || x->ok_below + x->failed_below > 0;
	bytes_printf(&x->out, ",\"task\":{\"task\":\"%.*s\",\"verb\":\"%s\",\"state\":\"%s\"",
		     (int)path_of(x).n, path_of(x).p, verb_name(x->node->verb),
		     has_lines ? "has ended" : "has not begun");
	if (!has_lines && job_has_ended(x->j))
		bytes_add_str(&why, "the job ended before it came to it, or it left no line");
	else if (!has_lines)
		progress_why_not(x->j->env, path_of(x), &why);
	if (why.n > 0) {
		bytes_add_str(&x->out, ",\"why\":");
		result_add_string(&x->out, bytes_slice(&why));
	}
	if (x->ok_below + x->failed_below > 0)
		bytes_printf(&x->out, ",\"lines_below\":{\"ok\":%llu,\"failed\":%llu}",
			     (unsigned long long)x->ok_below, (unsigned long long)x->failed_below);
	bytes_add_str(&x->out, "},\"results\":[");
	bytes_add(&x->out, x->lines.p != NULL ? x->lines.p : "", x->lines.n);
	bytes_add_byte(&x->out, ']');
	bytes_fini(&why);
}

/* ---- the question ---- */

static bool refuse(act_self *self, struct explain *x)
{
	struct job_call *c = x->call;
	struct bytes why = BYTES_LIMIT(1024);
	x->call = NULL;
	bytes_printf(&why, "the job has no task %.*s", (int)path_of(&(struct explain){.call = c}).n,
		     c->text.p);
	job_call_refuse(self, c, KIND_NOT_FOUND, bytes_cstr(&why));
	bytes_fini(&why);
	return false;
}

/* The leaves of an each are told apart by their index. */
static uint64_t leaf_of(struct slice path)
{
	uint64_t n = 0, unit = 1;
	for (size_t i = path.n; i > 0 && path.p[i - 1] >= '0' && path.p[i - 1] <= '9'; i--) {
		n += unit * (uint64_t)(path.p[i - 1] - '0');
		unit *= 10;
	}
	return n;
}

/* What memory tells. False: it has been refused. */
static bool begin(act_self *self, struct explain *x)
{
	struct job *j = x->j;
	struct slice path = path_of(x);
	bool is_whole = path.n == 0;
	x->node = is_whole ? j->spec->root : progress_node(j->spec, path);
	if (x->node == NULL)
		return refuse(self, x);
	add_head(self, x);
	const struct task *t = is_whole ? NULL : progress_task(j->env, path);
	if (t != NULL) {
		bytes_add_str(&x->out, ",\"task\":");
		add_this(self, t, path, &x->out);
	}
	if (is_whole)
		add_groups(self, j, &x->out);
	x->wants_lines = !is_whole && t == NULL;
	x->wants_keys = is_whole || (t != NULL && t->wait != TASK_WAITS_BACKOFF);
	bool is_leaf = t != NULL && verb_is_leaf(t->node->verb);
	x->keys = (struct limit_explain_ask){.job = j->number * 2 + j->is_volatile,
					     .leaf = is_leaf ? leaf_of(path) : UINT64_MAX,
					     .max = 256};
	return true;
}

static int explain_step(act_self *self, void *frame)
{
	struct explain *x = act_arg(self);
	(void)frame;
	struct job_call *c;
	CO_BEGIN(&x->co);
	if (!begin(self, x))
		return ACT_OK;
	for (x->more = x->wants_lines; x->more;) {
		CO_AWAIT(&x->co, x->rc, read_chunks(self, x));
		if (x->rc != ACT_OK)
			break;
		take_chunks(x);
		act_drop(self, x->m);
	}
	if (x->wants_lines)
		add_gone(x);
	add_tasks(self, x);
	if (x->wants_keys) {
		CO_AWAIT(&x->co, x->rc,
			 act_ask(self, x->j->peers->limiter, LIMIT_EXPLAIN, &x->keys,
				 sizeof(x->keys), &x->m));
		bytes_add_str(&x->out, ",\"limits\":");
		if (x->rc == ACT_OK)
			job_held_add(&x->out, act_data(x->m), act_now_ns(self));
		else
			bytes_add_str(&x->out, "[]");
		if (x->rc == ACT_OK)
			act_drop(self, x->m);
	}
	bytes_add_byte(&x->out, '}');
	c = x->call;
	x->call = NULL;
	job_call_done(self, c, &x->out);
	CO_END(&x->co);
}

/* Also of one that was killed in the middle. */
static void explain_free(void *explain)
{
	struct explain *x = explain;
	job_call_free(x->call);
	bytes_fini(&x->out);
	bytes_fini(&x->lines);
	jobenv_unref(x->env);
	free(x);
}

void job_on_explain(act_self *self, struct job *j, struct job_call *c)
{
	struct explain *x = calloc(1, sizeof(*x));
	struct act_task_opts opts = {.name = "explain", .arg = x, .arg_dtor = explain_free};
	if (x == NULL) {
		job_call_refuse(self, c, KIND_MEMORY, "out of memory");
		return;
	}
	*x = (struct explain){.j = j, .env = jobenv_ref(j->env), .call = c};
	bytes_init(&x->out, 4u << 20);
	bytes_init(&x->lines, 1u << 20);
	act_spawn_task(self, explain_step, 0, &opts); /* if it cannot, the call is dropped */
}
