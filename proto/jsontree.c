/*
 * jsontree -- the only way from text to a json_t: what jsonscan passes, jansson takes, but for
 * numbers out of its range.
 */
#include "proto/jsontree.h"

#include <stdio.h>

enum err jsontree_parse(struct slice text, const struct jsonscan_limits *limits, json_t **ret_tree,
			struct jsonscan_error *ret_error)
{
	enum err e = jsonscan_check(text, limits, ret_error);
	if (e != ERR_OK)
		return e;
	json_error_t error = {
		.text = ""}; /* jansson leaves it alone when memory runs out at once */
	json_t *tree = json_loadb(text.p, text.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
	if (tree == NULL) {
		size_t offset = error.position > 0 ? (size_t)error.position - 1 : 0;
		struct jsonscan_place place = jsonscan_place_at(text, offset);
		*ret_error = (struct jsonscan_error){
			.offset = offset, .line = place.line, .column = place.column};
		snprintf(ret_error->text, sizeof(ret_error->text), "%s", error.text);
		/* Of what the scan lets through, jansson refuses numbers out of range; all else is
		 * want of memory, which it reports as whatever it was reading. */
		return json_error_code(&error) == json_error_numeric_overflow ? ERR_INVALID
									      : ERR_NOMEM;
	}
	*ret_tree = tree;
	return ERR_OK;
}

static int add_part(const char *buffer, size_t size, void *data)
{
	return bytes_add(data, buffer, size) == ERR_OK ? 0 : -1;
}

enum err jsontree_add(struct bytes *out, const json_t *tree)
{
	if (json_dump_callback(tree, add_part, out, JSON_COMPACT | JSON_ENCODE_ANY) != 0)
		return out->err != ERR_OK ? out->err : ERR_NOMEM;
	return ERR_OK;
}
