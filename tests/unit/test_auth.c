/* links: workers */
#include "tests/support/cm.h"

#include "workers/auth.h"

#include <netinet/in.h>
#include <string.h>

static void token_is_random_and_hashed(void **state)
{
	char a[AUTH_TOKEN_LEN + 1], b[AUTH_TOKEN_LEN + 1], hash_a[65], hash_b[65], again[65];

	(void)state;
	auth_token_new(a, hash_a);
	auth_token_new(b, hash_b);
	assert_int_equal(strlen(a), AUTH_TOKEN_LEN);
	assert_int_equal(strlen(hash_a), 64);
	assert_string_not_equal(a, b);
	assert_string_not_equal(hash_a, hash_b);
	assert_int_equal(auth_token_hash(a, strlen(a), again), 0);
	assert_string_equal(hash_a, again);
}

static void what_is_no_token(void **state)
{
	char hash[65];

	(void)state;
	assert_int_equal(auth_token_hash("", 0, hash), -EINVAL);
	assert_int_equal(auth_token_hash("short", 5, hash), -EINVAL);
	assert_int_equal(auth_token_hash("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 46, hash), -EINVAL);
	assert_int_equal(auth_token_hash("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=", 43, hash), -EINVAL);
	assert_int_equal(auth_token_hash("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'", 43, hash), -EINVAL);
	assert_int_equal(auth_token_hash("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa_", 43, hash), 0);
}

static void cookie(const char *header, const char *want, unsigned want_count)
{
	size_t len = 0;
	unsigned count;
	const char *value = auth_cookie_value(header, AUTH_COOKIE_NAME, &len, &count);

	assert_int_equal(count, want_count);
	if (want) {
		assert_non_null(value);
		assert_int_equal(len, strlen(want));
		assert_memory_equal(value, want, len);
	} else {
		assert_null(value);
	}
}

static void cookies(void **state)
{
	(void)state;
	cookie(NULL, NULL, 0);
	cookie("", NULL, 0);
	cookie("a=b; c=d", NULL, 0);
	cookie("__Host-parley=abc", "abc", 1);
	cookie("a=b; __Host-parley=abc ; c=d", "abc", 1);
	cookie("a=b;__Host-parley=abc;c=d", "abc", 1);
	cookie("__Host-parley=", "", 1);
	cookie("__Host-parley=one; __Host-parley=two", "one", 2);
	cookie("x__Host-parley=abc; __Host-parleyx=abc; __Host-parley", NULL, 0);
	cookie(";;; ;", NULL, 0);
}

static void url(const char *text, const char *want)
{
	char host[32];

	assert_int_equal(auth_url_host(text, host, sizeof(host)), want != NULL);
	if (want)
		assert_string_equal(host, want);
}

static void hosts_of_urls(void **state)
{
	(void)state;
	url("https://example.org", "example.org");
	url("HTTPS://Example.ORG/path?q", "example.org");
	url("https://example.org:443", "example.org");
	url("https://example.org:8443", "example.org:8443");
	url("https://[::1]:443", "[::1]");
	url("http://example.org", NULL);
	url("https://", NULL);
	url("https:///x", NULL);
	url("null", NULL);
	url("https://user@example.org", NULL);
	url("https://a-name-that-is-too-long-for-the-buffer.example.org", NULL);
}

static void addresses(void **state)
{
	struct request req = { 0 };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000201) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	uint8_t key[16];

	(void)state;
	assert_int_equal(auth_address_key(&req, key), 0);
	memcpy(&req.peer, &in, sizeof(in));
	assert_int_equal(auth_address_key(&req, key), 4);
	assert_memory_equal(key, "\300\0\2\1", 4);
	memcpy(in6.sin6_addr.s6_addr, "\x20\x01\x0d\xb8\1\2\3\4\5\6\7\10\11\12\13\14", 16);
	memcpy(&req.peer, &in6, sizeof(in6));
	assert_int_equal(auth_address_key(&req, key), 8);
	assert_memory_equal(key, "\x20\x01\x0d\xb8\1\2\3\4", 8);
	memcpy(in6.sin6_addr.s6_addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\300\0\2\1", 16);
	memcpy(&req.peer, &in6, sizeof(in6));
	assert_int_equal(auth_address_key(&req, key), 4);
	assert_memory_equal(key, "\300\0\2\1", 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(token_is_random_and_hashed),
		cmocka_unit_test(what_is_no_token),
		cmocka_unit_test(cookies),
		cmocka_unit_test(hosts_of_urls),
		cmocka_unit_test(addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
