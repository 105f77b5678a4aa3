/* links: tools */
#include "tools/turn.h"

#include "tests/support/cm.h"

#include <stdlib.h>
#include <string.h>

/* What turn_write_config() writes for these settings; NULL when it refuses. */
static char *config_of(const char *const *overrides, size_t n)
{
	struct conf_error error;
	struct conf conf;
	char *text = NULL;
	size_t len;

	assert_int_equal(conf_init(&conf), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(conf_override(&conf, overrides[i], &error), 0);
	FILE *out = open_memstream(&text, &len);
	assert_non_null(out);
	int err = turn_write_config(&conf, out);
	fclose(out);
	conf_fini(&conf);
	if (err == 0)
		return text;
	free(text);
	return NULL;
}

static bool has_line(const char *text, const char *line)
{
	for (const char *at = text; (at = strstr(at, line)); at++) {
		if ((at == text || at[-1] == '\n') && at[strlen(line)] == '\n')
			return true;
	}
	return false;
}

static void test_config(void **state)
{
	static const char *const overrides[] = { "server.public_url=https://parley.example.org:8443",
						 "media.listen=192.0.2.7, 2001:db8::7", "media.advertise=198.51.100.3",
						 "turn.urls=turn:parley.example.org:3479, turns:parley.example.org",
						 "turn.secret=a-long-word" };

	(void)state;
	char *text = config_of(overrides, ARRAY_LEN(overrides));
	assert_non_null(text);
	assert_true(has_line(text, "listening-port=3479"));
	assert_true(has_line(text, "tls-listening-port=5349"));
	assert_true(has_line(text, "realm=parley.example.org"));
	assert_true(has_line(text, "static-auth-secret=a-long-word"));
	assert_true(has_line(text, "use-auth-secret"));
	/* Nothing but what is advertised is served, and it leads nowhere but to Parley. */
	assert_true(has_line(text, "no-tcp"));
	assert_false(has_line(text, "no-udp"));
	assert_false(has_line(text, "no-tls"));
	assert_true(has_line(text, "denied-peer-ip=0.0.0.0-255.255.255.255"));
	assert_true(has_line(text, "allowed-peer-ip=192.0.2.7"));
	assert_true(has_line(text, "allowed-peer-ip=2001:db8::7"));
	assert_true(has_line(text, "allowed-peer-ip=198.51.100.3"));
	assert_false(has_line(text, "allow-loopback-peers"));
	free(text);
}

static void test_config_without_turn(void **state)
{
	static const char *const overrides[] = { "media.listen=192.0.2.7", "turn.urls=stun:parley.example.org" };

	(void)state;
	assert_null(config_of(overrides, ARRAY_LEN(overrides)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config),
		cmocka_unit_test(test_config_without_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
