/*
 * fuzz_job -- job files and fed items. Any bytes are either a whole tree or an error with a place
 * in the text; a tree that came out is walked, its fetches are rendered against nothing, and what
 * is read when a task starts is read.
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

struct walk {
	struct job_spec *spec;
	uint32_t n;
};

static void read_late(struct job_spec *s, const struct node *n, const struct interp_env *env)
{
	char sentence[512] = "";
	struct late_node *l = late_node_new(s, n);
	CHECK(l != NULL);
	for (int phase = 0; phase < LATE_PHASES; phase++)
		CHECK(late_node_read(l, (enum late_phase)phase, env, sentence) == ERR_OK ||
		      sentence[0] != '\0');
	late_node_free(l);
}

static bool visit(void *ctx, const struct node *n)
{
	struct walk *w = ctx;
	const struct interp_env env = {.lookup = lookup};
	struct fetch_spec *f = NULL;
	struct fetch_error e;
	char piece[NODE_PIECE_MAX];
	node_piece(n, piece);
	CHECK(n->serial == w->n++);
	CHECK(n->parent == NULL || n->parent->serial < n->serial);
	if (n->verb == VERB_FETCH && fetch_spec_render(&n->u.fetch, &env, &f, &e) == ERR_OK)
		fetch_spec_free(f);
	read_late(w->spec, n, &env);
	return true;
}

static void try_job(struct slice text)
{
	json_t *vars = json_pack("{s:s,s:i}", "v", "5s", "n", 3);
	const struct spec_options o = {.from_config = true, .vars = vars};
	struct job_spec *s = NULL;
	struct spec_error e;
	if (job_spec_parse(text, &o, &s, &e) == ERR_OK) {
		struct walk w = {.spec = s};
		node_walk(s->root, visit, &w);
		CHECK(w.n == s->n_nodes);
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
