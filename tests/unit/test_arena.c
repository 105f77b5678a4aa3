/* links: */
#include "lib/arena.h"

#include "tests/support/cm.h"
#include "tests/support/oom.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void test_empty(void **state)
{
	struct arena a = { 0 };

	(void)state;
	arena_fini(&a);
	assert_non_null(arena_alloc(&a, 0));
	arena_fini(&a);
	arena_fini(&a);
	assert_int_equal(a.used, 0);
}

static void test_alloc_is_zeroed_and_aligned(void **state)
{
	struct arena a = { 0 };

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (size_t len = 1; len < 3000; len += 37) {
			uint8_t *p = arena_alloc(&a, len);
			assert_non_null(p);
			assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
			for (size_t i = 0; i < len; i++)
				assert_int_equal(p[i], 0);
			memset(p, 0xff, len);
		}
		arena_fini(&a);
	}
}

static void test_pieces_do_not_overlap(void **state)
{
	struct arena a = { 0 };
	uint8_t *p[500];

	(void)state;
	for (int i = 0; i < 500; i++) {
		p[i] = arena_alloc(&a, (size_t)i % 97 + 1);
		memset(p[i], i, (size_t)i % 97 + 1);
	}
	/* One that has a block of its own, in between. */
	assert_non_null(arena_alloc(&a, 100000));
	for (int i = 0; i < 500; i++) {
		for (int k = 0; k <= i % 97; k++)
			assert_int_equal(p[i][k], (uint8_t)i);
	}
	arena_fini(&a);
}

static void test_strings(void **state)
{
	struct arena a = { 0 };
	char long_text[6000];

	(void)state;
	memset(long_text, 'y', sizeof(long_text));
	assert_string_equal(arena_strdup(&a, "abc"), "abc");
	assert_string_equal(arena_strdup(&a, ""), "");
	assert_string_equal(arena_strndup(&a, "abcdef", 3), "abc");
	assert_string_equal(arena_strndup(&a, "abc", 0), "");
	assert_string_equal(arena_printf(&a, "%s-%d", "x", 5), "x-5");
	assert_string_equal(arena_printf(&a, "%s", ""), "");
	char *p = arena_printf(&a, "%.*s", (int)sizeof(long_text), long_text);
	assert_int_equal(strlen(p), sizeof(long_text));
	arena_fini(&a);
}

static void test_limit(void **state)
{
	struct arena a = { .limit = 1024 };

	(void)state;
	assert_null(arena_alloc(&a, 1025));
	assert_non_null(arena_alloc(&a, 1000));
	assert_int_equal(a.used, 1008);
	assert_non_null(arena_alloc(&a, 16));
	assert_null(arena_alloc(&a, 1));
	assert_null(arena_strdup(&a, "x"));
	assert_null(arena_printf(&a, "x"));
	assert_int_equal(a.used, 1024);
	arena_fini(&a);
	assert_non_null(arena_alloc(&a, 1024));
	arena_fini(&a);
}

static void test_too_large(void **state)
{
	struct arena a = { 0 };

	(void)state;
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_null(arena_alloc(&a, SIZE_MAX / 2 + 1));
	/* Sanitizers end the program here. */
	if (oom_possible())
		assert_null(arena_alloc(&a, SIZE_MAX / 2));
	assert_null(arena_strndup(&a, "abc", SIZE_MAX));
	assert_null(arena_strndup(&a, "abc", SIZE_MAX - 1));
	assert_int_equal(a.used, 0);
	arena_fini(&a);
}

static void test_out_of_memory(void **state)
{
	struct arena a = { 0 };

	(void)state;
	if (!oom_possible())
		skip();
	oom_countdown = 1;
	assert_null(arena_alloc(&a, 1));
	assert_int_equal(a.used, 0);
	char *p = arena_strdup(&a, "kept");
	oom_countdown = 1;
	assert_null(arena_alloc(&a, 5000));
	assert_string_equal(p, "kept");
	assert_non_null(arena_alloc(&a, 5000));
	arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_alloc_is_zeroed_and_aligned),
		cmocka_unit_test(test_pieces_do_not_overlap),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
