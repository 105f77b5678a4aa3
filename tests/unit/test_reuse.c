/* links: net */
#include "tests/net/reuse.h"

#include "tests/support/cm.h"

#include <stdlib.h>
#include <string.h>

#define SSRC 0x01020304u

static struct reuse r;
static struct reuse_flow flows[4];
static struct reuse_found found;

static int set_up(void **state)
{
	(void)state;
	reuse_init(&r);
	memset(flows, 0, sizeof(flows));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	reuse_fini(&r);
	assert_int_equal(r.pages + r.streams, 0);
	return 0;
}

/* In memory of its own size, so that a sanitizer sees who reads beyond it. */
static bool see(struct reuse_flow *f, enum reuse_direction direction, const uint8_t *data, size_t len)
{
	uint8_t *exact = malloc(len ? len : 1);

	assert_non_null(exact);
	memcpy(exact, data, len);
	bool again = reuse_see(&r, f, direction, exact, len, &found);
	free(exact);
	return again;
}

static uint64_t sum(size_t offset)
{
	return *(uint64_t *)((char *)&r.counts[0] + offset) + *(uint64_t *)((char *)&r.counts[1] + offset);
}
#define COUNT(what) sum(offsetof(struct reuse_counts, what))

static void put32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24), p[1] = (uint8_t)(v >> 16), p[2] = (uint8_t)(v >> 8), p[3] = (uint8_t)v;
}

/* content: two packets with the same one are the same. */
static bool rtp(struct reuse_flow *f, enum reuse_direction direction, uint32_t ssrc, uint64_t index, uint32_t content)
{
	uint8_t p[40] = { 0x80, 96, (uint8_t)(index >> 8), (uint8_t)index };

	put32(p + 8, ssrc);
	put32(p + 20, content);
	return see(f, direction, p, sizeof(p));
}

static bool down(uint64_t index, uint32_t content)
{
	return rtp(&flows[0], REUSE_DOWN, SSRC, index, content);
}

/* behind: how many bytes of tag come after the index. What else could be read as an index is large and different. */
static bool rtcp(struct reuse_flow *f, uint32_t ssrc, uint32_t index, uint32_t content, size_t behind)
{
	uint8_t p[60];

	memset(p, 0xee, sizeof(p));
	p[0] = 0x81, p[1] = 200;
	put32(p + 4, ssrc);
	put32(p + sizeof(p) - 4, 0xf0000000u ^ content);
	put32(p + sizeof(p) - 14, 0xf1000000u ^ content);
	put32(p + sizeof(p) - 20, content);
	put32(p + sizeof(p) - 4 - behind, 0x80000000u | index);
	return see(f, REUSE_DOWN, p, sizeof(p));
}

/* ---- what a handshake looks like from outside ---- */

static size_t record(uint8_t *to, uint8_t type, const uint8_t *body, size_t len)
{
	uint8_t head[13] = { type, 0xfe, 0xfd, [11] = (uint8_t)(len >> 8), (uint8_t)len };

	memcpy(to, head, sizeof(head));
	memcpy(to + sizeof(head), body, len);
	return sizeof(head) + len;
}

/* A ServerHello with this random and profile, behind another record. */
static size_t hello(uint8_t *to, uint8_t random, uint8_t profile)
{
	static const uint8_t warning[2] = { 1, 100 };
	const uint8_t extensions[] = { 0xff, 1, 0, 1, 0, 0, 14, 0, 5, 0, 2, 0, profile, 0, 0, 23, 0, 0 };
	uint8_t message[12 + 34 + 1 + 4 + 3 + 2 + sizeof(extensions)] = { 2 };
	uint8_t *p = message + 12;

	message[3] = message[11] = sizeof(message) - 12;
	*p++ = 0xfe, *p++ = 0xfd;
	memset(p, random, 32);
	p += 32;
	*p++ = 4; /* a session id */
	p += 4;
	*p++ = 0xc0, *p++ = 0x2b, *p++ = 0;
	*p++ = 0, *p++ = sizeof(extensions);
	memcpy(p, extensions, sizeof(extensions));
	size_t n = record(to, 21, warning, sizeof(warning));
	return n + record(to + n, 22, message, sizeof(message));
}

static void say_hello(struct reuse_flow *f, uint8_t random, uint8_t profile)
{
	uint8_t data[200] = { 0 };

	assert_false(see(f, REUSE_DOWN, data, hello(data, random, profile)));
}

static void change_cipher(struct reuse_flow *f)
{
	static const uint8_t one = 1;
	uint8_t data[20] = { 0 };

	assert_false(see(f, REUSE_DOWN, data, record(data, 20, &one, 1)));
}

static void handshake(struct reuse_flow *f, uint8_t random, uint8_t profile)
{
	say_hello(f, random, profile);
	change_cipher(f);
}

static size_t check_with(uint8_t *to, const char *name)
{
	static const uint8_t head[] = { 0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, [20] = 0, 0x24, 0, 4, 1, 2, 3, 4 };
	size_t n = strlen(name);

	memcpy(to, head, sizeof(head));
	to[sizeof(head)] = 0, to[sizeof(head) + 1] = 6, to[sizeof(head) + 2] = 0, to[sizeof(head) + 3] = (uint8_t)n;
	memcpy(to + sizeof(head) + 4, name, n);
	return sizeof(head) + 4 + n;
}

static void ice(struct reuse_flow *f, const char *name)
{
	uint8_t data[100] = { 0 };

	assert_false(see(f, REUSE_UP, data, check_with(data, name)));
}

/* ---- RTP ---- */

static void a_second_packet_under_an_index_is_found_and_a_copy_is_not(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		assert_false(down(5000 + i, i));
	for (uint32_t i = 0; i < 100; i += 7)
		assert_false(down(5000 + i, i));
	assert_true(down(5042, 1));
	assert_false(found.rtcp);
	assert_int_equal(found.ssrc, SSRC);
	assert_int_equal(found.index & 0xffff, 5042);
	assert_int_equal(COUNT(reused), 1);
	assert_int_equal(COUNT(checked), 100 + 15 + 1);
	assert_int_equal(r.counts[REUSE_UP].checked, 0);
}

static void a_packet_that_is_a_byte_longer_is_another_one(void **state)
{
	uint8_t p[41] = { 0x80, 96, 0, 1 };

	(void)state;
	assert_false(see(&flows[0], REUSE_DOWN, p, 40));
	assert_true(see(&flows[0], REUSE_DOWN, p, 41));
}

static void what_differs_in_ssrc_direction_or_kind_has_another_keystream(void **state)
{
	(void)state;
	handshake(&flows[0], 1, 7);
	assert_false(rtp(&flows[0], REUSE_DOWN, SSRC, 1, 1));
	assert_false(rtp(&flows[0], REUSE_DOWN, SSRC + 1, 1, 2));
	assert_false(rtp(&flows[0], REUSE_UP, SSRC, 1, 3));
	assert_false(rtcp(&flows[0], SSRC, 1, 4, 0));
	assert_int_equal(COUNT(checked), 4);
	assert_int_equal(COUNT(unread), 0);
}

static void sequence_numbers_that_begin_again_are_other_indexes(void **state)
{
	const uint32_t n = 4 * 65536 + 1000;

	(void)state;
	/* Also when every tenth is late, across each wrap. */
	for (uint32_t i = 0; i < n; i++) {
		if (i % 10 != 0)
			assert_false(down(65000 + i, i));
		if (i >= 300 && (i - 300) % 10 == 0)
			assert_false(down(65000 + i - 300, i - 300));
	}
	/* The last ones once more, on both sides of a wrap: the same, and then others. */
	for (uint32_t i = n - 2000; i < n; i += 9)
		assert_false(down(65000 + i, i));
	assert_int_equal(COUNT(reused), 0);
	assert_true(down(65000 + n - 1500, 1));
	assert_true(down(65000 + n - 30001, 1));
	assert_int_equal(COUNT(full), 0);
}

static void the_first_packet_may_be_late_itself(void **state)
{
	(void)state;
	assert_false(down(3, 3));
	assert_false(down(65536 - 2, 1)); /* before it */
	assert_false(down(4, 4));
	assert_true(down(65536 - 2, 2));
	assert_false(down(65536 - 2, 1));
}

static void a_sender_that_goes_back_is_found_at_its_first_packet(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 20000; i++)
		assert_false(down(i, i));
	assert_true(down(0, 99999));
	/* One that goes on behind a hole is right. */
	assert_false(down(20064, 1));
}

/* ---- SRTCP ---- */

static void the_index_of_srtcp_stands_where_the_profile_puts_it(void **state)
{
	static const struct {
		uint8_t profile;
		size_t behind;
	} all[] = { { 1, 10 }, { 2, 10 }, { 7, 0 }, { 8, 0 } };

	(void)state;
	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct reuse_flow *f = &flows[i];
		uint64_t reused = COUNT(reused);
		handshake(f, 1, all[i].profile);
		for (uint32_t n = 1; n < 100; n++)
			assert_false(rtcp(f, SSRC, n, n, all[i].behind));
		assert_false(rtcp(f, SSRC, 50, 50, all[i].behind));
		assert_true(rtcp(f, SSRC, 50, 51, all[i].behind));
		assert_true(found.rtcp);
		assert_int_equal(found.index, 50);
		assert_int_equal(COUNT(reused), reused + 1);
	}
	assert_int_equal(COUNT(unread), 0);
}

static void an_srtcp_index_that_goes_far_back_is_a_reuse(void **state)
{
	(void)state;
	handshake(&flows[0], 1, 7);
	for (uint32_t n = 1; n <= 70000; n++)
		assert_false(rtcp(&flows[0], SSRC, n, n, 0));
	assert_true(rtcp(&flows[0], SSRC, 1, 1, 0));
}

static void srtcp_without_a_known_profile_is_counted_and_not_guessed(void **state)
{
	(void)state;
	assert_false(rtcp(&flows[0], SSRC, 1, 1, 0));
	assert_false(rtcp(&flows[0], SSRC, 1, 2, 0));
	handshake(&flows[0], 1, 99);
	assert_false(rtcp(&flows[0], SSRC, 1, 3, 0));
	assert_int_equal(COUNT(unread), 3);
	assert_int_equal(COUNT(checked), 0);
}

/* ---- associations ---- */

static void a_new_handshake_begins_anew_and_a_repeated_one_does_not(void **state)
{
	(void)state;
	handshake(&flows[0], 1, 7);
	assert_false(down(1, 1));
	assert_false(rtcp(&flows[0], SSRC, 1, 1, 0));
	/* The last flight once more, for it got lost; then its first half alone of a new one. */
	handshake(&flows[0], 1, 7);
	say_hello(&flows[0], 2, 1);
	assert_true(down(1, 2));
	assert_true(rtcp(&flows[0], SSRC, 1, 2, 0));
	change_cipher(&flows[0]);
	assert_false(down(1, 3));
	assert_false(rtcp(&flows[0], SSRC, 1, 3, 10));
	change_cipher(&flows[0]);
	assert_true(down(1, 4));
	assert_int_equal(COUNT(reused), 3);
	assert_int_equal(COUNT(unread), 0);
}

static void without_a_handshake_nothing_begins_anew_whoever_sends(void **state)
{
	(void)state;
	ice(&flows[0], "server:client");
	handshake(&flows[0], 1, 7);
	for (uint32_t i = 0; i < 100; i++)
		assert_false(down(i, i));
	/* The server was killed; the checks go on, and a change of cipher alone is nobody's beginning. */
	ice(&flows[0], "server:client");
	change_cipher(&flows[0]);
	assert_false(down(164, 1000));
	assert_true(down(99, 1001));
}

static void an_ice_restart_takes_the_association_to_its_new_flow(void **state)
{
	(void)state;
	ice(&flows[0], "a:b");
	handshake(&flows[0], 1, 7);
	assert_false(down(1, 1));
	assert_false(rtp(&flows[0], REUSE_UP, 77, 1, 1));
	assert_false(rtcp(&flows[0], SSRC, 1, 1, 0));

	ice(&flows[1], "c:d");
	/* Its SRTCP cannot be read before its first RTP says whose it is. */
	assert_false(rtcp(&flows[1], SSRC, 2, 2, 0));
	assert_false(rtp(&flows[1], REUSE_UP, 77, 2, 2));
	assert_true(rtp(&flows[1], REUSE_DOWN, SSRC, 1, 2));
	assert_true(rtcp(&flows[1], SSRC, 1, 2, 0));
	assert_true(rtp(&flows[0], REUSE_UP, 77, 2, 3));
	assert_int_equal(COUNT(unread), 1);
}

static void the_flow_that_stays_takes_the_new_name_to_its_association(void **state)
{
	(void)state;
	ice(&flows[0], "a:b");
	handshake(&flows[0], 1, 7);
	assert_false(down(1, 1));
	ice(&flows[1], "c:d");
	ice(&flows[0], "c:d");
	assert_true(rtp(&flows[1], REUSE_DOWN, SSRC, 1, 2));
	assert_false(rtcp(&flows[1], SSRC, 1, 1, 0));
	assert_int_equal(COUNT(unread), 0);
}

static void a_handshake_may_use_several_ways(void **state)
{
	(void)state;
	ice(&flows[0], "a:b");
	say_hello(&flows[0], 1, 1);
	ice(&flows[1], "a:b");
	change_cipher(&flows[1]);
	assert_false(rtp(&flows[0], REUSE_DOWN, SSRC, 1, 1));
	assert_true(rtp(&flows[1], REUSE_DOWN, SSRC, 1, 2));
	assert_false(rtcp(&flows[1], SSRC, 1, 1, 10));
	assert_true(rtcp(&flows[0], SSRC, 1, 2, 10));
}

static void two_clients_have_two_keys(void **state)
{
	(void)state;
	ice(&flows[0], "a:b");
	ice(&flows[1], "c:d");
	handshake(&flows[0], 1, 7);
	handshake(&flows[1], 2, 7);
	/* RTCP of who sends nothing has SSRC 1 in many clients. */
	assert_false(rtcp(&flows[0], 1, 1, 1, 0));
	assert_false(rtcp(&flows[1], 1, 1, 2, 0));
	assert_false(rtp(&flows[0], REUSE_DOWN, SSRC, 1, 1));
	assert_false(rtp(&flows[1], REUSE_DOWN, SSRC, 1, 2));
	assert_int_equal(COUNT(reused), 0);
}

static void the_client_begins_no_association(void **state)
{
	uint8_t data[200] = { 0 };

	(void)state;
	handshake(&flows[0], 1, 7);
	assert_false(down(1, 1));
	assert_false(see(&flows[0], REUSE_UP, data, hello(data, 2, 7)));
	change_cipher(&flows[0]);
	assert_true(down(1, 2));
}

/* ---- memory, and anybody's bytes ---- */

static void memory_is_bounded_and_what_finds_no_room_is_counted(void **state)
{
	const uint32_t more = 10;

	(void)state;
	for (uint32_t i = 0; i < REUSE_STREAMS_MAX + more; i++)
		assert_false(rtp(&flows[0], REUSE_DOWN, i, 1, 1));
	assert_int_equal(COUNT(full), more);
	/* In pages: the table of each stream is filled until there is none left. */
	for (uint32_t s = 0; r.pages < REUSE_PAGES_MAX; s++)
		for (uint32_t i = 0; i < 64; i++)
			assert_false(rtp(&flows[0], REUSE_DOWN, s, i * 1024, 1));
	assert_false(rtp(&flows[0], REUSE_DOWN, REUSE_STREAMS_MAX - 1, 40000, 1));
	assert_true(COUNT(full) > more);
	/* What had room is still checked. */
	assert_true(rtp(&flows[0], REUSE_DOWN, 0, 63 * 1024, 2));
	/* A new association gives all of it back. */
	handshake(&flows[0], 1, 7);
	assert_int_equal(r.pages + r.streams, 0);
}

static void what_was_silent_for_longest_is_forgotten_first(void **state)
{
	(void)state;
	for (unsigned f = 0; f < 3; f++)
		for (uint32_t i = 0; i < REUSE_STREAMS_MAX / 4; i++)
			assert_false(rtp(&flows[f], REUSE_DOWN, i, 1, 1));
	assert_false(rtp(&flows[0], REUSE_DOWN, 0, 2, 1));
	for (uint32_t i = 0; i < REUSE_STREAMS_MAX / 2; i++)
		assert_false(rtp(&flows[3], REUSE_DOWN, i, 1, 1));
	assert_true(rtp(&flows[0], REUSE_DOWN, 0, 1, 2));
	assert_true(rtp(&flows[2], REUSE_DOWN, 0, 1, 2));
	assert_true(rtp(&flows[3], REUSE_DOWN, 0, 1, 2));
	assert_false(rtp(&flows[1], REUSE_DOWN, 0, 1, 2));
	assert_int_equal(COUNT(full), 0);
}

static void packets_that_are_cut_short_are_read_no_further(void **state)
{
	uint8_t data[200] = { 0x81, 200, 0, 10, 1, 2, 3, 4 };

	(void)state;
	handshake(&flows[0], 1, 1);
	for (size_t n = 0; n <= 60; n++)
		see(&flows[0], REUSE_DOWN, data, n);
	data[1] = 96;
	for (size_t n = 0; n <= 60; n++)
		see(&flows[0], REUSE_DOWN, data, n);
	for (size_t n = 0, all = hello(data, 9, 7); n <= all; n++)
		see(&flows[0], REUSE_DOWN, data, n);
	for (size_t n = 0, all = check_with(data, "some:body"); n <= all; n++)
		see(&flows[0], REUSE_UP, data, n);
	/* Lengths inside that say too much. */
	for (unsigned i = 0; i < 200; i++) {
		size_t all = hello(data, (uint8_t)(10 + i), 7);
		data[i % all] = 0xff;
		see(&flows[1], REUSE_DOWN, data, all);
		all = check_with(data, "some:body");
		data[i % all] = 0xff;
		see(&flows[1], REUSE_UP, data, all);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_second_packet_under_an_index_is_found_and_a_copy_is_not),
		TEST(a_packet_that_is_a_byte_longer_is_another_one),
		TEST(what_differs_in_ssrc_direction_or_kind_has_another_keystream),
		TEST(sequence_numbers_that_begin_again_are_other_indexes),
		TEST(the_first_packet_may_be_late_itself),
		TEST(a_sender_that_goes_back_is_found_at_its_first_packet),
		TEST(the_index_of_srtcp_stands_where_the_profile_puts_it),
		TEST(an_srtcp_index_that_goes_far_back_is_a_reuse),
		TEST(srtcp_without_a_known_profile_is_counted_and_not_guessed),
		TEST(a_new_handshake_begins_anew_and_a_repeated_one_does_not),
		TEST(without_a_handshake_nothing_begins_anew_whoever_sends),
		TEST(an_ice_restart_takes_the_association_to_its_new_flow),
		TEST(the_flow_that_stays_takes_the_new_name_to_its_association),
		TEST(a_handshake_may_use_several_ways),
		TEST(two_clients_have_two_keys),
		TEST(the_client_begins_no_association),
		TEST(memory_is_bounded_and_what_finds_no_room_is_counted),
		TEST(what_was_silent_for_longest_is_forgotten_first),
		TEST(packets_that_are_cut_short_are_read_no_further),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
