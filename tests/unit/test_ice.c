/* links: mediad */
#include "mediad/ice.h"
#include "tests/support/cm.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <stun/stunagent.h>
#include <stun/usages/ice.h>

static const char ours[] = "AAAAaaaaaaaa", password[] = "0123456789abcdefghijklmnopqrstuv";

static struct ice_stun *stun;
static StunAgent client;
static struct sockaddr_storage from;
static socklen_t from_len;

static const uint16_t known[] = { STUN_ATTRIBUTE_USERNAME,	     STUN_ATTRIBUTE_MESSAGE_INTEGRITY,
				  STUN_ATTRIBUTE_ERROR_CODE,	     STUN_ATTRIBUTE_XOR_MAPPED_ADDRESS,
				  STUN_ATTRIBUTE_UNKNOWN_ATTRIBUTES, 0 };

static const char *on_ufrag(void *arg, const char *ufrag)
{
	unsigned *asked = arg;

	(*asked)++;
	return strcmp(ufrag, ours) == 0 ? password : NULL;
}

static int setup(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(50000) };

	(void)state;
	inet_pton(AF_INET, "192.0.2.33", &in.sin_addr);
	memcpy(&from, &in, sizeof(in));
	from_len = sizeof(in);
	stun_agent_init(&client, known, STUN_COMPATIBILITY_RFC5389,
			STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS | STUN_AGENT_USAGE_USE_FINGERPRINT);
	return ice_stun_new(&stun);
}

static int teardown(void **state)
{
	(void)state;
	stun = ice_stun_free(stun);
	return 0;
}

static struct ice_check read_check(const uint8_t *data, size_t len)
{
	struct ice_check check;
	unsigned asked = 0;

	ice_check_read(stun, data, len, (struct sockaddr *)&from, from_len, on_ufrag, &asked, &check);
	return check;
}

static size_t make_check(uint8_t *buf, size_t room, const char *username, const char *key, bool use, bool controlling)
{
	StunMessage msg;

	return stun_usage_ice_conncheck_create(&client, &msg, buf, room, (const uint8_t *)username, strlen(username),
					       (const uint8_t *)key, strlen(key), use, controlling, 1234, 42, NULL,
					       STUN_USAGE_ICE_COMPATIBILITY_RFC5245);
}

static void expect_success(const struct ice_check *check)
{
	struct sockaddr_storage mapped;
	socklen_t mapped_len = sizeof(mapped);
	StunMessage msg;

	assert_int_equal(check->result, ICE_VALID);
	assert_int_equal(stun_agent_validate(&client, &msg, check->reply, check->reply_len, NULL, NULL),
			 STUN_VALIDATION_SUCCESS);
	assert_int_equal(stun_message_get_class(&msg), STUN_RESPONSE);
	assert_int_equal(
		stun_usage_ice_conncheck_process(&msg, &mapped, &mapped_len, STUN_USAGE_ICE_COMPATIBILITY_RFC5245),
		STUN_USAGE_ICE_RETURN_SUCCESS);
	assert_memory_equal(&mapped, &from, from_len);
}

static int error_of(const struct ice_check *check)
{
	StunMessage msg = { .agent = &client, .buffer = (uint8_t *)check->reply, .buffer_len = check->reply_len };
	int code = 0;

	assert_int_equal(check->result, ICE_ERROR);
	assert_int_equal(stun_message_get_class(&msg), STUN_ERROR);
	assert_true(stun_message_has_attribute(&msg, STUN_ATTRIBUTE_MESSAGE_INTEGRITY));
	assert_int_equal(stun_message_find_error(&msg, &code), STUN_MESSAGE_RETURN_SUCCESS);
	return code;
}

static void test_valid_check(void **state)
{
	uint8_t buf[600];

	(void)state;
	for (unsigned use = 0; use < 2; use++) {
		size_t len = make_check(buf, sizeof(buf), "AAAAaaaaaaaa:them", password, use, true);
		struct ice_check check = read_check(buf, len);
		expect_success(&check);
		assert_int_equal(check.nominated, use);
	}
}

static void test_ipv6_and_long_ufrag(void **state)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(50001) };
	uint8_t buf[1000];
	char username[300];

	(void)state;
	inet_pton(AF_INET6, "2001:db8::5", &in6.sin6_addr);
	memcpy(&from, &in6, sizeof(in6));
	from_len = sizeof(in6);
	memset(username, 'x', sizeof(username));
	memcpy(username, "AAAAaaaaaaaa:", 13);
	username[13 + 256] = 0;
	size_t len = make_check(buf, sizeof(buf), username, password, true, true);
	assert_true(len > 0);
	struct ice_check check = read_check(buf, len);
	expect_success(&check);
}

static void test_strangers_get_nothing(void **state)
{
	static const struct {
		const char *username, *key;
	} cases[] = {
		{ "AAAAaaaaaaaa:them", "0123456789abcdefghijklmnopqrstux" },
		{ "BBBBaaaaaaaa:them", password },
		{ "AAAAaaaaaaaa", password },
		{ ":them", password },
		{ "AAAAaaaaaaaaAAAAaaaaaaaa:them", password },
		{ "x:", password },
	};
	uint8_t buf[600];

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		size_t len = make_check(buf, sizeof(buf), cases[i].username, cases[i].key, true, true);
		struct ice_check check = read_check(buf, len);
		assert_int_equal(check.result, ICE_BAD);
		assert_int_equal(check.reply_len, 0);
	}
}

static void test_every_bit_counts(void **state)
{
	uint8_t buf[600], copy[600];

	(void)state;
	size_t len = make_check(buf, sizeof(buf), "AAAAaaaaaaaa:them", password, true, true);
	for (size_t bit = 0; bit < len * 8; bit++) {
		memcpy(copy, buf, len);
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(read_check(copy, len).result, ICE_BAD);
	}
	for (size_t n = 0; n < len; n++) {
		/* Exactly as long as it says, so that a sanitizer sees one byte too far. */
		uint8_t *exact = malloc(n ? n : 1);
		memcpy(exact, buf, n);
		assert_int_equal(read_check(exact, n).result, ICE_BAD);
		free(exact);
	}
}

/* What stands behind MESSAGE-INTEGRITY is not authenticated: a USE-CANDIDATE there does not nominate. */
static void test_nomination_behind_integrity(void **state)
{
	uint8_t buf[600];
	StunMessage msg;

	(void)state;
	size_t len = make_check(buf, sizeof(buf), "AAAAaaaaaaaa:them", password, false, true);
	len -= 8; /* FINGERPRINT */
	buf[len] = 0;
	buf[len + 1] = STUN_ATTRIBUTE_USE_CANDIDATE;
	buf[len + 2] = buf[len + 3] = 0;
	len += 4;
	buf[2] = (uint8_t)((len - 20) >> 8);
	buf[3] = (uint8_t)(len - 20);
	msg = (StunMessage){ .agent = &client, .buffer = buf, .buffer_len = sizeof(buf) };
	len = stun_agent_finish_message(&client, &msg, NULL, 0);
	assert_true(len > 0);
	struct ice_check check = read_check(buf, len);
	assert_true(check.result == ICE_BAD || !check.nominated);
}

static void test_role_conflict(void **state)
{
	uint8_t buf[600];

	(void)state;
	size_t len = make_check(buf, sizeof(buf), "AAAAaaaaaaaa:them", password, true, false);
	struct ice_check check = read_check(buf, len);
	assert_int_equal(error_of(&check), 487);
	assert_false(check.nominated);
}

static size_t finish(StunMessage *msg)
{
	static const char username[] = "AAAAaaaaaaaa:them";

	assert_int_equal(stun_message_append_string(msg, STUN_ATTRIBUTE_USERNAME, username), 0);
	return stun_agent_finish_message(&client, msg, (const uint8_t *)password, strlen(password));
}

static void test_unknown_attribute_and_method(void **state)
{
	uint8_t buf[600];
	StunMessage msg;

	(void)state;
	assert_true(stun_agent_init_request(&client, &msg, buf, sizeof(buf), STUN_BINDING));
	assert_int_equal(stun_message_append32(&msg, (StunAttribute)0x7777, 1), 0);
	struct ice_check check = read_check(buf, finish(&msg));
	assert_int_equal(error_of(&check), 420);
	assert_true(stun_agent_init_request(&client, &msg, buf, sizeof(buf), STUN_ALLOCATE));
	check = read_check(buf, finish(&msg));
	assert_int_equal(error_of(&check), 400);
	/* A comprehension-optional one, as browsers add, is passed over. */
	assert_true(stun_agent_init_request(&client, &msg, buf, sizeof(buf), STUN_BINDING));
	assert_int_equal(stun_message_append32(&msg, (StunAttribute)0xc057, 1), 0);
	check = read_check(buf, finish(&msg));
	expect_success(&check);
}

static void test_not_requests(void **state)
{
	uint8_t buf[600], answer[600];
	StunMessage msg, request;

	(void)state;
	assert_true(stun_agent_init_indication(&client, &msg, buf, sizeof(buf), STUN_BINDING));
	struct ice_check check = read_check(buf, finish(&msg));
	assert_int_equal(check.result, ICE_QUIET);
	assert_int_equal(check.reply_len, 0);
	/* A plain keepalive, without credentials. */
	assert_true(stun_agent_init_indication(&client, &msg, buf, sizeof(buf), STUN_BINDING));
	check = read_check(buf, stun_agent_finish_message(&client, &msg, NULL, 0));
	assert_int_equal(check.reply_len, 0);
	/* An answer to nothing. */
	assert_true(stun_agent_init_request(&client, &request, buf, sizeof(buf), STUN_BINDING));
	assert_true(stun_agent_init_response(&client, &msg, answer, sizeof(answer), &request));
	check = read_check(answer, finish(&msg));
	assert_int_equal(check.result, ICE_BAD);
	assert_int_equal(check.reply_len, 0);
}

static void test_credentials(void **state)
{
	char ufrag[ICE_UFRAG_LEN + 1], pwd[ICE_PWD_LEN + 1], again[ICE_UFRAG_LEN + 1];
	uint32_t index;

	(void)state;
	for (uint32_t i = 0; i < 1u << 24; i = i * 2 + 1) {
		ice_credentials_make(i, ufrag, pwd);
		assert_int_equal(strlen(ufrag), ICE_UFRAG_LEN);
		assert_int_equal(strlen(pwd), ICE_PWD_LEN);
		assert_int_equal(ice_ufrag_index(ufrag, &index), 0);
		assert_int_equal(index, i);
		ice_credentials_make(i, again, pwd);
		assert_string_not_equal(ufrag, again);
	}
	assert_int_equal(ice_ufrag_index("", &index), -EPROTO);
	assert_int_equal(ice_ufrag_index("AAA:aaaaaaaa", &index), -EPROTO);
	/* Something behind it says nothing; too much of it is another's. */
	assert_int_equal(ice_ufrag_index("BAAAaaaaaaaa", &index), 0);
	assert_int_equal(index, 1);
	assert_int_equal(ice_ufrag_index("BAAAaaaaaaaa+12z", &index), 0);
	assert_int_equal(index, 1);
	assert_int_equal(ice_ufrag_index("BAAAaaaaaaaa+12zz", &index), -EPROTO);
	assert_true(ice_ufrag_is("BAAAaaaaaaaa", "BAAAaaaaaaaa"));
	assert_true(ice_ufrag_is("BAAAaaaaaaaa1", "BAAAaaaaaaaa"));
	assert_false(ice_ufrag_is("BAAAaaaaaaab", "BAAAaaaaaaaa"));
	assert_false(ice_ufrag_is("BAAAaaaaaaa", "BAAAaaaaaaaa"));
	assert_false(ice_ufrag_is("", ""));
}

static void test_addresses(void **state)
{
	struct ice_agent agent = { 0 };
	struct session_address a = { .family = 4, .ip = { 127, 0, 0, 1 } }, keep = a, evicted;

	(void)state;
	keep.port = 1;
	for (uint16_t port = 1; port <= ICE_ADDRESSES_MAX; port++) {
		a.port = port;
		assert_null(ice_find(&agent, &a));
		ice_remember(&agent, &a, &keep, port, &evicted);
		assert_int_equal(evicted.family, 0);
		assert_non_null(ice_find(&agent, &a));
	}
	/* Number 1 is the oldest but is kept; number 3 has checked again. */
	a.port = 3;
	ice_find(&agent, &a)->checked_us = 1000;
	a.port = 100;
	ice_remember(&agent, &a, &keep, 50, &evicted);
	assert_int_equal(evicted.port, 2);
	a.port = 101;
	ice_remember(&agent, &a, &keep, 51, &evicted);
	assert_int_equal(evicted.port, 4);
	assert_non_null(ice_find(&agent, &keep));
	/* The same address on another socket of ours is another one. */
	keep.socket = 1;
	assert_null(ice_find(&agent, &keep));
}

int main(void)
{
#define ICE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		ICE_TEST(test_valid_check),
		ICE_TEST(test_ipv6_and_long_ufrag),
		ICE_TEST(test_strangers_get_nothing),
		ICE_TEST(test_every_bit_counts),
		ICE_TEST(test_nomination_behind_integrity),
		ICE_TEST(test_role_conflict),
		ICE_TEST(test_unknown_attribute_and_method),
		ICE_TEST(test_not_requests),
		ICE_TEST(test_credentials),
		ICE_TEST(test_addresses),
	};

	return cmocka_run_group_tests_name("ice", tests, NULL, NULL);
}
