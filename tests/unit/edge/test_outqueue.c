/* Promises of edge/outqueue: what was pushed comes out byte for byte, however it is cut. */
#include "base/rng.h"
#include "edge/outqueue.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void push(struct outqueue *q, struct rng *rng, struct bytes *want, int *ret_n_files)
{
	static const size_t size[] = {0, 1, 60, 100, 500, 513, 5000, 40000};
	struct bytes body = {.limit = rng_below(rng, 2) ? 50000 : 0};
	char head[13];
	size_t n = size[rng_below(rng, 8)];
	for (size_t i = 0; i < sizeof(head); i++)
		head[i] = (char)rng_u64(rng);
	for (size_t i = 0; i < n; i++)
		bytes_add_byte(&body, (char)rng_u64(rng));
	bytes_add(want, head, sizeof(head));
	bytes_add_slice(want, bytes_slice(&body));
	bool has_file = rng_below(rng, 7) == 0;
	int fd = has_file ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;
	*ret_n_files += has_file;
	ck_assert_int_eq(outqueue_push_file(q, head, sizeof(head), &body, fd), ERR_OK);
	ck_assert_ptr_null(body.p);
}

/* Sends a part of what is offered; returns whether a file went. */
static bool send_some(struct outqueue *q, struct rng *rng, struct bytes *got)
{
	struct iovec v[OUTQUEUE_IOV];
	int fd, n = outqueue_pieces(q, v, &fd);
	size_t offered = 0;
	for (int i = 0; i < n; i++)
		offered += v[i].iov_len;
	ck_assert_uint_gt(offered, 0);
	size_t part = rng_below(rng, 3) ? offered : 1 + rng_below(rng, offered), left = part;
	for (int i = 0; i < n && left > 0; i++) {
		size_t take = v[i].iov_len < left ? v[i].iov_len : left;
		bytes_add(got, v[i].iov_base, take);
		left -= take;
	}
	outqueue_sent(q, part);
	return fd >= 0;
}

START_TEST(what_was_pushed_comes_out_byte_for_byte)
{
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct rng rng;
		struct outqueue q;
		struct bytes want = {.limit = 0}, got = {.limit = 0};
		int n_files = 0, n_sent = 0;
		rng_seed(&rng, seed);
		outqueue_init(&q);
		for (int i = 0; i < 60; i++) {
			push(&q, &rng, &want, &n_files);
			while (q.n_bytes > 0 && rng_below(&rng, 3) == 0)
				n_sent += send_some(&q, &rng, &got);
			ck_assert_uint_eq(q.n_bytes, want.n - got.n);
		}
		while (q.n_bytes > 0)
			n_sent += send_some(&q, &rng, &got);
		ck_assert_uint_eq(got.n, want.n);
		ck_assert_mem_eq(got.p, want.p, want.n);
		ck_assert_int_eq(n_sent, n_files);
		ck_assert_uint_eq(q.n_files, 0);
		ck_assert_uint_eq(q.n_frames, 0);
		outqueue_fini(&q);
		bytes_fini(&want);
		bytes_fini(&got);
	}
}
END_TEST

START_TEST(many_small_answers_are_one_piece)
{
	struct outqueue q;
	struct iovec v[OUTQUEUE_IOV];
	int fd;
	outqueue_init(&q);
	for (int i = 0; i < 64; i++) {
		struct bytes body = {.limit = 0};
		bytes_add_str(&body, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":true}");
		ck_assert_int_eq(outqueue_push(&q, "head-of-13-by", 13, &body), ERR_OK);
	}
	ck_assert_int_eq(outqueue_pieces(&q, v, &fd), 2); /* the first head, and the rest */
	outqueue_fini(&q);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("outqueue");
	TCase *t = tcase_create("all");
	tcase_add_test(t, what_was_pushed_comes_out_byte_for_byte);
	tcase_add_test(t, many_small_answers_are_one_piece);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
