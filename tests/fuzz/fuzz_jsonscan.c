/*
 * fuzz_jsonscan -- any bytes: the check never reads outside, what it passes jansson takes too (but
 * for numbers out of range), and slicing stays inside whether it passed or not.
 */
#include "base/check.h"
#include "proto/jsonscan.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(struct slice text, const char *end, int depth)
{
	struct jsonscan_iter it;
	struct slice name, value;
	struct bytes b = BYTES_LIMIT(1 << 20);
	CHECK(text.p + text.n <= end);
	jsonscan_string(text, &b);
	bytes_fini(&b);
	if (depth > 3)
		return;
	if (jsonscan_items(text, &it) == ERR_OK)
		while (jsonscan_next_item(&it, &value))
			walk(value, end, depth + 1);
	if (jsonscan_members(text, &it) == ERR_OK)
		while (jsonscan_next_member(&it, &name, &value))
			walk(value, end, depth + 1);
	jsonscan_member(text, "a", &value);
}

static void compare_with_jansson(struct slice text)
{
	json_error_t error;
	json_t *tree = json_loadb(
		text.p, text.n, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
	if (tree == NULL)
		CHECK(json_error_code(&error) == json_error_numeric_overflow);
	json_decref(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct jsonscan_error e = {.offset = 0};
	/* Memory of its own, so that a byte too far is seen. */
	char *copy = malloc(size + 1);
	if (copy == NULL)
		return 0;
	memcpy(copy, data, size);
	struct slice text = {copy, size};
	enum err r = jsonscan_check(text, NULL, &e);
	CHECK(r == ERR_OK || e.text[0] != '\0');
	CHECK(e.offset <= size);
	if (r == ERR_OK)
		compare_with_jansson(text);
	walk(text, copy + size, 0);
	struct jsonscan_place p = jsonscan_locate(text, SLICE_LIT("/a/0/b"), "c");
	CHECK(p.offset <= size);
	free(copy);
	return 0;
}
