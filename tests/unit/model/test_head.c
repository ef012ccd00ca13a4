/* Verdicts over raw bytes: heads, chunks, reuse. However the bytes are cut, the verdict is one. */
#include "model/dechunk.h"
#include "model/head.h"
#include "model/reuse.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

struct row {
	const char *bytes;
	enum head_state state;
	int status;
	enum framing framing;
	uint64_t length;
	bool reusable;
};

#define OK11 "HTTP/1.1 200 OK\r\n"

static const struct row rows[] = {
	{OK11 "Content-Length: 5\r\n\r\n", HEAD_DONE, 200, FRAMING_LENGTH, 5, true},
	{OK11 "content-length:5 \t\r\n\r\n", HEAD_DONE, 200, FRAMING_LENGTH, 5, true},
	{OK11 "Content-Length: 0\r\n\r\n", HEAD_DONE, 200, FRAMING_NONE, 0, true},
	{OK11 "Content-Length: 9223372036854775807\r\n\r\n", HEAD_DONE, 200, FRAMING_LENGTH,
	 INT64_MAX, true},
	{OK11 "Content-Length: 9223372036854775808\r\n\r\n", HEAD_DONE, 200, FRAMING_CLOSE, 0,
	 false},
	{OK11 "Content-Length: 18446744073709551621\r\n\r\n", HEAD_DONE, 200, FRAMING_CLOSE, 0,
	 false},
	{OK11 "Transfer-Encoding: Chunked\r\n\r\n", HEAD_DONE, 200, FRAMING_CHUNKED, 0, true},
	{OK11 "\r\n", HEAD_DONE, 200, FRAMING_CLOSE, 0, false},
	{"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n", HEAD_DONE, 204, FRAMING_NONE, 0,
	 true},
	{"HTTP/1.1 304 No\r\nContent-Length: 7\r\n\r\n", HEAD_DONE, 304, FRAMING_NONE, 0, true},
	{"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 204 N\r\n\r\n", HEAD_DONE, 204, FRAMING_NONE, 0, true},
	{"HTTP/1.0 204 N\r\n\r\n", HEAD_DONE, 204, FRAMING_NONE, 0, false},
	{"HTTP/1.0 204 N\r\nConnection: keep-alive\r\n\r\n", HEAD_DONE, 204, FRAMING_NONE, 0, true},
	{"HTTP/1.1 204 N\r\nConnection: a\r\nConnection: b ,CLOSE\r\n\r\n", HEAD_DONE, 204,
	 FRAMING_NONE, 0, false},
	{"HTTP/1.1 204 N\r\nConnection: keep-alive, close\r\n\r\n", HEAD_DONE, 204, FRAMING_NONE, 0,
	 false},
	{"HTTP/1.1 101 S\r\n\r\n", HEAD_BAD, 0, FRAMING_NONE, 0, false},
	{"HTTX", HEAD_BAD, 0, FRAMING_NONE, 0, false},
	{"HTTP/1.1\r\n\r\n", HEAD_BAD, 0, FRAMING_NONE, 0, false},
	{"HTTP/1.1 200 OK\r\n: x\r\n\r\n", HEAD_DONE, 200, FRAMING_CLOSE, 0, false},
	{OK11 "a b: x\r\nContent-Length: 1\r\n\r\n", HEAD_DONE, 200, FRAMING_LENGTH, 1, false},
	{OK11 "Transfer-Encoding: chunked\r\n , x\r\n\r\n", HEAD_BAD, 0, FRAMING_NONE, 0, false},
	{OK11 "Content-Length: 5,\r\n\r\n", HEAD_DONE, 200, FRAMING_LENGTH, 5, true},
	{OK11 "Content-Length: ,5\r\n\r\n", HEAD_BAD, 0, FRAMING_NONE, 0, false},
	{"HTTP/1 200 OK\r\n\r\n", HEAD_BAD, 0, FRAMING_NONE, 0, false},
	{"HTTP/1.1 304 N\r\nContent-Length: x\r\n\r\n", HEAD_DONE, 304, FRAMING_NONE, 0, false},
	{OK11 "Transfer-Encoding: chunked, identity\r\n\r\n", HEAD_DONE, 200, FRAMING_CHUNKED, 0,
	 false},
	{OK11 "Content-Length: 5\r\r\n\r\r\n", HEAD_DONE, 200, FRAMING_LENGTH, 5, false},
	{OK11 "Content-Length: 5\r6\r\n\r\n", HEAD_BAD, 0, FRAMING_NONE, 0, false},
	{OK11 "Transfer-Encoding: \rchunked\r\n\r\n", HEAD_BAD, 0, FRAMING_NONE, 0, false},
	{OK11 "Fo\ro: x\r\n\r\n", HEAD_BAD, 0, FRAMING_NONE, 0, false},
	{OK11 "\rFoo: x\r\n\r\n", HEAD_BAD, 0, FRAMING_NONE, 0, false},
	{OK11 "Foo: bar", HEAD_MORE, 0, FRAMING_NONE, 0, false},
};
#define N_ROWS ((int)(sizeof(rows) / sizeof(*rows)))

static enum head_state feed(struct head *h, const char *p, size_t n, size_t piece, size_t *used)
{
	enum head_state s = HEAD_MORE;
	*used = 0;
	while (s == HEAD_MORE && *used < n) {
		size_t took, offer = n - *used < piece ? n - *used : piece;
		s = head_feed(h, p + *used, offer, &took);
		ck_assert_uint_le(took, offer);
		*used += took;
	}
	return s;
}

START_TEST(verdict_does_not_depend_on_how_bytes_arrive)
{
	const struct row *r = &rows[_i];
	for (size_t piece = 1; piece < 80; piece++) {
		struct head h;
		size_t used;
		head_init(&h, (struct head_limits){65536, 256, 10}, false);
		enum head_state s = feed(&h, r->bytes, strlen(r->bytes), piece, &used);
		ck_assert_msg(s == r->state, "row %d piece %zu: %s", _i, piece,
			      h.why != NULL ? h.why : "");
		if (s == HEAD_DONE) {
			ck_assert_int_eq(h.status, r->status);
			ck_assert_int_eq(h.framing, r->framing);
			ck_assert_uint_eq(h.length, r->length);
			ck_assert_int_eq(h.reusable, r->reusable);
			ck_assert_uint_eq(used, strlen(r->bytes));
		} else if (s == HEAD_BAD) {
			ck_assert(h.why != NULL && h.kind == KIND_PROTOCOL_MALFORMED);
		}
		head_fini(&h);
	}
}
END_TEST

START_TEST(fields_are_kept_as_they_came)
{
	struct head h;
	size_t used;
	const char *text = "HTTP/1.1 299 Fine \xff then\r\nX-A:  one \r\nx-a: two\r\n"
			   "Fold: a \r\n\t b\n \r\n c\r\nKeep-Alive: max=9, timeout=7\r\n\r\nBODY";
	head_init(&h, (struct head_limits){65536, 256, 10}, false);
	ck_assert_int_eq(head_feed(&h, text, strlen(text), &used), HEAD_DONE);
	ck_assert_uint_eq(used, strlen(text) - 4);
	ck_assert(slice_is(h.reason, "Fine \xff then"));
	ck_assert_uint_eq(h.n_fields, 4);
	ck_assert(slice_is(h.fields[0].name, "X-A") && slice_is(h.fields[0].value, "one"));
	ck_assert(slice_is(h.fields[1].name, "x-a") && slice_is(h.fields[1].value, "two"));
	ck_assert(slice_is(h.fields[2].value, "a b c"));
	ck_assert_int_eq(h.keep_alive_ms, 7000);
	ck_assert(head_has_token(&h, "X-a", "TWO") && !head_has_token(&h, "x-a", "three"));
	head_fini(&h);
}
END_TEST

START_TEST(heads_are_bounded)
{
	struct head h;
	size_t used;
	head_init(&h, (struct head_limits){100, 3, 2}, false);
	const char *many = OK11 "a: b\r\na: b\r\na: b\r\na: b\r\n\r\n";
	ck_assert_int_eq(head_feed(&h, many, strlen(many), &used), HEAD_BAD);
	ck_assert_int_eq(h.kind, KIND_HEADERS_TOO_LARGE);
	head_reset(&h, false);
	char big[200];
	memset(big, 'x', sizeof(big));
	memcpy(big, OK11, strlen(OK11));
	ck_assert_int_eq(head_feed(&h, big, sizeof(big), &used), HEAD_BAD);
	ck_assert_int_eq(h.kind, KIND_HEADERS_TOO_LARGE);
	head_reset(&h, false);
	const char *interim = "HTTP/1.1 102 P\r\n\r\nHTTP/1.1 102 P\r\n\r\nHTTP/1.1 102 P\r\n\r\n";
	ck_assert_int_eq(head_feed(&h, interim, strlen(interim), &used), HEAD_BAD);
	ck_assert_int_eq(h.kind, KIND_HEADERS_TOO_LARGE);
	head_fini(&h);
}
END_TEST

/* ---- chunks ---- */

struct chunk_row {
	const char *bytes;
	enum dechunk_state state;
	const char *data;
	const char *rest;
};

static const struct chunk_row chunk_rows[] = {
	{"5\r\nhello\r\n0\r\n\r\n", DECHUNK_END, "hello", ""},
	{"5\r\nhello\r\n0\r\n\r\nnext", DECHUNK_END, "hello", "next"},
	{"5\nhello\n0\n\n", DECHUNK_END, "hello", ""},
	{"00000000000000a;x=\"y\"\r\n0123456789\r\n0;z\r\nA: b\r\n\r\n", DECHUNK_END, "0123456789",
	 ""},
	{"5\r\nhello\r\n", DECHUNK_MORE, "hello", NULL},
	{"5\r\nhello\r\n0\r\n", DECHUNK_MORE, "hello", NULL},
	{"5\r\nhelloX", DECHUNK_BAD, "hello", NULL},
	{"g\r\n", DECHUNK_BAD, "", NULL},
	{"\r\n", DECHUNK_BAD, "", NULL},
	{" 5\r\nhello", DECHUNK_BAD, "", NULL},
	{"0x5\r\nhello", DECHUNK_BAD, "", NULL},
	{"-5\r\nhello", DECHUNK_BAD, "", NULL},
	{"FFFFFFFFFFFFFFFF\r\n", DECHUNK_BAD, "", NULL},
	{"00000000000000005\r\nhello", DECHUNK_BAD, "", NULL},
};

START_TEST(chunks_are_undone_however_they_arrive)
{
	const struct chunk_row *r = &chunk_rows[_i];
	size_t n = strlen(r->bytes);
	for (size_t piece = 1; piece <= n; piece++) {
		struct dechunk d;
		struct bytes got = BYTES_LIMIT(1000);
		enum dechunk_state s = DECHUNK_MORE;
		size_t at = 0;
		dechunk_init(&d, 1000);
		while (at < n && s != DECHUNK_END && s != DECHUNK_BAD) {
			size_t used, offer = n - at < piece ? n - at : piece;
			struct slice data = {NULL, 0};
			s = dechunk_feed(&d, r->bytes + at, offer, &used, &data);
			ck_assert_uint_le(used, offer);
			if (s == DECHUNK_DATA)
				bytes_add_slice(&got, data);
			at += used;
		}
		s = s == DECHUNK_DATA ? DECHUNK_MORE : s;
		ck_assert_msg(s == r->state, "row %d piece %zu", _i, piece);
		ck_assert(slice_is(bytes_slice(&got), r->data));
		if (s == DECHUNK_END)
			ck_assert_str_eq(r->bytes + at, r->rest);
		bytes_fini(&got);
		dechunk_fini(&d);
	}
}
END_TEST

START_TEST(trailers_are_read_apart)
{
	struct dechunk d;
	struct slice data;
	struct head_field f[4];
	size_t used;
	const char *text = "0\r\nX-Sum: 1\r\nno colon\r\nSet-Cookie: a\r\n\r\n";
	dechunk_init(&d, 1000);
	ck_assert_int_eq(dechunk_feed(&d, text, strlen(text), &used, &data), DECHUNK_END);
	ck_assert_uint_eq(dechunk_trailers(&d, f, 4), 2);
	ck_assert(slice_is(f[0].name, "X-Sum") && slice_is(f[1].value, "a"));
	ck_assert_uint_eq(dechunk_trailers(&d, f, 1), 1);
	dechunk_fini(&d);
}
END_TEST

/* ---- reuse ---- */

START_TEST(any_doubt_ends_a_connection)
{
	const struct reuse_facts good = {
		.head_allows = true, .body_complete = true, .request_sent = true};
	struct reuse_facts f[6] = {good, good, good, good, good, good};
	f[0].head_allows = false;
	f[1].body_complete = false;
	f[2].request_sent = false;
	f[3].leftover = true;
	f[4].ambiguous = true;
	f[5].closed = true;
	ck_assert(reuse_allowed(&good));
	for (int i = 0; i < 6; i++)
		ck_assert(!reuse_allowed(&f[i]));
	ck_assert_int_eq(reuse_idle_ms(-1, 60000), 60000);
	ck_assert_int_eq(reuse_idle_ms(5000, 60000), 4000);
	ck_assert_int_eq(reuse_idle_ms(1000, 60000), 500);
	ck_assert_int_eq(reuse_idle_ms(90000, 60000), 60000);
	ck_assert_int_eq(reuse_idle_ms(0, 60000), 0);
}
END_TEST

int main(void)
{
	Suite *su = suite_create("head");
	TCase *tc = tcase_create("all");
	tcase_add_loop_test(tc, verdict_does_not_depend_on_how_bytes_arrive, 0, N_ROWS);
	tcase_add_test(tc, fields_are_kept_as_they_came);
	tcase_add_test(tc, heads_are_bounded);
	tcase_add_loop_test(tc, chunks_are_undone_however_they_arrive, 0,
			    (int)(sizeof(chunk_rows) / sizeof(*chunk_rows)));
	tcase_add_test(tc, trailers_are_read_apart);
	tcase_add_test(tc, any_doubt_ends_a_connection);
	suite_add_tcase(su, tc);
	SRunner *sr = srunner_create(su);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
