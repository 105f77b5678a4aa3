/* links: */
#include "lib/url.h"

#include "lib/err.h"
#include "tests/support/cm.h"

#include <string.h>

static void test_urls(void **state)
{
	struct turn_url url;

	(void)state;
	assert_int_equal(turn_url_parse("turn:relay.example.org", &url), 0);
	assert_string_equal(url.host, "relay.example.org");
	assert_int_equal(url.port, 3478);
	assert_false(url.tcp || url.tls || url.stun);
	assert_int_equal(turn_url_parse("turn:192.0.2.1:99?transport=tcp", &url), 0);
	assert_int_equal(url.port, 99);
	assert_true(url.tcp && !url.tls);
	assert_int_equal(turn_url_parse("turns:[2001:db8::1]?transport=tcp", &url), 0);
	assert_string_equal(url.host, "2001:db8::1");
	assert_int_equal(url.port, 5349);
	assert_true(url.tcp && url.tls);
	assert_int_equal(turn_url_parse("stun:relay.example.org:19302", &url), 0);
	assert_true(url.stun);
}

static void test_urls_that_are_none(void **state)
{
	static const char *const bad[] = { "",
					   "turn",
					   "turn:",
					   "turn::1",
					   "http:relay",
					   "turn:relay:",
					   "turn:relay:0",
					   "turn:relay:65536",
					   "turn:relay:12x",
					   "turn:relay?transport=sctp",
					   "turn:[2001:db8::1",
					   "turn:[]",
					   "turns:relay?transport=udp",
					   "stun:relay?transport=tcp" };
	struct turn_url url;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(turn_url_parse(bad[i], &url), -EINVAL);
}

static void test_hosts_of_origins(void **state)
{
	char host[64], small[5];

	(void)state;
	origin_host("https://parley.example.org", host, sizeof(host));
	assert_string_equal(host, "parley.example.org");
	origin_host("https://parley.example.org:8443", host, sizeof(host));
	assert_string_equal(host, "parley.example.org");
	origin_host("https://[2001:db8::1]:8443", host, sizeof(host));
	assert_string_equal(host, "2001:db8::1");
	origin_host("https://parley.example.org", small, sizeof(small));
	assert_string_equal(small, "parl");
	origin_host("https://parley.example.org/", host, sizeof(host));
	assert_string_equal(host, "parley.example.org");
}

/* As they stand in Host: what is no host must not become one. */
static void test_hosts_of_authorities(void **state)
{
	char host[64], small[5];

	(void)state;
	authority_host("localhost", host, sizeof(host));
	assert_string_equal(host, "localhost");
	authority_host("localhost:8443", host, sizeof(host));
	assert_string_equal(host, "localhost");
	authority_host("[::1]:8443", host, sizeof(host));
	assert_string_equal(host, "::1");
	authority_host("[::1", host, sizeof(host));
	assert_string_equal(host, "::1");
	authority_host("", host, sizeof(host));
	assert_string_equal(host, "");
	authority_host("localhost/evil.example:8443", host, sizeof(host));
	assert_string_equal(host, "localhost/evil.example");
	authority_host("parley.example.org", small, sizeof(small));
	assert_string_equal(small, "parl");
}

static void test_ports(void **state)
{
	static const char *const bad[] = {
		"", "0", "00000", "65536", "99999", "123456", "+80", "-1", " 80", "80 ", "8x"
	};
	uint16_t port = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(port_parse(bad[i], strlen(bad[i]), &port), -EINVAL);
	assert_int_equal(port, 7);
	assert_int_equal(port_parse("80?x", 2, &port), 0);
	assert_int_equal(port, 80);
	assert_int_equal(port_parse("65535", 5, &port), 0);
	assert_int_equal(port, 65535);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_urls_that_are_none),
		cmocka_unit_test(test_hosts_of_origins),
		cmocka_unit_test(test_hosts_of_authorities),
		cmocka_unit_test(test_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
