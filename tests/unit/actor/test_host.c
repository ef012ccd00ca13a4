/* What hosts promise: one reply for each call, bodies bounded, aborts at once, idle ones gone. */
#include "actor/host.h"
#include "edge/bodyfile.h"
#include "edge/failure.h"
#include "run/scope.h"
#include "tests/kit/fakepool.h"
#include "tests/kit/scriptx.h"
#include "tests/kit/store_kit.h"
#include "tests/unit/run/world.h"

#include <check.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
	struct world w;
	struct fakepool pool;
	struct scriptx x;
	struct hosts *hosts;
	struct bodydir *bodies;
	struct failure lost, *failure;
	char *dir;
} lab;

static void open_lab(bool has_files)
{
	memset(&lab, 0, sizeof(lab));
	fakeloop_init(&lab.w.fake);
	fakepool_init(&lab.pool, &lab.w.fake, 3, 5 * NS_PER_MS);
	struct act_shard_opts opts = {.seed = 1,
				      .clock = &lab.w.fake.clock,
				      .loop = &lab.w.fake.loop,
				      .offload = &lab.pool.pool};
	lab.w.sh = act_shard_new(&opts);
	lab.w.root = act_shard_root(lab.w.sh);
	scriptx_init(&lab.x, &lab.w.fake, 5, NULL, NULL);
	if (has_files) {
		lab.dir = store_kit_dir();
		lab.failure = &lab.lost;
		struct bodydir_options o = {.dir = lab.dir,
					    .name = "bodies",
					    .is_durable = true,
					    .failure = lab.failure};
		ck_assert_int_eq(bodydir_open(&o, &lab.bodies), ERR_OK);
	}
	struct host_opts ho = {.exchange = &lab.x.base, .bodies = lab.bodies, .seed = 1};
	lab.hosts = hosts_new(&ho);
	ck_assert_ptr_nonnull(lab.hosts);
}

static void close_lab(void)
{
	world_close(&lab.w);
	hosts_free(lab.hosts);
	scriptx_fini(&lab.x);
	if (lab.bodies == NULL)
		return;
	bodydir_close(lab.bodies);
	store_kit_remove(lab.dir);
}

struct fetcher {
	const char *origin, *target;
	enum host_body body;
	bool want_sha256;
	int64_t max_rate, timeout_ns;
	struct host_partial *partial; /* a reference goes with the call */
	struct host_done *done;
	int rc;
	int64_t ended_ns;
	act_id id;
};

struct fetcher_frame {
	act_co co;
	int rc;
	act_msg *m;
	act_scope *scope;
};

static struct host_call *call_of(const struct fetcher *f)
{
	struct host_call *c = host_call_new();
	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(host_call_reserve(c, 512), ERR_OK);
	c->origin = host_call_text(c, slice_of(f->origin));
	c->req.host = host_call_text(c, slice_of(f->origin + 7));
	c->req.authority = c->req.host;
	c->req.port = 80;
	c->req.method = SLICE_LIT("GET");
	c->req.target = host_call_text(c, slice_of(f->target));
	c->body = f->body;
	c->want_sha256 = f->want_sha256;
	c->max_rate_bytes = f->max_rate;
	if (f->partial != NULL) {
		struct resume_held held;
		host_partial_held(f->partial, &held);
		c->partial = host_partial_ref(f->partial);
		c->url = host_call_text(c, slice_of(f->target));
		c->resume_from = held.size;
	}
	return c;
}

static int fetcher_step(act_self *self, void *frame)
{
	struct fetcher_frame *f = frame;
	struct fetcher *me = act_arg(self);
	CO_BEGIN(&f->co);
	if (me->timeout_ns > 0)
		f->scope = act_scope_open(self, me->timeout_ns);
	CO_AWAIT(&f->co, f->rc, host_fetch(self, lab.hosts, call_of(me), &f->m));
	me->rc = f->rc;
	me->ended_ns = act_now_ns(self);
	if (f->rc == ACT_OK) {
		me->done = host_done_of(f->m);
		act_drop(self, f->m);
	}
	if (f->scope != NULL)
		act_scope_close(self, f->scope, ACT_OK, NULL);
	CO_END(&f->co);
}

static void start(struct fetcher *f)
{
	struct act_task_opts o = {.name = "fetcher", .arg = f};
	f->rc = 99;
	f->id = act_spawn_task(lab.w.root, fetcher_step, sizeof(struct fetcher_frame), &o);
	ck_assert_uint_ne(f->id, 0);
}

static struct host_stats stats(void)
{
	struct host_stats s;
	hosts_stats(lab.hosts, &s);
	return s;
}

static void check_pattern(struct slice body, size_t n)
{
	ck_assert_uint_eq(body.n, n);
	size_t wrong = 0;
	for (size_t i = 0; i < n; i++)
		wrong += body.p[i] != scriptx_byte(i);
	ck_assert_uint_eq(wrong, 0);
}

/* Reads a body file through. */
static void check_file(const struct host_done *d, size_t n)
{
	struct bodyread *r;
	char *all = malloc(n + 1);
	size_t got = 0, total = 0;
	ck_assert_uint_ne(d->body_file, 0);
	ck_assert_uint_eq(d->body_size, n);
	ck_assert_int_eq(bodyread_open(lab.bodies, d->body_file, n, d->sha256, &r), ERR_OK);
	do {
		ck_assert_int_eq(bodyread_at(r, total, all + total, n + 1 - total, &got), ERR_OK);
		total += got;
	} while (got > 0);
	check_pattern((struct slice){all, total}, n);
	bodyread_close(r);
	free(all);
}

START_TEST(a_small_body_comes_in_one_buffer)
{
	struct fetcher f = {.origin = "http://a", .target = "/size/1000", .want_sha256 = true};
	open_lab(true);
	start(&f);
	world_run_for(&lab.w, NS_PER_S);
	ck_assert_int_eq(f.rc, ACT_OK);
	ck_assert(f.done->end.ok && f.done->has_head);
	ck_assert_int_eq(f.done->status, 200);
	ck_assert_uint_eq(f.done->body_file, 0);
	check_pattern(bytes_slice(&f.done->body), 1000);
	unsigned char digest[32];
	SHA256((const unsigned char *)f.done->body.p, 1000, digest);
	ck_assert(f.done->has_sha256);
	ck_assert_mem_eq(digest, f.done->sha256, 32);
	ck_assert_uint_eq(stats().body_bytes, 1000);
	host_done_free(f.done);
	ck_assert_uint_eq(stats().body_bytes, 0);
	close_lab();
}
END_TEST

static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 200000, 5000000};

START_TEST(sixty_four_kib_stay_in_memory_and_more_goes_to_a_file)
{
	char target[40];
	size_t n = sizes[_i];
	snprintf(target, sizeof(target), "/size/%zu/slow/40", n);
	struct fetcher f = {.origin = "http://a", .target = target};
	open_lab(true);
	start(&f);
	world_run_for(&lab.w, 20 * NS_PER_S);
	ck_assert_int_eq(f.rc, ACT_OK);
	ck_assert(f.done->end.ok);
	ck_assert_uint_eq(f.done->body_size, n);
	if (n <= HOST_BODY_MEMORY)
		check_pattern(bytes_slice(&f.done->body), n);
	else
		check_file(f.done, n);
	host_done_free(f.done);
	world_run_for(&lab.w, NS_PER_S);
	ck_assert_uint_eq(stats().body_bytes, 0);
	ck_assert_uint_eq(stats().n_calls, 0);
	close_lab();
}
END_TEST

START_TEST(an_unwanted_file_is_removed_and_a_taken_one_stays)
{
	struct fetcher f[3] = {{.origin = "http://a", .target = "/size/100000"},
			       {.origin = "http://a", .target = "/size/100000"},
			       {.origin = "http://a", .target = "/size/10"}};
	struct bodyread *r;
	uint8_t sha[32];
	open_lab(true);
	start(&f[0]);
	start(&f[1]);
	world_run_for(&lab.w, NS_PER_S);
	uint64_t kept = host_done_take_file(f[0].done), gone = f[1].done->body_file;
	memcpy(sha, f[0].done->sha256, sizeof(sha));
	host_done_free(f[0].done);
	host_done_free(f[1].done);
	start(&f[2]);
	world_run_for(&lab.w, NS_PER_S);
	ck_assert_int_eq(bodyread_open(lab.bodies, kept, 100000, sha, &r), ERR_OK);
	bodyread_close(r);
	ck_assert_int_eq(bodyread_open(lab.bodies, gone, 100000, sha, &r), ERR_CORRUPT);
	host_done_free(f[2].done);
	close_lab();
}
END_TEST

/* A thousand bodies at once: beyond 32 MiB in all they spill however small they are. */
START_TEST(all_bodies_in_memory_together_are_bounded)
{
	enum { N = 900 };
	static struct fetcher f[N];
	uint64_t most = 0;
	open_lab(true);
	for (int i = 0; i < N; i++) {
		f[i] = (struct fetcher){.origin = "http://a", .target = "/size/60000/slow/50"};
		start(&f[i]);
	}
	for (int i = 0; i < 200; i++) {
		world_run_for(&lab.w, 100 * NS_PER_MS);
		most = stats().body_bytes > most ? stats().body_bytes : most;
	}
	unsigned n_files = 0;
	for (int i = 0; i < N; i++) {
		ck_assert_int_eq(f[i].rc, ACT_OK);
		ck_assert(f[i].done->end.ok);
		ck_assert_uint_eq(f[i].done->body_size, 60000);
		n_files += f[i].done->body_file != 0;
		host_done_free(f[i].done);
	}
	ck_assert_uint_gt(n_files, 100);
	ck_assert_uint_le(most, HOST_BODIES_MEMORY + N * (HOST_BODY_MEMORY / 2));
	ck_assert_uint_eq(stats().body_bytes, 0);
	close_lab();
}
END_TEST

START_TEST(a_dropped_body_is_counted_and_hashed)
{
	struct fetcher f = {.origin = "http://a",
			    .target = "/size/3000000",
			    .body = HOST_BODY_DROP,
			    .want_sha256 = true};
	open_lab(true);
	start(&f);
	world_run_for(&lab.w, 10 * NS_PER_S);
	ck_assert_uint_eq(f.done->body_size, 3000000);
	ck_assert_uint_eq(f.done->body.n, 0);
	ck_assert_uint_eq(f.done->body_file, 0);
	ck_assert(f.done->has_sha256);
	host_done_free(f.done);
	close_lab();
}
END_TEST

START_TEST(without_a_place_for_files_bodies_stay_in_memory)
{
	struct fetcher f = {.origin = "http://a", .target = "/size/300000"};
	open_lab(false);
	start(&f);
	world_run_for(&lab.w, 10 * NS_PER_S);
	check_pattern(bytes_slice(&f.done->body), 300000);
	host_done_free(f.done);
	close_lab();
}
END_TEST

START_TEST(a_failure_is_a_reply_with_its_kind)
{
	struct fetcher f[2] = {{.origin = "http://a", .target = "/fail/read.timeout"},
			       {.origin = "http://a", .target = "/fail/connect.refused/unsent"}};
	open_lab(true);
	start(&f[0]);
	start(&f[1]);
	world_run_for(&lab.w, NS_PER_S);
	ck_assert(!f[0].done->end.ok && !f[0].done->has_head);
	ck_assert_int_eq(f[0].done->end.kind, KIND_READ_TIMEOUT);
	ck_assert(f[0].done->end.request_sent && !f[1].done->end.request_sent);
	ck_assert_uint_gt(f[0].done->end.message.n, 5);
	host_done_free(f[0].done);
	host_done_free(f[1].done);
	close_lab();
}
END_TEST

static const char *const abort_targets[] = {"/hang", "/size/5000000/slow/2000", "/ms/900"};

START_TEST(who_gives_up_aborts_the_call_at_once)
{
	struct fetcher f[3] = {
		{.origin = "http://a", .target = abort_targets[_i], .timeout_ns = 300 * NS_PER_MS},
		{.origin = "http://a", .target = abort_targets[_i]},
		{.origin = "http://a", .target = abort_targets[_i]}};
	open_lab(true);
	for (int i = 0; i < 3; i++)
		start(&f[i]);
	world_run_for(&lab.w, 301 * NS_PER_MS);
	ck_assert(f[0].rc == ACT_ECANCELED || f[0].rc == ACT_ETIMEDOUT);
	ck_assert_uint_eq(lab.x.n_aborted, 1);
	act_cancel(lab.w.root, f[1].id, ACT_WHY_CANCEL);
	act_kill(lab.w.root, f[2].id);
	world_settle(&lab.w);
	ck_assert_uint_eq(lab.x.n_aborted, 3);
	ck_assert_uint_eq(lab.x.n_calls, 0);
	world_run_for(&lab.w, 5 * NS_PER_S);
	ck_assert_uint_eq(stats().n_calls, 0);
	ck_assert_uint_eq(stats().body_bytes, 0);
	close_lab();
}
END_TEST

START_TEST(a_rate_of_bytes_is_kept)
{
	struct fetcher f = {.origin = "http://a", .target = "/size/1000000", .max_rate = 100000};
	open_lab(true);
	int64_t begin_ns = lab.w.fake.now_ns;
	start(&f);
	world_run_for(&lab.w, 8 * NS_PER_S);
	ck_assert_int_eq(f.rc, 99);
	world_run_for(&lab.w, 5 * NS_PER_S);
	ck_assert_int_eq(f.rc, ACT_OK);
	ck_assert_int_ge(f.ended_ns - begin_ns, 95 * NS_PER_S / 10);
	ck_assert_int_le(f.ended_ns - begin_ns, 11 * NS_PER_S);
	check_file(f.done, 1000000);
	host_done_free(f.done);
	close_lab();
}
END_TEST

START_TEST(each_origin_has_a_host_that_ends_when_idle)
{
	struct fetcher f[3] = {{.origin = "http://a", .target = "/"},
			       {.origin = "http://a", .target = "/"},
			       {.origin = "http://b", .target = "/"}};
	open_lab(true);
	for (int i = 0; i < 3; i++)
		start(&f[i]);
	world_run_for(&lab.w, NS_PER_S);
	ck_assert_uint_eq(stats().n_hosts, 2);
	world_run_for(&lab.w, 62 * NS_PER_S);
	ck_assert_uint_eq(stats().n_hosts, 0);
	for (int i = 0; i < 3; i++)
		host_done_free(f[i].done);
	start(&f[0]);
	world_run_for(&lab.w, NS_PER_S);
	ck_assert_int_eq(f[0].rc, ACT_OK);
	host_done_free(f[0].done);
	close_lab();
}
END_TEST

/* ---- bodies that are cut ---- */

/* "/CUT/TOTAL": the first answer breaks off after CUT bytes, the second has the rest. */
static void cutting_script(void *ctx, const struct scriptx_request *req, struct rng *rng,
			   struct scriptx_answer *ret)
{
	static char length[32], range[64];
	unsigned cut = 0, total = 0;
	(void)ctx;
	(void)rng;
	ck_assert_int_eq(sscanf(req->target.p, "/%u/%u", &cut, &total), 2);
	bool is_first = req->number == 1;
	snprintf(length, sizeof(length), "%u", is_first ? total : total - cut);
	snprintf(range, sizeof(range), "bytes %u-%u/%u", cut, total - 1, total);
	ret->latency_ns = NS_PER_MS;
	ret->status = is_first ? 200 : 206;
	ret->body_ns = 100 * NS_PER_MS;
	ret->body_n = is_first ? cut : total - cut;
	ret->kind = is_first ? KIND_READ_CLOSED : KIND_NONE;
	ret->phase = "body";
	ret->message = "closed";
	ret->header[0] = (struct xheader){SLICE_LIT("Content-Length"), slice_of(length)};
	ret->header[1] = (struct xheader){SLICE_LIT("ETag"), SLICE_LIT("\"v\"")};
	ret->header[2] = (struct xheader){SLICE_LIT("Content-Range"), slice_of(range)};
	ret->n_headers = is_first ? 2 : 3;
}

static const struct {
	unsigned cut, total;
	enum host_body body;
} cuts[] = {{40, 100, HOST_BODY_KEEP},	      {1, 65536, HOST_BODY_KEEP},
	    {65536, 65537, HOST_BODY_KEEP},   {30000, 200000, HOST_BODY_KEEP},
	    {150000, 200000, HOST_BODY_KEEP}, {150000, 150001, HOST_BODY_KEEP},
	    {150000, 200000, HOST_BODY_DROP}};

static size_t wrong_bytes(const struct host_done *d, unsigned cut)
{
	size_t wrong = 0;
	for (size_t i = 0; i < d->body.n; i++)
		wrong += d->body.p[i] != scriptx_byte(i < cut ? i : i - cut);
	return wrong;
}

static void sum_of(unsigned cut, unsigned total, uint8_t sum[32])
{
	char *all = malloc(total);
	for (unsigned i = 0; i < total; i++)
		all[i] = scriptx_byte(i < cut ? i : i - cut);
	SHA256((const unsigned char *)all, total, sum);
	free(all);
}

START_TEST(a_cut_body_is_held_and_gone_on_with)
{
	char target[64];
	uint8_t sum[32];
	struct resume_held held;
	unsigned cut = cuts[_i].cut, total = cuts[_i].total;
	struct fetcher f = {
		.origin = "http://a", .target = target, .body = cuts[_i].body, .want_sha256 = true};
	snprintf(target, sizeof(target), "/%u/%u", cut, total);
	open_lab(true);
	lab.x.script = cutting_script;
	f.partial = host_partial_new(lab.hosts, 7, SLICE_LIT("0.1"));
	start(&f);
	world_run_for(&lab.w, NS_PER_S);
	ck_assert(!f.done->end.ok && f.done->is_held && f.done->body_file == 0);
	ck_assert(slice_is(host_partial_held(f.partial, &held), target));
	ck_assert(held.size == cut && held.total == total && slice_is(held.etag, "\"v\""));
	host_done_free(f.done);
	start(&f);
	world_run_for(&lab.w, NS_PER_S);
	ck_assert(f.done->end.ok && f.done->is_resumed && f.done->body_size == total);
	ck_assert_uint_eq(wrong_bytes(f.done, cut), 0);
	sum_of(cut, total, sum);
	ck_assert(f.done->has_sha256);
	ck_assert_mem_eq(f.done->sha256, sum, 32);
	host_partial_held(f.partial, &held);
	ck_assert_uint_eq(held.size, 0);
	host_done_free(f.done);
	host_partial_unref(f.partial);
	ck_assert_uint_eq(stats().body_bytes, 0);
	close_lab();
}
END_TEST

START_TEST(what_one_who_gave_up_had_got_is_held)
{
	struct fetcher f = {
		.origin = "http://a", .target = "/150000/200000", .timeout_ns = 90 * NS_PER_MS};
	struct resume_held held;
	open_lab(true);
	lab.x.script = cutting_script;
	f.partial = host_partial_new(lab.hosts, 0, SLICE_LIT("0.1"));
	start(&f);
	world_run_for(&lab.w, NS_PER_S);
	ck_assert(f.done == NULL && lab.x.n_aborted == 1);
	host_partial_held(f.partial, &held);
	ck_assert_uint_gt(held.size, 10000);
	ck_assert_uint_lt(held.size, 150000);
	host_partial_unref(f.partial);
	ck_assert_uint_eq(stats().body_bytes, 0);
	close_lab();
}
END_TEST

START_TEST(a_later_life_finds_what_is_in_a_file)
{
	struct fetcher f = {.origin = "http://a", .target = "/150000/200000"};
	struct host_opts again = {.seed = 1};
	struct resume_held held;
	open_lab(true);
	lab.x.script = cutting_script;
	f.partial = host_partial_new(lab.hosts, 7, SLICE_LIT("0.1"));
	start(&f);
	world_run_for(&lab.w, NS_PER_S);
	host_done_free(f.done);
	host_partial_unref(f.partial); /* killed: nobody said that it is over */
	again.exchange = &lab.x.base;
	again.bodies = lab.bodies;
	struct hosts *later = hosts_new(&again);
	struct host_partial *other = host_partial_new(later, 7, SLICE_LIT("0.2"));
	host_partial_held(other, &held);
	ck_assert_uint_eq(held.size, 0);
	struct host_partial *p = host_partial_new(later, 7, SLICE_LIT("0.1"));
	ck_assert(slice_is(host_partial_held(p, &held), "/150000/200000"));
	ck_assert(held.size == 150000 && held.total == 200000);
	host_partial_unref(other);
	host_partial_unref(p);
	hosts_free(later);
	close_lab();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("host");
	TCase *t = tcase_create("host");
#define ROWS(x) (int)(sizeof(x) / sizeof((x)[0]))
	tcase_add_test(t, a_small_body_comes_in_one_buffer);
	tcase_add_loop_test(t, sixty_four_kib_stay_in_memory_and_more_goes_to_a_file, 0,
			    ROWS(sizes));
	tcase_add_test(t, an_unwanted_file_is_removed_and_a_taken_one_stays);
	tcase_add_test(t, all_bodies_in_memory_together_are_bounded);
	tcase_add_test(t, a_dropped_body_is_counted_and_hashed);
	tcase_add_test(t, without_a_place_for_files_bodies_stay_in_memory);
	tcase_add_test(t, a_failure_is_a_reply_with_its_kind);
	tcase_add_loop_test(t, who_gives_up_aborts_the_call_at_once, 0, ROWS(abort_targets));
	tcase_add_test(t, a_rate_of_bytes_is_kept);
	tcase_add_test(t, each_origin_has_a_host_that_ends_when_idle);
	tcase_add_loop_test(t, a_cut_body_is_held_and_gone_on_with, 0, ROWS(cuts));
	tcase_add_test(t, what_one_who_gave_up_had_got_is_held);
	tcase_add_test(t, a_later_life_finds_what_is_in_a_file);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
