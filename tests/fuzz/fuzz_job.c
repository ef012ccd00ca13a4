/*
 * fuzz_job -- job files and fed items. Any bytes are either a whole tree or an error with a place
 * in the text; a tree that came out is walked and its fetches are rendered against nothing.
 */
#include "base/check.h"
#include "job/spec.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum err lookup(void *ctx, struct slice name, struct interp_value *ret)
{
	(void)ctx;
	if (name.n % 2 == 0)
		return ERR_NOT_FOUND;
	*ret = (struct interp_value){.text = SLICE_LIT("http://h/x")};
	return ERR_OK;
}

static bool visit(void *ctx, const struct node *n)
{
	const struct interp_env env = {.lookup = lookup};
	struct fetch_spec *f = NULL;
	struct fetch_error e;
	char piece[NODE_PIECE_MAX];
	node_piece(n, piece);
	CHECK(n->serial == (*(uint32_t *)ctx)++);
	CHECK(n->parent == NULL || n->parent->serial < n->serial);
	if (n->verb == VERB_FETCH && fetch_spec_render(&n->u.fetch, &env, &f, &e) == ERR_OK)
		fetch_spec_free(f);
	return true;
}

static void try_job(struct slice text)
{
	json_t *vars = json_pack("{s:s,s:i}", "v", "5s", "n", 3);
	const struct spec_options o = {.from_config = true, .vars = vars};
	struct job_spec *s = NULL;
	struct spec_error e;
	uint32_t n = 0;
	if (job_spec_parse(text, &o, &s, &e) == ERR_OK) {
		node_walk(s->root, visit, &n);
		CHECK(n == s->n_nodes);
	} else {
		CHECK(s == NULL && e.sentence[0] != '\0');
		CHECK(memchr(e.sentence, '\n', sizeof(e.sentence)) == NULL);
	}
	job_spec_unref(s);
	json_decref(vars);
}

static void try_item(struct slice text)
{
	struct fetch_spec defaults, *f = NULL;
	struct fetch_error e;
	fetch_spec_init(&defaults);
	if (fetch_spec_from_item(text, &defaults, &f, &e) == ERR_OK)
		fetch_spec_free(f);
	else
		CHECK(f == NULL && e.text[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = {(const char *)data, size};
	try_job(text);
	try_item(text);
	return 0;
}
