/* links: */
#include "lib/buf.h"

#include "tests/support/cm.h"
#include "tests/support/oom.h"

#include <stdlib.h>
#include <string.h>

static void test_empty(void **state)
{
	struct buf b = { 0 };

	(void)state;
	buf_append(&b, NULL, 0);
	buf_append_str(&b, "");
	buf_consume(&b, 10);
	buf_clear(&b);
	assert_null(b.data);
	assert_int_equal(b.len, 0);
	buf_fini(&b);
	buf_fini(&b);
}

static void test_append(void **state)
{
	struct buf b = { 0 };

	(void)state;
	buf_append(&b, "ab\0c", 4);
	buf_append_str(&b, "def");
	buf_append_char(&b, '!');
	buf_appendf(&b, " %d %s", 42, "x");
	assert_int_equal(b.len, 13);
	assert_memory_equal(b.data, "ab\0cdef! 42 x", 13);
	assert_false(b.failed);
	buf_fini(&b);
	assert_null(b.data);
}

static void test_grows(void **state)
{
	struct buf b = { 0 };

	(void)state;
	for (int i = 0; i < 100000; i++)
		buf_append_char(&b, (char)i);
	assert_int_equal(b.len, 100000);
	assert_true(b.cap >= b.len && b.cap < 4 * b.len);
	for (int i = 0; i < 100000; i++)
		assert_int_equal(b.data[i], (uint8_t)i);
	buf_fini(&b);
}

static void test_appendf_long(void **state)
{
	struct buf b = { 0 };
	char text[5001];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	buf_append_str(&b, "<");
	buf_appendf(&b, "%s>", text);
	assert_int_equal(b.len, 5002);
	assert_int_equal(b.data[5001], '>');
	buf_fini(&b);
}

static void test_reserve(void **state)
{
	struct buf b = { 0 };

	(void)state;
	uint8_t *at = buf_reserve(&b, 1000);
	assert_non_null(at);
	memset(at, 7, 1000);
	assert_int_equal(b.len, 0);
	b.len = 1000;
	assert_ptr_equal(buf_reserve(&b, 0), b.data + 1000);
	/* Room that is there is not moved. */
	uint8_t *data = b.data;
	assert_ptr_equal(buf_reserve(&b, b.cap - b.len), data + 1000);
	buf_fini(&b);
}

static void test_consume(void **state)
{
	struct buf b = { 0 };

	(void)state;
	buf_append_str(&b, "hello world");
	buf_consume(&b, 0);
	buf_consume(&b, 6);
	assert_int_equal(b.len, 5);
	assert_memory_equal(b.data, "world", 5);
	buf_consume(&b, 100);
	assert_int_equal(b.len, 0);
	buf_append_str(&b, "again");
	assert_memory_equal(b.data, "again", 5);
	buf_fini(&b);
}

static void test_too_large(void **state)
{
	struct buf b = { 0 };

	(void)state;
	buf_append_str(&b, "kept");
	assert_null(buf_reserve(&b, SIZE_MAX));
	assert_true(b.failed);
	/* From now on nothing is added, not even what would fit. */
	buf_append_str(&b, "x");
	buf_appendf(&b, "%d", 1);
	assert_null(buf_reserve(&b, 1));
	assert_int_equal(b.len, 4);
	buf_clear(&b);
	assert_false(b.failed);
	buf_append_str(&b, "x");
	assert_int_equal(b.len, 1);
	assert_null(buf_reserve(&b, SIZE_MAX / 4));
	buf_fini(&b);
}

static void test_out_of_memory(void **state)
{
	struct buf b = { 0 };

	(void)state;
	if (!oom_possible())
		skip();
	oom_countdown = 1;
	buf_append_str(&b, "x");
	assert_true(b.failed);
	assert_null(b.data);
	assert_int_equal(b.cap, 0);
	buf_clear(&b);
	buf_append_str(&b, "fits");
	uint8_t *data = b.data;
	oom_countdown = 1;
	assert_null(buf_reserve(&b, 10000));
	assert_ptr_equal(b.data, data);
	assert_memory_equal(b.data, "fits", 4);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),	  cmocka_unit_test(test_append),
		cmocka_unit_test(test_grows),	  cmocka_unit_test(test_appendf_long),
		cmocka_unit_test(test_reserve),	  cmocka_unit_test(test_consume),
		cmocka_unit_test(test_too_large), cmocka_unit_test(test_out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
