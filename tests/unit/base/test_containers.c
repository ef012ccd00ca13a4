/* Promises of base/table, base/heap and base/list against slow references. */
#include "base/heap.h"
#include "base/list.h"
#include "base/rng.h"
#include "base/table.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define KEYS  500
#define STEPS 100000

static struct slice key_of(char *buf, size_t cap, uint64_t k)
{
	int n = snprintf(buf, cap, "key-%llu", (unsigned long long)k);
	return (struct slice){buf, (size_t)n};
}

START_TEST(table_agrees_with_an_array_over_random_steps)
{
	static int values[KEYS];
	bool in[KEYS] = {false};
	struct table t;
	struct rng r;
	char buf[32];
	uint32_t live = 0;
	table_init(&t, 1);
	rng_seed(&r, 42);
	for (int i = 0; i < STEPS; i++) {
		uint64_t k = rng_below(&r, KEYS);
		struct slice key = key_of(buf, sizeof(buf), k);
		void *had = table_get(&t, key);
		ck_assert_ptr_eq(had, in[k] ? &values[k] : NULL);
		if (rng_below(&r, 2) == 0) {
			void *old = NULL;
			ck_assert_int_eq(table_put(&t, key, &values[k], &old), ERR_OK);
			ck_assert_ptr_eq(old, had);
			live += in[k] ? 0 : 1;
			in[k] = true;
		} else {
			ck_assert_ptr_eq(table_remove(&t, key), had);
			live -= in[k] ? 1 : 0;
			in[k] = false;
		}
		ck_assert_uint_eq(table_count(&t), live);
	}
	table_fini(&t);
}
END_TEST

START_TEST(table_iterates_in_insertion_order_whatever_the_seed)
{
	for (uint64_t seed = 0; seed < 20; seed++) {
		struct table t;
		char buf[32];
		int expected = 0;
		table_init(&t, seed);
		for (uint64_t k = 0; k < 100; k++)
			table_put(&t, key_of(buf, sizeof(buf), k), &buf, NULL);
		for (uint64_t k = 0; k < 100; k += 2)
			table_remove(&t, key_of(buf, sizeof(buf), k));
		TABLE_EACH (e, &t) {
			expected++;
			char want[32];
			key_of(want, sizeof(want), (uint64_t)expected * 2 - 1);
			ck_assert_str_eq(e->key, want);
		}
		ck_assert_int_eq(expected, 50);
		table_fini(&t);
	}
}
END_TEST

START_TEST(table_keys_may_hold_any_bytes)
{
	struct table t;
	int a, b;
	table_init(&t, 3);
	table_put(&t, (struct slice){"a\0b", 3}, &a, NULL);
	table_put(&t, (struct slice){"", 0}, &b, NULL);
	ck_assert_ptr_eq(table_get(&t, (struct slice){"a\0b", 3}), &a);
	ck_assert_ptr_null(table_get(&t, (struct slice){"a\0c", 3}));
	ck_assert_ptr_eq(table_get(&t, (struct slice){NULL, 0}), &b);
	table_fini(&t);
}
END_TEST

START_TEST(siphash_matches_its_reference_vector_shape)
{
	/* Same input, same seed: same hash; a flipped bit anywhere changes it. */
	uint64_t seed[2] = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
	unsigned char in[64];
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (unsigned char)i;
	for (size_t n = 0; n <= sizeof(in); n++) {
		uint64_t h = siphash13(seed, in, n);
		for (size_t i = 0; i < n; i++) {
			in[i] ^= 1;
			ck_assert_uint_ne(siphash13(seed, in, n), h);
			in[i] ^= 1;
		}
		ck_assert_uint_eq(siphash13(seed, in, n), h);
	}
}
END_TEST

struct item {
	struct heap_node node;
	uint64_t rank;
};

static bool rank_before(const struct heap_node *a, const struct heap_node *b)
{
	return HEAP_ENTRY(a, const struct item, node)->rank <
	       HEAP_ENTRY(b, const struct item, node)->rank;
}

START_TEST(heap_gives_the_least_over_random_steps)
{
	static struct item items[200];
	struct heap h;
	struct rng r;
	heap_init(&h, rank_before);
	rng_seed(&r, 7);
	for (int i = 0; i < STEPS / 4; i++) {
		struct item *it = &items[rng_below(&r, 200)];
		if (!heap_has(&it->node)) {
			it->rank = rng_below(&r, 1000);
			ck_assert_int_eq(heap_push(&h, &it->node), ERR_OK);
		} else if (rng_below(&r, 2) == 0) {
			it->rank = rng_below(&r, 1000);
			heap_update(&h, &it->node);
		} else {
			heap_remove(&h, &it->node);
			ck_assert(!heap_has(&it->node));
		}
		uint64_t least = UINT64_MAX;
		for (size_t k = 0; k < 200; k++)
			if (heap_has(&items[k].node) && items[k].rank < least)
				least = items[k].rank;
		struct heap_node *top = heap_top(&h);
		ck_assert_uint_eq(top ? HEAP_ENTRY(top, struct item, node)->rank : UINT64_MAX,
				  least);
	}
	heap_fini(&h);
}
END_TEST

START_TEST(list_keeps_order_and_forgets_what_is_removed)
{
	struct link l, n[4];
	list_init(&l);
	for (int i = 0; i < 4; i++)
		list_push_back(&l, &n[i]);
	list_remove(&n[1]);
	list_remove(&n[1]);
	ck_assert_ptr_eq(list_pop_front(&l), &n[0]);
	ck_assert_ptr_eq(list_pop_front(&l), &n[2]);
	list_push_front(&l, &n[1]);
	ck_assert_ptr_eq(list_first(&l), &n[1]);
	int seen = 0;
	LIST_EACH_SAFE (it, &l) {
		list_remove(it);
		seen++;
	}
	ck_assert_int_eq(seen, 2);
	ck_assert(list_empty(&l));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("base containers");
	TCase *tc = tcase_create("all");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, table_agrees_with_an_array_over_random_steps);
	tcase_add_test(tc, table_iterates_in_insertion_order_whatever_the_seed);
	tcase_add_test(tc, table_keys_may_hold_any_bytes);
	tcase_add_test(tc, siphash_matches_its_reference_vector_shape);
	tcase_add_test(tc, heap_gives_the_least_over_random_steps);
	tcase_add_test(tc, list_keeps_order_and_forgets_what_is_removed);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
