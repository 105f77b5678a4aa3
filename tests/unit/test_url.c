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
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_urls_that_are_none),
		cmocka_unit_test(test_hosts_of_origins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
