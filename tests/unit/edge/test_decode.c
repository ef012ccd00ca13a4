/* Content codings: whole, in pieces, broken, doubled, hostile. */
#include "edge/decode.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

enum { PLAIN_N = 100000 };

/* 100000 bytes of "muster muster ...", as br. */
static const unsigned char br_bytes[] = {
	0x53, 0x9f, 0x86, 0x01, 0x40, 0x12, 0xa4, 0x4d, 0xae, 0x16,
	0xb9, 0xac, 0x92, 0x53, 0xcf, 0xe6, 0x94, 0x5f, 0xc0, 0x00,
};

static char plain[PLAIN_N];

static void fill_plain(void)
{
	for (size_t i = 0; i < PLAIN_N; i++)
		plain[i] = "muster "[i % 7];
}

/* window: 31 gzip, 15 zlib, -15 raw. */
static void add_deflated(struct bytes *out, int window, const void *p, size_t n)
{
	z_stream z = {0};
	ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
	ck_assert_int_eq(bytes_reserve(out, n + 1000), ERR_OK);
	z.next_in = (Bytef *)(uintptr_t)p;
	z.avail_in = (uInt)n;
	z.next_out = (Bytef *)out->p + out->n;
	z.avail_out = (uInt)n + 900;
	ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
	out->n += z.total_out;
	deflateEnd(&z);
}

static void add_zstd(struct bytes *out, const void *p, size_t n)
{
	ck_assert_int_eq(bytes_reserve(out, ZSTD_compressBound(n) + 1), ERR_OK);
	size_t made = ZSTD_compress(out->p + out->n, ZSTD_compressBound(n), p, n, 3);
	ck_assert(!ZSTD_isError(made));
	out->n += made;
}

/* Feeds in pieces, takes out in other pieces. */
static enum err run(const char *codings, struct slice in, size_t piece, size_t cap,
		    struct bytes *out)
{
	struct decode *d = NULL;
	char buf[4096];
	enum err e = decode_new(slice_of(codings), &d);
	ck_assert(e == ERR_OK && d != NULL && cap <= sizeof(buf));
	size_t at = 0;
	bool more = false;
	while (e == ERR_OK && (at < in.n || more)) {
		size_t used, made, n = in.n - at < piece ? in.n - at : piece;
		e = decode_step(d, (struct slice){in.p + at, n}, &used, buf, cap, &made);
		ck_assert(used <= n && made <= cap);
		ck_assert_msg(e != ERR_OK || used > 0 || made > 0 || more, "no progress");
		at += used;
		more = made == cap;
		bytes_add(out, buf, made);
	}
	if (e == ERR_OK)
		e = decode_finish(d);
	decode_free(d);
	return e;
}

static void expect_plain(const char *codings, struct slice in)
{
	static const size_t pieces[] = {1, 7, 1000, 1000000}, caps[] = {1, 100, 4096};
	for (size_t p = 0; p < 4; p++) {
		for (size_t c = 0; c < 3; c++) {
			struct bytes out = BYTES_LIMIT(1 << 20);
			enum err e = run(codings, in, pieces[p], caps[c], &out);
			ck_assert_msg(e == ERR_OK, "%s, pieces of %zu into %zu: %s", codings,
				      pieces[p], caps[c], err_text(e));
			ck_assert_uint_eq(out.n, PLAIN_N);
			ck_assert(memcmp(out.p, plain, PLAIN_N) == 0);
			bytes_fini(&out);
		}
	}
}

static void make(const char *coding, struct bytes *out, const void *p, size_t n)
{
	if (strcmp(coding, "zstd") == 0)
		add_zstd(out, p, n);
	else if (strcmp(coding, "br") == 0)
		bytes_add(out, br_bytes, sizeof(br_bytes));
	else
		add_deflated(out,
			     strcmp(coding, "deflate") == 0 ? 15
			     : strcmp(coding, "raw") == 0   ? -15
							    : 31,
			     p, n);
}

START_TEST(each_coding_is_undone_in_any_pieces)
{
	static const char *const codings[][2] = {
		{"gzip", "gzip"}, {"X-GZIP", "gzip"}, {"deflate", "deflate"},	 {"deflate", "raw"},
		{"br", "br"},	  {"zstd", "zstd"},   {"identity, gzip", "gzip"}};
	struct bytes b = BYTES_LIMIT(1 << 20);
	fill_plain();
	make(codings[_i][1], &b, plain, PLAIN_N);
	expect_plain(codings[_i][0], bytes_slice(&b));
	bytes_fini(&b);
}
END_TEST

/* As with curl: such a body is not what its server meant to send. */
START_TEST(bytes_behind_the_end_of_a_coding_are_refused)
{
	static const char *const codings[][2] = {{"gzip", "gzip"},
						 {"deflate", "deflate"},
						 {"deflate", "raw"},
						 {"br", "br"},
						 {"zstd", "zstd"}};
	static const size_t pieces[] = {1, 1000000};
	struct bytes b = BYTES_LIMIT(1 << 20);
	fill_plain();
	make(codings[_i][1], &b, plain, PLAIN_N);
	bytes_add_str(&b, "trailing garbage");
	for (size_t p = 0; p < 2; p++) {
		struct bytes out = BYTES_LIMIT(1 << 20);
		ck_assert_int_eq(run(codings[_i][0], bytes_slice(&b), pieces[p], 4096, &out),
				 ERR_CORRUPT);
		ck_assert_uint_eq(out.n, PLAIN_N);
		bytes_fini(&out);
	}
	bytes_fini(&b);
}
END_TEST

START_TEST(a_checksum_behind_raw_deflate_and_zlib_named_gzip_are_taken)
{
	struct bytes raw = BYTES_LIMIT(1 << 20), zlib = BYTES_LIMIT(1 << 20);
	fill_plain();
	make("raw", &raw, plain, PLAIN_N);
	bytes_add_str(&raw, "sums");
	expect_plain("deflate", bytes_slice(&raw));
	make("deflate", &zlib, plain, PLAIN_N);
	expect_plain("gzip", bytes_slice(&zlib));
	bytes_fini(&raw);
	bytes_fini(&zlib);
}
END_TEST

START_TEST(two_codings_are_undone_in_reverse_order)
{
	struct bytes inner = BYTES_LIMIT(1 << 20), outer = BYTES_LIMIT(1 << 20);
	fill_plain();
	add_zstd(&inner, plain, PLAIN_N);
	add_deflated(&outer, 31, inner.p, inner.n);
	expect_plain("zstd, gzip", bytes_slice(&outer));
	bytes_clear(&outer);
	add_zstd(&outer, br_bytes, sizeof(br_bytes));
	expect_plain("br,,zstd ", bytes_slice(&outer));
	bytes_fini(&inner);
	bytes_fini(&outer);
}
END_TEST

START_TEST(all_members_of_gzip_and_frames_of_zstd_count)
{
	struct bytes b = BYTES_LIMIT(1 << 20);
	fill_plain();
	add_deflated(&b, 31, plain, 40000);
	add_deflated(&b, 31, plain + 40000, 0);
	add_deflated(&b, 31, plain + 40000, PLAIN_N - 40000);
	expect_plain("gzip", bytes_slice(&b));
	bytes_clear(&b);
	add_zstd(&b, plain, 40000);
	add_zstd(&b, plain + 40000, PLAIN_N - 40000);
	expect_plain("zstd", bytes_slice(&b));
	bytes_fini(&b);
}
END_TEST

START_TEST(truncated_and_broken_codings_are_corrupt)
{
	static const char *const codings[] = {"gzip", "deflate", "br", "zstd"};
	struct bytes b = BYTES_LIMIT(1 << 20), out = BYTES_LIMIT(1 << 20);
	fill_plain();
	make(codings[_i], &b, plain, PLAIN_N);
	for (size_t n = 1; n < b.n; n++) {
		bytes_clear(&out);
		ck_assert_int_eq(run(codings[_i], (struct slice){b.p, n}, 50, 4096, &out),
				 ERR_CORRUPT);
	}
	bytes_clear(&out);
	ck_assert_int_eq(run(codings[_i], SLICE_LIT("\xff\xfe\xfd hello world"), 50, 4096, &out),
			 ERR_CORRUPT);
	bytes_clear(&out);
	ck_assert_int_eq(run(codings[_i], SLICE_LIT(""), 50, 4096, &out), ERR_OK);
	bytes_fini(&b);
	bytes_fini(&out);
}
END_TEST

START_TEST(unknown_and_too_many_codings_are_refused)
{
	struct decode *d = NULL;
	ck_assert_int_eq(decode_new(SLICE_LIT("compress"), &d), ERR_UNSUPPORTED);
	ck_assert_int_eq(decode_new(SLICE_LIT("gzip, foo"), &d), ERR_UNSUPPORTED);
	ck_assert_int_eq(decode_new(SLICE_LIT("gzip, gzip, gzip"), &d), ERR_UNSUPPORTED);
	ck_assert_int_eq(decode_new(SLICE_LIT(" identity , none,"), &d), ERR_OK);
	ck_assert_ptr_null(d);
	ck_assert_int_eq(decode_new(SLICE_LIT(""), &d), ERR_OK);
	ck_assert_ptr_null(d);
}
END_TEST

START_TEST(zstd_windows_beyond_eight_megabytes_are_refused)
{
	struct bytes out = BYTES_LIMIT(1 << 20);
	/* Magic, a frame header with a window of 2^31. */
	const char frame[] = "\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00";
	ck_assert_int_eq(run("zstd", (struct slice){frame, sizeof(frame) - 1}, 50, 4096, &out),
			 ERR_CORRUPT);
	bytes_fini(&out);
}
END_TEST

int main(void)
{
	Suite *su = suite_create("decode");
	TCase *tc = tcase_create("all");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, each_coding_is_undone_in_any_pieces, 0, 7);
	tcase_add_loop_test(tc, bytes_behind_the_end_of_a_coding_are_refused, 0, 5);
	tcase_add_test(tc, a_checksum_behind_raw_deflate_and_zlib_named_gzip_are_taken);
	tcase_add_test(tc, two_codings_are_undone_in_reverse_order);
	tcase_add_test(tc, all_members_of_gzip_and_frames_of_zstd_count);
	tcase_add_loop_test(tc, truncated_and_broken_codings_are_corrupt, 0, 4);
	tcase_add_test(tc, unknown_and_too_many_codings_are_refused);
	tcase_add_test(tc, zstd_windows_beyond_eight_megabytes_are_refused);
	suite_add_tcase(su, tc);
	SRunner *sr = srunner_create(su);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
