/*
 * history -- see history.h. Lines are looked through as they come, a page at a time; only the one
 * that is wanted becomes a tree.
 */
#include "client/history.h"

#include "client/say.h"
#include "proto/jsonscan.h"
#include "proto/jsontree.h"

#define ANSWER_TIMEOUT_MS 60000

static bool is_of(struct slice line, const char *path)
{
	struct slice raw, task;
	return jsonscan_member(line, "task", &raw) && jsonscan_plain(raw, &task) == ERR_OK &&
	       slice_is(task, path);
}

static void keep(struct slice line, json_t **ret)
{
	static const char *const large[] = {"body", "body_base64", "headers", "file"};
	const struct jsonscan_limits limits = {.values = UINT32_MAX};
	struct jsonscan_error error;
	json_t *tree = NULL;
	if (jsontree_parse(line, &limits, &tree, &error) != ERR_OK)
		return;
	for (size_t i = 0; i < sizeof(large) / sizeof(large[0]); i++)
		json_object_del(tree, large[i]);
	json_decref(*ret);
	*ret = tree;
}

/* One page. False: it was the last, or makes no sense. */
static bool look_through(struct slice result, const char *path, uint64_t *after, json_t **ret)
{
	struct slice next, lines, line;
	struct jsonscan_iter it;
	uint64_t n = *after;
	if (!jsonscan_member(result, "next", &next) || jsonscan_u64(next, &n) != ERR_OK ||
	    n == *after || !jsonscan_member(result, "results", &lines) ||
	    jsonscan_items(lines, &it) != ERR_OK)
		return false;
	*after = n;
	while (jsonscan_next_item(&it, &line))
		if (is_of(line, path))
			keep(line, ret);
	return true;
}

enum status history_find(struct muster *m, const char *job, const char *path, json_t **ret)
{
	struct bytes params = {.limit = 0};
	struct muster_reply r;
	enum muster_status s;
	uint64_t after = 0;
	*ret = NULL;
	do {
		bytes_clear(&params);
		bytes_printf(&params, "{\"job\":\"%s\",\"after\":%llu,\"wait_ms\":0}", job,
			     (unsigned long long)after);
		s = muster_call(m, "job.results", bytes_cstr(&params), ANSWER_TIMEOUT_MS, &r);
	} while (s == MUSTER_OK &&
		 look_through((struct slice){r.result, r.n_result}, path, &after, ret));
	bytes_fini(&params);
	return s == MUSTER_OK ? STATUS_OK : ask_failed(m, "job.results", s, &r);
}
