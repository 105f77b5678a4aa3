/* links: */
#include "lib/ids.h"

#include "tests/support/cm.h"

#include <stdlib.h>
#include <string.h>

static void test_random_id(void **state)
{
	char a[ID_TEXT_LEN + 1], b[ID_TEXT_LEN + 1];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct id x = id_random(), y = id_random();
		assert_false(id_equal(&x, &y));
		assert_false(id_is_none(&x));
		/* RFC 9562: version 4, variant 10. */
		assert_int_equal(id_format(&x, a)[14], '4');
		assert_non_null(strchr("89ab", a[19]));
		assert_string_not_equal(a, id_format(&y, b));
	}
}

static void test_format_and_parse(void **state)
{
	struct id id, back, none = { { 0 } };
	char text[ID_TEXT_LEN + 1];

	(void)state;
	for (int i = 0; i < 16; i++)
		id.b[i] = (uint8_t)(i * 16 + i);
	assert_string_equal(id_format(&id, text), "00112233-4455-6677-8899-aabbccddeeff");
	assert_int_equal(id_parse(text, ID_TEXT_LEN, &back), 0);
	assert_true(id_equal(&id, &back));
	assert_int_equal(id_parse("00112233-4455-6677-8899-AABBCCDDEEFF", ID_TEXT_LEN, &back), 0);
	assert_true(id_equal(&id, &back));
	assert_true(id_is_none(&none));
	assert_string_equal(id_format(&none, text), "00000000-0000-0000-0000-000000000000");
	for (int i = 0; i < 1000; i++) {
		id = id_random();
		assert_int_equal(id_parse(id_format(&id, text), ID_TEXT_LEN, &back), 0);
		assert_true(id_equal(&id, &back));
	}
}

static void test_parse_refuses(void **state)
{
	static const char *const bad[] = {
		"",
		"00112233-4455-6677-8899-aabbccddeef",
		"00112233-4455-6677-8899-aabbccddeeff0",
		"001122334455-6677-8899-aabbccddeeff00",
		"00112233-4455-6677-8899-aabbccddeefg",
		"00112233-4455-6677-8899-aabbccddee f",
		"00112233_4455-6677-8899-aabbccddeeff",
		"{0112233-4455-6677-8899-aabbccddeef}",
		"0-112233-4455-6677-8899-aabbccddeeff",
		"00112233-4455-6677-8899aabbccddeeff--",
		"001122334455667788990aabbccddeeff---",
		"\xc3\xa9"
		"112233-4455-6677-8899-aabbccddeeff",
	};
	struct id id;

	(void)state;
	memset(&id, 0x77, sizeof(id));
	struct id before = id;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(id_parse(bad[i], strlen(bad[i]), &id), -EINVAL);
	/* Every single character of a good one matters. */
	for (int at = 0; at < ID_TEXT_LEN; at++) {
		char text[ID_TEXT_LEN + 1] = "00112233-4455-6677-8899-aabbccddeeff";
		text[at] = 'x';
		assert_int_equal(id_parse(text, ID_TEXT_LEN, &id), -EINVAL);
		text[at] = 0;
		assert_int_equal(id_parse(text, ID_TEXT_LEN, &id), -EINVAL);
	}
	assert_true(id_equal(&id, &before));
}

static void test_hex(void **state)
{
	const uint8_t data[] = { 0, 1, 0x7f, 0x80, 0xff };
	uint8_t back[64];
	char text[2 * 64 + 1];

	(void)state;
	assert_string_equal(hex_format(data, sizeof(data), text), "00017f80ff");
	assert_string_equal(hex_format(data, 0, text), "");
	assert_int_equal(hex_parse("00017f80ff", 10, back, 5), 0);
	assert_memory_equal(back, data, 5);
	assert_int_equal(hex_parse("00:01:7F:80:FF", 14, back, 5), 0);
	assert_memory_equal(back, data, 5);
	assert_int_equal(hex_parse("", 0, back, 0), 0);
	random_bytes(back, sizeof(back));
	uint8_t again[64];
	assert_int_equal(hex_parse(hex_format(back, 64, text), 128, again, 64), 0);
	assert_memory_equal(back, again, 64);
}

static void test_hex_refuses(void **state)
{
	static const char *const bad[] = { "",	     "0",      "000",	"00011", "0001ff0", "0g01",  ":0001",
					   "00:01:", "00::01", "0:001", "00 01", "00-01",   "000102" };
	uint8_t back[2] = { 9, 9 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		/* On the heap without an end, so that a sanitizer sees a byte too far. */
		size_t len = strlen(bad[i]);
		char *text = malloc(len ? len : 1);
		if (len)
			memcpy(text, bad[i], len);
		assert_int_equal(hex_parse(text, len, back, 2), -EINVAL);
		free(text);
	}
	assert_int_equal(back[0], 9);
	char many[132];
	memset(many, '0', sizeof(many));
	uint8_t large[66];
	assert_int_equal(hex_parse(many, 130, large, 65), -EINVAL);
}

static void test_random_bytes(void **state)
{
	uint8_t a[300] = { 0 }, b[300] = { 0 };

	(void)state;
	/* More than getrandom() promises in one go. */
	random_bytes(a, sizeof(a));
	random_bytes(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	random_bytes(a, 0);
	int set = 0;
	for (size_t i = 0; i < sizeof(a); i++)
		set += __builtin_popcount(a[i]);
	assert_true(set > 900 && set < 1500);
}

static void test_hash(void **state)
{
	uint32_t buckets[256] = { 0 };

	(void)state;
	assert_int_equal(hash_bytes("abc", 3), hash_bytes("abcd", 3));
	assert_true(hash_bytes("abc", 3) != hash_bytes("abd", 3));
	assert_true(hash_bytes("", 0) != hash_bytes("\0", 1));
	/* Low bits of counting keys are spread. */
	for (uint32_t i = 0; i < 65536; i++)
		buckets[hash_bytes(&i, sizeof(i)) & 255]++;
	for (int i = 0; i < 256; i++)
		assert_true(buckets[i] > 150 && buckets[i] < 370);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_id),     cmocka_unit_test(test_format_and_parse),
		cmocka_unit_test(test_parse_refuses), cmocka_unit_test(test_hex),
		cmocka_unit_test(test_hex_refuses),   cmocka_unit_test(test_random_bytes),
		cmocka_unit_test(test_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
