/*
 * fuzz_split -- texts between marks, lines, lists in JSON, Link fields, templates and globs. The
 * first byte says how long the pieces are in which the rest is fed; what comes out must not depend
 * on them.
 */
#include "base/check.h"
#include "model/between.h"
#include "model/glob.h"
#include "model/interp.h"
#include "model/jsonitems.h"
#include "model/lines.h"
#include "model/link.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void cut_between(struct slice text, size_t n, struct bytes *out)
{
	struct between b;
	struct slice item;
	enum err e;
	between_init(&b, SLICE_LIT("<a>"), SLICE_LIT("</a>"));
	for (size_t at = 0; at < text.n; at += n) {
		between_feed(&b, (struct slice){text.p + at, text.n - at < n ? text.n - at : n});
		while ((e = between_next(&b, &item)) != ERR_AGAIN) {
			CHECK(e == ERR_TOO_LARGE || (e == ERR_OK && item.n > 0));
			bytes_add_slice(out, e == ERR_OK ? item : SLICE_LIT("!"));
			bytes_add_byte(out, '|');
		}
	}
	between_fini(&b);
}

static void cut_lines(struct slice text, size_t n, struct bytes *out)
{
	struct lines l;
	struct slice line;
	enum err e;
	lines_init(&l);
	for (size_t at = 0; at < text.n; at += n) {
		lines_feed(&l, (struct slice){text.p + at, text.n - at < n ? text.n - at : n});
		if (at + n >= text.n)
			lines_end(&l);
		while ((e = lines_next(&l, &line)) == ERR_OK) {
			bytes_add_slice(out, line);
			bytes_add_byte(out, '|');
		}
		CHECK(e == (at + n >= text.n ? ERR_END : ERR_AGAIN));
	}
	lines_fini(&l);
}

static void cut_json(struct slice text, size_t n, struct bytes *out)
{
	struct jsonitems j;
	struct slice item;
	enum err e = ERR_AGAIN;
	CHECK(jsonitems_init(&j, SLICE_LIT("/a"), SLICE_LIT("/b/0")) == ERR_OK);
	for (size_t at = 0; e == ERR_AGAIN; at += n) {
		if (at >= text.n)
			jsonitems_end(&j);
		else
			jsonitems_feed(
				&j, (struct slice){text.p + at, text.n - at < n ? text.n - at : n});
		while ((e = jsonitems_next(&j, &item)) == ERR_OK) {
			bytes_add_slice(out, item);
			bytes_add_byte(out, '|');
		}
	}
	bytes_add_str(out, err_text(e));
	bytes_add_slice(out, jsonitems_beside(&j));
	jsonitems_fini(&j);
}

static void compare(struct slice text, size_t n,
		    void (*cut)(struct slice text, size_t n, struct bytes *out))
{
	struct bytes whole = BYTES_LIMIT(0), pieces = BYTES_LIMIT(0);
	cut(text, text.n + 1, &whole);
	cut(text, n, &pieces);
	CHECK(slice_eq(bytes_slice(&whole), bytes_slice(&pieces)));
	bytes_fini(&whole);
	bytes_fini(&pieces);
}

static enum err lookup(void *ctx, struct slice name, struct interp_value *ret)
{
	(void)ctx;
	CHECK(interp_name_valid(name));
	*ret = (struct interp_value){.text = SLICE_LIT("a b/c")};
	return ERR_OK;
}

static void try_template(struct slice text)
{
	const struct interp_env env = {.lookup = lookup};
	struct interp_error e;
	struct bytes out = BYTES_LIMIT(0);
	struct arena a;
	struct tmpl t;
	arena_init(&a, 1 << 20);
	if (tmpl_parse(&a, text, text.n % 2 ? TMPL_URL : TMPL_TEXT, &t, &e) == ERR_OK)
		tmpl_render_text(&t, &env, &out, &e);
	bytes_fini(&out);
	arena_fini(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	struct slice text = {(const char *)data + 1, size - 1}, target;
	size_t n = 1 + data[0] % 64, half = text.n / 2;
	compare(text, n, cut_between);
	compare(text, n, cut_lines);
	compare(text, n, cut_json);
	if (link_find(text, "next", &target))
		CHECK(target.p >= text.p && target.p + target.n <= text.p + text.n);
	try_template(text);
	glob_match((struct slice){text.p, half}, (struct slice){text.p + half, text.n - half},
		   true);
	return 0;
}
