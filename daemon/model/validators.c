#include "model/validators.h"

#include "base/table.h"

#include <stdlib.h>
#include <string.h>

struct known {
	struct validator v;
	char text[];
};

struct validators {
	struct table known; /* the one told longest ago first */
};

struct validators *validators_new(uint64_t seed)
{
	struct validators *v = calloc(1, sizeof(*v));
	if (v != NULL)
		table_init(&v->known, seed);
	return v;
}

void validators_free(struct validators *v)
{
	if (v == NULL)
		return;
	TABLE_EACH (it, &v->known)
		free(it->value);
	table_fini(&v->known);
	free(v);
}

uint32_t validators_count(const struct validators *v)
{
	return table_count(&v->known);
}

static enum err add_key(struct bytes *key, uint32_t uid, struct slice url)
{
	bytes_add_u64(key, uid);
	bytes_add_byte(key, ' ');
	return bytes_add_slice(key, url);
}

bool validators_get(const struct validators *v, uint32_t uid, struct slice url,
		    struct validator *ret)
{
	struct bytes key = {.n = 0};
	const struct known *k = NULL;
	if (add_key(&key, uid, url) == ERR_OK)
		k = table_get(&v->known, bytes_slice(&key));
	bytes_fini(&key);
	if (k != NULL)
		*ret = k->v;
	return k != NULL;
}

static struct known *known_new(const struct validator *what)
{
	struct known *k = malloc(sizeof(*k) + what->etag.n + what->last_modified.n + 1);
	if (k == NULL)
		return NULL;
	char *date = k->text + what->etag.n;
	if (what->etag.n > 0)
		memcpy(k->text, what->etag.p, what->etag.n);
	if (what->last_modified.n > 0)
		memcpy(date, what->last_modified.p, what->last_modified.n);
	k->v = (struct validator){{k->text, what->etag.n}, {date, what->last_modified.n}};
	return k;
}

static void drop_oldest(struct validators *v)
{
	TABLE_EACH (it, &v->known) {
		free(table_remove(&v->known, (struct slice){it->key, it->key_len}));
		return;
	}
}

static bool is_usable(const struct validator *what)
{
	return what->etag.n + what->last_modified.n > 0 && what->etag.n <= VALIDATOR_BYTES &&
	       what->last_modified.n <= VALIDATOR_BYTES;
}

enum err validators_put(struct validators *v, uint32_t uid, struct slice url,
			const struct validator *what)
{
	struct bytes key = {.n = 0};
	enum err e = add_key(&key, uid, url);
	struct known *k = e == ERR_OK && is_usable(what) ? known_new(what) : NULL;
	if (e == ERR_OK)
		free(table_remove(&v->known, bytes_slice(&key)));
	if (e == ERR_OK && is_usable(what)) {
		if (table_count(&v->known) >= VALIDATORS_MAX)
			drop_oldest(v);
		e = k != NULL ? table_put(&v->known, bytes_slice(&key), k, NULL) : ERR_NOMEM;
		if (e != ERR_OK)
			free(k);
	}
	bytes_fini(&key);
	return e;
}
