#include "base/table.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

#define ROTL(x, b) (uint64_t)(((x) << (b)) | ((x) >> (64 - (b))))

struct sip {
	uint64_t v0, v1, v2, v3;
};

static void sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v1 = ROTL(s->v1, 13) ^ s->v0;
	s->v0 = ROTL(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = ROTL(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = ROTL(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = ROTL(s->v1, 17) ^ s->v2;
	s->v2 = ROTL(s->v2, 32);
}

uint64_t siphash13(const uint64_t seed[2], const void *p, size_t n)
{
	struct sip s = {seed[0] ^ 0x736f6d6570736575u, seed[1] ^ 0x646f72616e646f6du,
			seed[0] ^ 0x6c7967656e657261u, seed[1] ^ 0x7465646279746573u};
	const unsigned char *in = p;
	uint64_t last = (uint64_t)n << 56;
	for (; n >= 8; n -= 8, in += 8) {
		uint64_t m;
		memcpy(&m, in, 8);
		s.v3 ^= m;
		sip_round(&s);
		s.v0 ^= m;
	}
	for (size_t i = 0; i < n; i++)
		last |= (uint64_t)in[i] << (8 * i);
	s.v3 ^= last;
	sip_round(&s);
	s.v0 ^= last;
	s.v2 ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

void table_init(struct table *t, uint64_t seed)
{
	*t = (struct table){.seed = {seed, seed ^ 0x9e3779b97f4a7c15u}};
}

void table_fini(struct table *t)
{
	for (uint32_t i = 0; i < t->n_entry; i++)
		free(t->entry[i].key);
	free(t->entry);
	free(t->index);
	*t = (struct table){.seed = {t->seed[0], t->seed[1]}};
}

/* The place in index of the key, or of the empty cell where it would go. */
static uint32_t find_cell(const struct table *t, struct slice key, uint32_t hash)
{
	uint32_t i = hash & t->mask;
	for (;; i = (i + 1) & t->mask) {
		uint32_t at = t->index[i];
		if (at == 0)
			return i;
		const struct table_entry *e = &t->entry[at - 1];
		if (e->hash == hash && e->key_len == key.n && e->key != NULL &&
		    (key.n == 0 || memcmp(e->key, key.p, key.n) == 0))
			return i;
	}
}

/* Drops holes and sizes the index for `want` live entries. */
static enum err rebuild(struct table *t, uint32_t want)
{
	uint32_t size = 16;
	while (size / 2 < want)
		size *= 2;
	uint32_t *index = calloc(size, sizeof(*index));
	struct table_entry *entry = malloc((size_t)size / 2 * sizeof(*entry));
	if (index == NULL || entry == NULL) {
		free(index);
		free(entry);
		return ERR_NOMEM;
	}
	uint32_t n = 0;
	for (uint32_t i = 0; i < t->n_entry; i++) {
		if (t->entry[i].value == NULL)
			continue;
		entry[n] = t->entry[i];
		uint32_t cell = entry[n].hash & (size - 1);
		while (index[cell] != 0)
			cell = (cell + 1) & (size - 1);
		index[cell] = ++n;
	}
	free(t->entry);
	free(t->index);
	t->entry = entry;
	t->index = index;
	t->n_entry = n;
	t->cap_entry = size / 2;
	t->mask = size - 1;
	return ERR_OK;
}

static uint32_t key_hash(const struct table *t, struct slice key)
{
	return (uint32_t)siphash13(t->seed, key.p, key.n);
}

void *table_get(const struct table *t, struct slice key)
{
	if (t->n_live == 0)
		return NULL;
	uint32_t at = t->index[find_cell(t, key, key_hash(t, key))];
	return at == 0 ? NULL : t->entry[at - 1].value;
}

enum err table_put(struct table *t, struct slice key, void *value, void **ret_old)
{
	CHECK(value != NULL);
	uint32_t hash = key_hash(t, key);
	if (t->index != NULL) {
		uint32_t at = t->index[find_cell(t, key, hash)];
		if (at != 0) {
			if (ret_old != NULL)
				*ret_old = t->entry[at - 1].value;
			t->entry[at - 1].value = value;
			return ERR_OK;
		}
	}
	char *copy = malloc(key.n + 1);
	if (copy == NULL)
		return ERR_NOMEM;
	if (t->n_entry == t->cap_entry && rebuild(t, t->n_live + t->n_live / 2 + 1) != ERR_OK) {
		free(copy);
		return ERR_NOMEM;
	}
	if (key.n != 0)
		memcpy(copy, key.p, key.n);
	copy[key.n] = '\0';
	t->entry[t->n_entry] = (struct table_entry){copy, (uint32_t)key.n, hash, value};
	t->index[find_cell(t, key, hash)] = ++t->n_entry;
	t->n_live++;
	if (ret_old != NULL)
		*ret_old = NULL;
	return ERR_OK;
}

void *table_remove(struct table *t, struct slice key)
{
	if (t->n_live == 0)
		return NULL;
	uint32_t cell = find_cell(t, key, key_hash(t, key));
	uint32_t at = t->index[cell];
	if (at == 0)
		return NULL;
	struct table_entry *e = &t->entry[at - 1];
	void *value = e->value;
	free(e->key);
	e->key = NULL; /* the cell stays as a tombstone until the next rebuild */
	e->value = NULL;
	if (--t->n_live == 0) {
		memset(t->index, 0, ((size_t)t->mask + 1) * sizeof(*t->index));
		t->n_entry = 0;
	}
	return value;
}

uint32_t table_count(const struct table *t)
{
	return t->n_live;
}
