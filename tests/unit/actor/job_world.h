/*
 * job_world -- the keeper, its jobs, the limiter and two memory stores on a fake loop; servers that
 * answer by the path of the URL. The "durable" store outlives the rest, so that a test can drop
 * everything but it and begin anew.
 *
 *	/ok…  200 after 10 ms     /status/N, /sN  N     /slow/N  200 after N ms     /hang  never
 *	/down…  404, /hangs…  never, until they are mended
 *	/flaky/N  503 N times, then 200     /to/PATH  302 to PATH     /json  200 {"a":{"b":[1,2]}}
 *	/page/N  200 {"items":[N,"N"],"next":"/page/N-1"}, without next when N is 0
 */
#pragma once

#include "actor/host.h"
#include "actor/jobs.h"
#include "actor/limiter.h"
#include "actor/named.h"
#include "actor/store.h"
#include "base/check.h"
#include "base/rng.h"
#include "base/table.h"
#include "job/spec.h"
#include "proto/jsontree.h"
#include "tests/unit/run/world.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS NS_PER_MS
struct hosts {
	struct job_world *jw;
	act_id actor;
};

struct job_world {
	struct world w;
	struct store *durable, *memory;
	struct job_peers peers;
	struct hosts hosts;
	act_id keeper;
	int64_t start_ns;		     /* of this life */
	void (*equip)(struct job_world *jw); /* what else a life needs; NULL: nothing */
	struct act_shard_opts shard;
	/* what the servers saw */
	uint32_t n_requests, n_now, most_now, n_given_up;
	bool is_mended;	   /* /down… and /hangs… answer 200 */
	struct bytes seen; /* URLs, one a line */
	struct table flaky;
};

/* ---- the servers: stand in for actor/host ---- */

struct served {
	struct link link;
	struct act_timer timer;
	uint64_t token;
	int status;
	struct bytes body, location;
	bool is_retry_after;
};

struct server {
	struct job_world *jw;
	struct link calls;
};

/* No body is cut here. */
struct host_partial *host_partial_new(struct hosts *hosts, uint64_t kept_job, struct slice path)
{
	(void)hosts;
	(void)kept_job;
	(void)path;
	return NULL;
}

struct host_partial *host_partial_ref(struct host_partial *p)
{
	return p;
}

void host_partial_unref(struct host_partial *p)
{
	(void)p;
}

void host_partial_end(act_self *self, struct host_partial *p)
{
	(void)self;
	(void)p;
}

struct slice host_partial_held(const struct host_partial *p, struct resume_held *ret)
{
	(void)p;
	*ret = (struct resume_held){.size = 0};
	return (struct slice){NULL, 0};
}

void hosts_forget_job(act_self *self, struct hosts *hosts, uint64_t kept_job)
{
	(void)self;
	(void)hosts;
	(void)kept_job;
}

struct validators *hosts_validators(struct hosts *hosts)
{
	(void)hosts;
	return NULL; /* no fetch of these jobs asks for it */
}

struct host_call *host_call_new(void)
{
	return calloc(1, sizeof(struct host_call));
}

void host_call_free(void *call)
{
	struct host_call *c = call;
	if (c == NULL)
		return;
	bytes_fini(&c->mem);
	if (c->hold != NULL)
		c->hold_free(c->hold);
	free(c);
}

enum err host_call_reserve(struct host_call *c, size_t n)
{
	return bytes_reserve(&c->mem, n);
}

struct slice host_call_text(struct host_call *c, struct slice text)
{
	size_t at = c->mem.n;
	CHECK(at + text.n <= c->mem.cap);
	bytes_add_slice(&c->mem, text);
	return (struct slice){c->mem.p + at, text.n};
}

void host_done_free(void *done)
{
	struct host_done *d = done;
	if (d == NULL)
		return;
	bytes_fini(&d->body);
	bytes_fini(&d->mem);
	free(d->headers);
	free(d);
}

uint64_t host_done_take_file(struct host_done *d)
{
	uint64_t id = d->body_file;
	d->body_file = 0;
	return id;
}

struct host_done *host_done_of(act_msg *m)
{
	m->buf.dtor = NULL;
	return act_data(m);
}

int host_fetch(act_self *self, struct hosts *hosts, struct host_call *call, act_msg **ret_m)
{
	return act_ask_buf_patient(self, hosts->actor, HOST_FETCH, call, sizeof(*call),
				   host_call_free, ret_m);
}

static inline void served_free(struct server *s, struct served *v)
{
	list_remove(&v->link);
	bytes_fini(&v->body);
	bytes_fini(&v->location);
	free(v);
	s->jw->n_now--;
}

static inline void serve_now(act_self *self, struct server *s, struct served *v)
{
	struct host_done *d = calloc(1, sizeof(*d));
	d->has_head = true;
	d->status = v->status;
	d->minor = 1;
	d->reason = v->status == 200 ? SLICE_LIT("OK") : SLICE_LIT("");
	d->headers = calloc(2, sizeof(*d->headers));
	bytes_add(&d->mem, v->location.p != NULL ? v->location.p : "", v->location.n);
	if (v->location.n > 0)
		d->headers[d->n_headers++] =
			(struct xheader){SLICE_LIT("Location"), bytes_slice(&d->mem)};
	if (v->is_retry_after)
		d->headers[d->n_headers++] =
			(struct xheader){SLICE_LIT("Retry-After"), SLICE_LIT("2")};
	d->end = (struct xend){.ok = true, .request_sent = true};
	d->end.timing = (struct xtiming){-1, -1, -1, 1, 10};
	d->body = v->body;
	v->body = (struct bytes){0};
	d->body_size = d->body.n;
	act_reply_buf(self, v->token, HOST_DONE, d, sizeof(*d), host_done_free);
	served_free(s, v);
}

static inline void decide(struct server *s, struct served *v, struct slice target, int64_t *after)
{
	int n = 0;
	char path[256] = "";
	memcpy(path, target.p, target.n < 255 ? target.n : 255);
	*after = 10 * MS;
	v->status = 200;
	bytes_add_str(&v->body, "hello");
	if (sscanf(path, "/status/%d", &n) == 1 || sscanf(path, "/s%d", &n) == 1)
		v->status = n;
	else if (sscanf(path, "/slow/%d", &n) == 1)
		*after = n * MS;
	else if (strncmp(path, "/down", 5) == 0)
		v->status = s->jw->is_mended ? 200 : 404;
	else if (strncmp(path, "/hang", 5) == 0)
		*after = path[5] == 's' && s->jw->is_mended ? 10 * MS : -1;
	else if (strncmp(path, "/to/", 4) == 0) {
		v->status = 302;
		bytes_add_str(&v->location, path + 3);
	} else if (strncmp(path, "/json", 5) == 0) {
		bytes_clear(&v->body);
		bytes_add_str(&v->body, "{\"a\":{\"b\":[1,2]}}");
	} else if (sscanf(path, "/page/%d", &n) == 1) {
		bytes_clear(&v->body);
		bytes_printf(&v->body, "{\"items\":[%d,\"%d\"]", n, n);
		if (n > 0)
			bytes_printf(&v->body, ",\"next\":\"%d\"", n - 1);
		bytes_add_byte(&v->body, '}');
	} else if (sscanf(path, "/flaky/%d", &n) == 1) {
		uintptr_t so_far = (uintptr_t)table_get(&s->jw->flaky, target);
		table_put(&s->jw->flaky, target, (void *)(so_far + 1), NULL);
		v->status = (int)so_far < n ? 503 : 200;
	} else if (strncmp(path, "/later", 6) == 0) {
		uintptr_t so_far = (uintptr_t)table_get(&s->jw->flaky, target);
		table_put(&s->jw->flaky, target, (void *)(so_far + 1), NULL);
		v->status = so_far == 0 ? 429 : 200;
		v->is_retry_after = so_far == 0;
	}
}

static inline int server_msg(act_self *self, void *state, act_msg *m)
{
	struct server *s = state;
	struct host_call *c = act_data(m);
	struct served *v = calloc(1, sizeof(*v));
	struct job_world *jw = s->jw;
	bytes_add_slice(&jw->seen, c->req.target);
	bytes_add_byte(&jw->seen, '\n');
	jw->n_requests++;
	if (++jw->n_now > jw->most_now)
		jw->most_now = jw->n_now;
	v->token = m->token;
	int64_t after;
	decide(s, v, c->req.target, &after);
	host_call_free(c);
	m->buf.dtor = NULL;
	list_push_back(&s->calls, &v->link);
	if (after >= 0)
		act_timer_set(self, &v->timer, after);
	return ACT_OK;
}

static inline int server_signal(act_self *self, void *state, const struct act_sig *sig)
{
	struct server *s = state;
	if (sig->kind == ACT_SIG_TIMER)
		serve_now(self, s,
			  (struct served *)(void *)((char *)sig->ptr -
						    offsetof(struct served, timer)));
	if (sig->kind == ACT_SIG_ASK_GONE) {
		LIST_EACH_SAFE (l, &s->calls) {
			struct served *v = LIST_ENTRY(l, struct served, link);
			if (v->token != sig->ref)
				continue;
			act_timer_clear(self, &v->timer);
			served_free(s, v);
			s->jw->n_given_up++;
		}
	}
	return sig->kind == ACT_SIG_CANCEL ? ACT_EXIT : ACT_OK;
}

static inline int server_init(act_self *self, void *state, const void *arg)
{
	struct server *s = state;
	(void)self;
	s->jw = *(struct job_world *const *)arg;
	list_init(&s->calls);
	return ACT_OK;
}

static inline void server_fini(act_self *self, void *state, int why)
{
	struct server *s = state;
	(void)why;
	while (!list_empty(&s->calls)) {
		struct served *v = LIST_ENTRY(s->calls.next, struct served, link);
		act_timer_clear(self, &v->timer);
		served_free(s, v);
	}
}

static const act_class server_class = {
	.name = "server",
	.state_size = sizeof(struct server),
	.flags = ACT_CLASS_WANTS_ASK_GONE,
	.init = server_init,
	.on_msg = server_msg,
	.on_signal = server_signal,
	.fini = server_fini,
};

/* ---- the world ---- */

static inline void job_world_begin(struct job_world *jw)
{
	world_open_with(&jw->w, jw->shard);
	if (jw->start_ns > jw->w.fake.now_ns)
		world_run_for(&jw->w, jw->start_ns - jw->w.fake.now_ns);
	struct act_opts opts = {.cap = 60000};
	jw->hosts.jw = jw;
	jw->hosts.actor = act_spawn(jw->w.root, &server_class, &jw, &opts);
	struct store_actor_opts so = {.store = jw->durable, .clock = &jw->w.fake.clock};
	struct store_actor_opts mo = {.store = jw->memory, .clock = &jw->w.fake.clock};
	jw->peers = (struct job_peers){
		.durable = store_actor_spawn(jw->w.root, &so),
		.memory = store_actor_spawn(jw->w.root, &mo),
		.hosts = &jw->hosts,
		.clock = &jw->w.fake.clock,
		.config = jw->peers.config,
	};
	struct limiter_opts lo = {.clock = &jw->w.fake.clock, .boot_id = 1};
	jw->peers.limiter = limiter_spawn(jw->w.root, &lo);
	struct named_opts no = {.store = jw->peers.durable, .clock = &jw->w.fake.clock};
	jw->peers.named = named_spawn(jw->w.root, &no);
	if (jw->equip != NULL)
		jw->equip(jw);
	jw->keeper = jobs_spawn(jw->w.root, &jw->peers);
	ck_assert(jw->peers.durable != 0 && jw->peers.limiter != 0 && jw->keeper != 0);
	world_settle(&jw->w);
}

static inline void job_world_open(struct job_world *jw)
{
	struct store_options o = {.kind = STORE_MEMORY};
	*jw = (struct job_world){.n_now = 0};
	ck_assert_int_eq(store_open(&o, &jw->durable), ERR_OK);
	ck_assert_int_eq(store_open(&o, &jw->memory), ERR_OK);
	table_init(&jw->flaky, 1);
	job_world_begin(jw);
}

/* kill -9 and a new start: only the durable store is left, and the clock goes on. */
static inline void job_world_kill(struct job_world *jw)
{
	struct store_options o = {.kind = STORE_MEMORY};
	int64_t now = jw->w.fake.now_ns;
	world_close(&jw->w);
	store_close(jw->memory);
	ck_assert_int_eq(store_open(&o, &jw->memory), ERR_OK);
	jw->start_ns = now;
	job_world_begin(jw);
}

static inline void job_world_close(struct job_world *jw)
{
	world_close(&jw->w);
	store_close(jw->durable);
	store_close(jw->memory);
	bytes_fini(&jw->seen);
	table_fini(&jw->flaky);
}

/* ---- asking the keeper ---- */

struct asked {
	act_co co;
	int rc;
	struct job_world *jw;
	uint32_t type;
	void *payload;
	size_t size;
	act_cleanup dtor;
	act_msg *m;
	bool is_done;
	enum kind kind;
	struct bytes body; /* head and result */
	int64_t at_ns;
};

struct asked_frame {
	struct asked *a;
};

static inline int asked_step(act_self *self, void *frame)
{
	struct asked *a = ((struct asked_frame *)frame)->a;
	CO_BEGIN(&a->co);
	CO_AWAIT(&a->co, a->rc,
		 act_ask_buf(self, a->jw->keeper, a->type, a->payload, a->size, a->dtor, &a->m));
	a->is_done = true;
	a->at_ns = act_now_ns(self);
	if (a->rc == ACT_OK) {
		struct job_reply *r = act_data(a->m);
		a->kind = r->kind;
		bytes_add(&a->body, r->kind == KIND_NONE ? r->body.p : r->message.p,
			  r->kind == KIND_NONE ? r->body.n : r->message.n);
		act_drop(self, a->m);
	}
	CO_END(&a->co);
}

static inline struct asked *ask_keeper(struct job_world *jw, uint32_t type, void *payload,
				       size_t size, act_cleanup dtor)
{
	struct asked *a = calloc(1, sizeof(*a));
	*a = (struct asked){.jw = jw, .type = type, .payload = payload, .size = size, .dtor = dtor};
	struct asked_frame f = {a};
	struct act_task_opts o = {.frame_init = &f, .frame_init_size = sizeof(f)};
	ck_assert(act_spawn_task(jw->w.root, asked_step, sizeof(f), &o) != 0);
	return a;
}

static inline void asked_free(struct asked *a)
{
	bytes_fini(&a->body);
	free(a);
}

/* Runs until it is answered, at most so long. */
static inline void await_answer(struct job_world *jw, struct asked *a, int64_t ns)
{
	int64_t end = jw->w.fake.now_ns + ns;
	world_settle(&jw->w);
	while (!a->is_done && jw->w.fake.now_ns < end)
		world_run_for(&jw->w, MS);
	ck_assert_msg(a->is_done, "no answer");
	ck_assert_int_eq(a->rc, ACT_OK);
}

static inline struct asked *submit_start(struct job_world *jw, const char *text, bool attached)
{
	struct jobs_submit *s = jobs_submit_new();
	struct spec_options o = {.vars = NULL};
	struct spec_error e;
	enum err err = job_spec_parse(slice_of(text), &o, &s->spec, &e);
	ck_assert_msg(err == ERR_OK, "%s", e.sentence);
	bytes_add_str(&s->text, text);
	s->uid = 1000;
	s->is_attached = attached;
	s->is_volatile = !s->spec->durable;
	return ask_keeper(jw, JOBS_SUBMIT, s, sizeof(*s), jobs_submit_free);
}

/* The number of the new job. */
static inline uint64_t submit_as(struct job_world *jw, const char *text, bool attached)
{
	struct asked *a = submit_start(jw, text, attached);
	await_answer(jw, a, 1000 * MS);
	ck_assert_msg(a->kind == KIND_NONE, "%s", bytes_cstr(&a->body));
	uint64_t id = 0;
	ck_assert_int_eq(sscanf(bytes_cstr(&a->body), "{\"job\":\"j%lu\"", &id), 1);
	asked_free(a);
	return id;
}

static inline uint64_t submit(struct job_world *jw, const char *text)
{
	return submit_as(jw, text, false);
}

static inline struct job_call *call_of(uint64_t job, enum job_call_kind kind)
{
	struct job_call *c = job_call_new(kind);
	c->job = job;
	c->uid = 1000;
	return c;
}

static inline struct asked *ask_job(struct job_world *jw, struct job_call *c)
{
	return ask_keeper(jw, JOBS_CALL, c, sizeof(*c), job_call_free);
}

static inline struct asked *feed_start(struct job_world *jw, uint64_t job, uint64_t offset,
				       const char *items, bool end)
{
	struct job_call *c = call_of(job, JOB_CALL_FEED);
	c->feed.offset = offset;
	c->feed.end = end;
	bytes_add_str(&c->feed.items, items);
	return ask_job(jw, c);
}

static inline uint64_t feed(struct job_world *jw, uint64_t job, uint64_t offset, const char *items,
			    bool end)
{
	struct asked *a = feed_start(jw, job, offset, items, end);
	uint64_t next = 0;
	await_answer(jw, a, 1000 * MS);
	ck_assert_msg(a->kind == KIND_NONE, "%s", bytes_cstr(&a->body));
	ck_assert_int_eq(sscanf(bytes_cstr(&a->body), "{\"next\":%lu}", &next), 1);
	asked_free(a);
	return next;
}

static inline json_t *json_of(struct asked *a)
{
	json_error_t e;
	json_t *v = json_loadb(a->body.p, a->body.n, JSON_ALLOW_NUL, &e);
	ck_assert_msg(v != NULL, "%s in %s", e.text, bytes_cstr(&a->body));
	asked_free(a);
	return v;
}

/* A page of results as JSON. */
static inline json_t *results_after(struct job_world *jw, uint64_t job, uint64_t after,
				    uint64_t ack)
{
	struct job_call *c = call_of(job, JOB_CALL_RESULTS);
	c->results.after = after;
	c->results.ack = ack;
	c->results.wait_ms = 25000;
	struct asked *a = ask_job(jw, c);
	await_answer(jw, a, 26000 * MS);
	ck_assert_msg(a->kind == KIND_NONE, "%s", bytes_cstr(&a->body));
	return json_of(a);
}

/* All lines of the job as an array, in the order they came; checks that seqs have no hole. */
static inline json_t *all_results(struct job_world *jw, uint64_t job)
{
	json_t *all = json_array();
	uint64_t after = 0;
	for (int rounds = 0; rounds < 10000; rounds++) {
		json_t *page = results_after(jw, job, after, 0);
		size_t i;
		json_t *line;
		json_array_foreach(json_object_get(page, "results"), i, line)
		{
			after++;
			ck_assert_int_eq(json_integer_value(json_object_get(line, "seq")),
					 (json_int_t)after);
			json_array_append(all, line);
		}
		ck_assert_int_eq(json_integer_value(json_object_get(page, "next")),
				 (json_int_t)after);
		bool is_done = json_is_true(json_object_get(page, "done"));
		json_decref(page);
		if (is_done)
			return all;
	}
	struct asked *why = ask_job(jw, call_of(job, JOB_CALL_EXPLAIN));
	await_answer(jw, why, 1000 * MS);
	ck_abort_msg("the job does not end: %s", bytes_cstr(&why->body));
	return NULL;
}

/* The final record. */
static inline json_t *record(struct job_world *jw, uint64_t job)
{
	struct job_call *c = call_of(job, JOB_CALL_WAIT);
	c->wait_ms = 25000;
	struct asked *a = ask_job(jw, c);
	await_answer(jw, a, 26000 * MS);
	return json_of(a);
}

static inline const char *text_at(const json_t *v, const char *key)
{
	const char *s = json_string_value(json_object_get(v, key));
	return s != NULL ? s : "";
}

static inline json_int_t task_count(const json_t *rec, const char *key)
{
	return json_integer_value(json_object_get(json_object_get(rec, "tasks"), key));
}

/* Checks state and counts of a final record: "succeeded 3 ok 1 failed …" in the order of tasks. */
static inline void ended_as(struct job_world *jw, uint64_t job, const char *state, int ok,
			    int failed, int handled, int cancelled, int not_started)
{
	json_t *r = record(jw, job);
	char *text = json_dumps(r, 0);
	ck_assert_msg(strcmp(text_at(r, "state"), state) == 0, "%s", text);
	ck_assert_msg(task_count(r, "ok") == ok, "%s", text);
	ck_assert_msg(task_count(r, "failed") == failed, "%s", text);
	ck_assert_msg(task_count(r, "handled") == handled, "%s", text);
	ck_assert_msg(task_count(r, "cancelled") == cancelled, "%s", text);
	ck_assert_msg(task_count(r, "not_started") == not_started, "%s", text);
	ck_assert_msg(task_count(r, "total") == ok + failed + handled + cancelled + not_started,
		      "%s", text);
	free(text);
	json_decref(r);
}
