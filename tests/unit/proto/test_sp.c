/* Promises of proto/sp: rows of frames, and libnng as the other side. */
#include "proto/sp.h"

#include <check.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

START_TEST(hellos_are_checked)
{
	uint8_t h[8];
	sp_hello_put(h, SP_REQ);
	ck_assert_mem_eq(h, "\0SP\0\0\x30\0\0", 8);
	ck_assert_int_eq(sp_hello_check(h, SP_REQ), ERR_OK);
	ck_assert_int_eq(sp_hello_check(h, SP_SUB), ERR_DENIED);
	h[7] = 1;
	ck_assert_int_eq(sp_hello_check(h, SP_REQ), ERR_CORRUPT);
	ck_assert_int_eq(sp_hello_check((const uint8_t *)"GET / HT", SP_REQ), ERR_CORRUPT);
}
END_TEST

START_TEST(lengths_are_bounded_before_they_are_believed)
{
	static const uint64_t bad[] = {SP_REQUEST_MAX_BYTES + 1, 1ULL << 40, 1ULL << 63,
				       UINT64_MAX - 39, UINT64_MAX};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint8_t head[9];
		struct sp_frame f;
		size_t need;
		sp_frame_put(head, bad[i]);
		ck_assert_int_eq(sp_frame_parse(head, 9, SP_REQUEST_MAX_BYTES, &f, &need),
				 ERR_TOO_LARGE);
	}
	struct sp_frame f;
	size_t need = 0;
	ck_assert_int_eq(sp_frame_parse("\2", 1, 100, &f, &need), ERR_CORRUPT);
	ck_assert_int_eq(sp_frame_parse("", 0, 100, &f, &need), ERR_AGAIN);
	ck_assert_uint_eq(need, 9);
}
END_TEST

START_TEST(a_frame_is_whole_only_with_its_last_byte)
{
	struct bytes b = {.limit = 0};
	struct sp_frame f;
	size_t need = 0;
	sp_add_request(&b, 5, SLICE_LIT("body"));
	for (size_t n = 0; n < b.n; n++) {
		ck_assert_int_eq(sp_frame_parse(b.p, n, 100, &f, &need), ERR_AGAIN);
		ck_assert_uint_gt(need, n);
		ck_assert_uint_le(need, b.n);
	}
	sp_add_message(&b, SLICE_LIT("next"));
	ck_assert_int_eq(sp_frame_parse(b.p, b.n, 100, &f, &need), ERR_OK);
	ck_assert_uint_eq(f.n_total, 9 + 4 + 4);
	struct sp_request r;
	ck_assert_int_eq(sp_request_parse(f.payload, &r), ERR_OK);
	ck_assert_uint_eq(r.id, 5 | SP_ID_BIT);
	ck_assert(slice_is(r.body, "body"));
	ck_assert_uint_eq(r.n_hops, 0);
	bytes_fini(&b);
}
END_TEST

START_TEST(hop_words_are_kept_and_too_many_are_dropped)
{
	uint8_t words[12 * 4] = {0};
	struct sp_request r;
	for (unsigned hops = 0; hops <= 11; hops++) {
		memset(words, 0, sizeof(words));
		words[hops * 4] = 0x80;
		enum err e = sp_request_parse((struct slice){(char *)words, sizeof(words)}, &r);
		ck_assert_int_eq(e, hops <= SP_HOPS_MAX ? ERR_OK : ERR_TOO_LARGE);
		if (e == ERR_OK) {
			ck_assert_uint_eq(r.n_hops, hops);
			ck_assert_uint_eq(r.words.n, (hops + 1) * 4);
			ck_assert_uint_eq(r.body.n, sizeof(words) - (hops + 1) * 4);
		}
	}
	ck_assert_int_eq(sp_request_parse((struct slice){"\0\0\0\1", 4}, &r), ERR_CORRUPT);
	ck_assert_int_eq(sp_request_parse((struct slice){"\x80\0\0", 3}, &r), ERR_CORRUPT);
	ck_assert_int_eq(sp_request_parse((struct slice){"", 0}, &r), ERR_CORRUPT);
}
END_TEST

struct place {
	char dir[32], url[64];
	struct sockaddr_un sa;
};

static void make_place(struct place *p)
{
	strcpy(p->dir, "/tmp/muster-sp-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(p->dir));
	snprintf(p->url, sizeof(p->url), "ipc://%s/s", p->dir);
	p->sa = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(p->sa.sun_path, sizeof(p->sa.sun_path), "%s/s", p->dir);
}

static void drop_place(struct place *p)
{
	unlink(p->sa.sun_path);
	rmdir(p->dir);
}

/* Reads exactly one frame. */
static struct slice read_frame(int fd, struct bytes *in)
{
	struct sp_frame f;
	size_t need = 0;
	while (sp_frame_parse(in->p, in->n, 1 << 20, &f, &need) == ERR_AGAIN) {
		char buf[4096];
		ssize_t n = read(fd, buf, need - in->n < sizeof(buf) ? need - in->n : sizeof(buf));
		ck_assert_int_gt(n, 0);
		bytes_add(in, buf, (size_t)n);
	}
	return f.payload;
}

static void exchange_hello(int fd, enum sp_role own, enum sp_role peer)
{
	uint8_t h[8];
	size_t got = 0;
	sp_hello_put(h, own);
	ck_assert_int_eq(write(fd, h, 8), 8);
	while (got < 8) {
		ssize_t n = read(fd, h + got, 8 - got);
		ck_assert_int_gt(n, 0);
		got += (size_t)n;
	}
	ck_assert_int_eq(sp_hello_check(h, peer), ERR_OK);
}

START_TEST(a_rep_of_libnng_answers_our_requests)
{
	struct place p;
	nng_socket rep;
	make_place(&p);
	ck_assert_int_eq(nng_rep0_open(&rep), 0);
	ck_assert_int_eq(nng_listen(rep, p.url, NULL, 0), 0);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&p.sa, sizeof(p.sa)), 0);
	exchange_hello(fd, SP_REQ, SP_REP);
	struct bytes out = {.limit = 0}, in = {.limit = 0};
	sp_add_request(&out, 77, SLICE_LIT("hello"));
	ck_assert_int_eq(write(fd, out.p, out.n), (ssize_t)out.n);
	char *got;
	size_t n;
	ck_assert_int_eq(nng_recv(rep, &got, &n, NNG_FLAG_ALLOC), 0);
	ck_assert(slice_is((struct slice){got, n}, "hello"));
	nng_free(got, n);
	ck_assert_int_eq(nng_send(rep, "world", 5, 0), 0);
	struct sp_request r;
	ck_assert_int_eq(sp_request_parse(read_frame(fd, &in), &r), ERR_OK);
	ck_assert_uint_eq(r.id, 77 | SP_ID_BIT);
	ck_assert(slice_is(r.body, "world"));
	bytes_fini(&out);
	bytes_fini(&in);
	close(fd);
	drop_place(&p);
}
END_TEST

START_TEST(a_req_of_libnng_takes_our_replies)
{
	struct place p;
	nng_socket req;
	make_place(&p);
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&p.sa, sizeof(p.sa)), 0);
	ck_assert_int_eq(listen(listener, 4), 0);
	ck_assert_int_eq(nng_req0_open(&req), 0);
	ck_assert_int_eq(nng_dial(req, p.url, NULL, NNG_FLAG_NONBLOCK), 0);
	int fd = accept(listener, NULL, NULL);
	ck_assert_int_ge(fd, 0);
	exchange_hello(fd, SP_REP, SP_REQ);
	ck_assert_int_eq(nng_send(req, "ask", 3, 0), 0);
	struct bytes in = {.limit = 0}, out = {.limit = 0};
	struct sp_request r;
	ck_assert_int_eq(sp_request_parse(read_frame(fd, &in), &r), ERR_OK);
	ck_assert(slice_is(r.body, "ask"));
	sp_add_reply(&out, r.words, SLICE_LIT("answer"));
	ck_assert_int_eq(write(fd, out.p, out.n), (ssize_t)out.n);
	char *got;
	size_t n;
	ck_assert_int_eq(nng_recv(req, &got, &n, NNG_FLAG_ALLOC), 0);
	ck_assert(slice_is((struct slice){got, n}, "answer"));
	nng_free(got, n);
	bytes_fini(&in);
	bytes_fini(&out);
	close(fd);
	close(listener);
	drop_place(&p);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sp");
	TCase *t = tcase_create("all");
	tcase_add_test(t, hellos_are_checked);
	tcase_add_test(t, lengths_are_bounded_before_they_are_believed);
	tcase_add_test(t, a_frame_is_whole_only_with_its_last_byte);
	tcase_add_test(t, hop_words_are_kept_and_too_many_are_dropped);
	tcase_add_test(t, a_rep_of_libnng_answers_our_requests);
	tcase_add_test(t, a_req_of_libnng_takes_our_replies);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failures = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failures != 0;
}
