/* links: mediad */
#include "mediad/address.h"
#include "mediad/demux.h"
#include "tests/support/cm.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static enum demux_kind kind_of(uint8_t first, uint8_t second, size_t len)
{
	uint8_t data[64] = { first, second };

	return demux_classify(data, len);
}

static void test_first_byte(void **state)
{
	(void)state;
	for (unsigned b = 0; b < 256; b++) {
		enum demux_kind expected = DEMUX_UNKNOWN;
		if (b <= 3)
			expected = DEMUX_STUN;
		else if (b >= 20 && b <= 63)
			expected = DEMUX_DTLS;
		else if (b >= 128 && b <= 191)
			expected = DEMUX_RTP;
		assert_int_equal(kind_of((uint8_t)b, 0, 64), expected);
	}
}

static void test_second_byte(void **state)
{
	(void)state;
	for (unsigned b = 0; b < 256; b++)
		assert_int_equal(kind_of(0x80, (uint8_t)b, 64), b >= 192 && b <= 223 ? DEMUX_RTCP : DEMUX_RTP);
}

static void test_short(void **state)
{
	(void)state;
	assert_int_equal(kind_of(0, 1, 19), DEMUX_UNKNOWN);
	assert_int_equal(kind_of(0, 1, 20), DEMUX_STUN);
	assert_int_equal(kind_of(22, 254, 12), DEMUX_UNKNOWN);
	assert_int_equal(kind_of(22, 254, 13), DEMUX_DTLS);
	assert_int_equal(kind_of(0x80, 96, 11), DEMUX_UNKNOWN);
	assert_int_equal(kind_of(0x80, 200, 7), DEMUX_UNKNOWN);
	assert_int_equal(kind_of(0x80, 200, 8), DEMUX_RTCP);
	assert_int_equal(demux_classify((const uint8_t *)"", 0), DEMUX_UNKNOWN);
}

static struct session_address some_address(unsigned n)
{
	struct session_address a = { .family = 4, .port = (uint16_t)(n * 7), .socket = (uint8_t)(n & 1) };

	memcpy(a.ip, &n, sizeof(n));
	return a;
}

/* Against the plainest possible map: an array. */
static void test_address_map(void **state)
{
	enum { KEYS = 300, STEPS = 20000, MAX = 200 };
	struct address_map map;
	uint32_t model[KEYS] = { 0 };
	unsigned used = 0;

	(void)state;
	assert_int_equal(address_map_init(&map, MAX), 0);
	srand(7);
	for (unsigned step = 0; step < STEPS; step++) {
		unsigned k = (unsigned)rand() % KEYS;
		struct session_address a = some_address(k);
		if (rand() % 2) {
			uint32_t value = (uint32_t)rand() % 1000 + 1;
			int err = address_map_set(&map, &a, value);
			assert_int_equal(err, !model[k] && used == MAX ? -ENOSPC : 0);
			if (err == 0) {
				used += !model[k];
				model[k] = value;
			}
		} else {
			address_map_remove(&map, &a);
			used -= model[k] != 0;
			model[k] = 0;
		}
		assert_int_equal(map.len, used);
		for (unsigned i = 0; i < KEYS; i += 13) {
			struct session_address b = some_address(i);
			assert_int_equal(address_map_find(&map, &b), model[i]);
		}
	}
	address_map_fini(&map);
}

static void test_sockaddr(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(40000) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(40001) };
	struct sockaddr_storage back;
	struct session_address a;
	char text[ADDRESS_TEXT_LEN];

	(void)state;
	inet_pton(AF_INET, "192.0.2.7", &in.sin_addr);
	inet_pton(AF_INET6, "2001:db8::7", &in6.sin6_addr);
	assert_int_equal(address_from_sockaddr(3, (struct sockaddr *)&in, sizeof(in), &a), 0);
	assert_string_equal(address_format(&a, text), "192.0.2.7:40000#3");
	assert_int_equal(address_to_sockaddr(&a, &back), sizeof(in));
	assert_memory_equal(&back, &in, sizeof(in));
	assert_int_equal(address_from_sockaddr(0, (struct sockaddr *)&in6, sizeof(in6), &a), 0);
	assert_string_equal(address_format(&a, text), "[2001:db8::7]:40001#0");
	assert_int_equal(address_to_sockaddr(&a, &back), sizeof(in6));
	assert_memory_equal(&back, &in6, sizeof(in6));
	assert_int_equal(address_from_sockaddr(0, (struct sockaddr *)&in6, 8, &a), -EAFNOSUPPORT);
	memset(&a, 0, sizeof(a));
	assert_int_equal(address_to_sockaddr(&a, &back), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_byte),  cmocka_unit_test(test_second_byte), cmocka_unit_test(test_short),
		cmocka_unit_test(test_address_map), cmocka_unit_test(test_sockaddr),
	};

	return cmocka_run_group_tests_name("demux", tests, NULL, NULL);
}
