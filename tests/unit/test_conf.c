/* links: */
#include "lib/conf.h"

#include "lib/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

static void expect_error(const char *text, const char *message)
{
	struct conf conf;
	struct conf_error error = { "" };

	assert_int_equal(conf_init(&conf), 0);
	assert_int_equal(conf_parse(&conf, "f", text, strlen(text), &error), -EINVAL);
	assert_string_equal(error.text, message);
	conf_fini(&conf);
}

static void expect_rule(const char *assignment, const char *message)
{
	struct conf conf;
	struct conf_error error = { "" };

	assert_int_equal(conf_init(&conf), 0);
	assert_int_equal(conf_override(&conf, assignment, &error), 0);
	assert_int_equal(conf_check(&conf, &error), -EINVAL);
	if (strcmp(error.text, message) != 0)
		fail_msg("'%s' is not '%s'", error.text, message);
	conf_fini(&conf);
}

static void defaults_are_valid(void **state)
{
	struct conf conf;
	struct conf_error error = { "" };

	(void)state;
	assert_int_equal(conf_init(&conf), 0);
	assert_int_equal(conf_check(&conf, &error), 0);
	assert_int_equal(conf.server.listen.len, 2);
	assert_int_equal(conf.server.listen.item[0].port, 443);
	assert_string_equal(conf.server.admin, "127.0.0.1:9464");
	assert_int_equal(conf.media.port, 40000);
	assert_int_equal(conf.media.max_transports, 4096);
	assert_int_equal(conf.media.listen.len, 0);
	assert_int_equal(conf.calls.ring_timeout_s, 45);
	assert_int_equal(conf.calls.reconnect_grace_s, 30);
	assert_int_equal(conf.retention.history_days, 0);
	assert_int_equal(conf.retention.messages_days, 0);
	assert_int_equal(conf.retention.audit_days, 365);
	assert_int_equal(conf.log.level, LOG_LEVEL_INFO);
	assert_true(conf_workers(&conf) >= 1);
	assert_true(conf_mediads(&conf) >= 1);
	conf_fini(&conf);
}

static void values_are_read(void **state)
{
	static const char text[] = "# Parley\n"
				   "; too\n"
				   "\n"
				   "[server]\r\n"
				   "  listen =\t127.0.0.1:8443 ,[::1]:8443\n"
				   "redirect=\n"
				   "origins = https://a.example, https://b.example:8443\n"
				   "workers = 3\n"
				   "[media]\n"
				   "pin = 0,2, 4\n"
				   "processes = 3\n"
				   "placement = spread\n"
				   "listen = 192.0.2.1, 2001:db8::1\n"
				   "advertise = 198.51.100.7:5000, [2001:db8::9]:5000, 203.0.113.1\n"
				   "ring_slots = 65536\n"
				   "[limits]\n"
				   "signups = closed\n"
				   "call_members = 0\n"
				   "[log]\n"
				   "level = debug\n"
				   "target = stderr"; /* the last line may lack its end */
	struct conf conf;
	struct conf_error error = { "" };
	char buf[64];

	(void)state;
	assert_int_equal(conf_init(&conf), 0);
	if (conf_parse(&conf, "f", text, sizeof(text) - 1, &error) < 0)
		fail_msg("%s", error.text);
	assert_int_equal(conf_check(&conf, &error), 0);
	assert_int_equal(conf.server.listen.len, 2);
	assert_string_equal(conf_addr_format(&conf.server.listen.item[1], buf, sizeof(buf)), "[::1]:8443");
	assert_int_equal(conf.server.redirect.len, 0);
	assert_int_equal(conf.server.origins.len, 2);
	assert_string_equal(conf.server.origins.item[1], "https://b.example:8443");
	assert_int_equal(conf_workers(&conf), 3);
	assert_int_equal(conf.media.pin_len, 3);
	assert_int_equal(conf.media.pin[2], 4);
	assert_int_equal(conf.media.placement, CONF_PLACEMENT_SPREAD);
	assert_int_equal(conf.media.listen.len, 2);
	assert_int_equal(conf.media.listen.item[1].sa.ss_family, AF_INET6);
	assert_int_equal(conf.media.advertise.len, 3);
	assert_int_equal(conf.media.advertise.item[1].port, 5000);
	assert_int_equal(conf.media.advertise.item[2].port, 0);
	assert_int_equal(conf.media.ring_slots, 65536);
	assert_int_equal(conf.limits.signups, CONF_SIGNUPS_CLOSED);
	assert_int_equal(conf.limits.call_members, 0);
	assert_int_equal(conf.log.target, CONF_LOG_STDERR);
	conf_fini(&conf);
}

static void errors_name_file_and_line(void **state)
{
	(void)state;
	expect_error("[media]\nport = 40000\nprot = 1\n", "f:3: unknown key 'prot' in [media]");
	expect_error(
		"[medai]\n",
		"f:1: unknown section [medai], known are server, media, database, limits, turn, calls, retention, log");
	expect_error("[media\n", "f:1: ']' missing at the end of '[media'");
	expect_error("port = 1\n", "f:1: 'port' stands before the first [section]");
	expect_error("[media]\nport 1\n", "f:2: 'key = value' expected, not 'port 1'");
	expect_error("[media]\nport = 1\n\nport = 2\n", "f:4: 'port' was already set in line 2");
	expect_error("[media]\nport = 70000\n", "f:2: port: 1 to 65535 expected, not 70000");
	expect_error("[media]\nport = 4e4\n", "f:2: port: a whole number expected, not '4e4'");
	expect_error("[media]\nport =\n", "f:2: port: a whole number expected, not ''");
	expect_error("[media]\nport = 1 # one\n", "f:2: port: a comment needs a line of its own");
	expect_error("[media]\nring_slots = 1000\n", "f:2: ring_slots: a power of two expected, not 1000");
	expect_error("[media]\nplacement = both\n", "f:2: placement: one of pack, spread expected, not 'both'");
	expect_error("[media]\npin = 0,x\n", "f:2: pin: auto, none or numbers of cores expected, not 'x'");
	expect_error("[media]\nlisten = 192.0.2.1:1\n", "f:2: listen: '192.0.2.1:1' must not have a port");
	expect_error("[server]\nlisten = 192.0.2.1\n", "f:2: listen: '192.0.2.1' lacks a port");
	expect_error("[server]\nlisten = *:443\n",
		     "f:2: listen: an address such as [::]:443 or 0.0.0.0:443 expected, not '*:443'");
	expect_error("[server]\nlisten = [::]:443,,\n", "f:2: listen: an item of the list is empty");
	expect_error("[server]\nworkers = 65\n", "f:2: workers: auto or 1 to 64 expected, not 65");
	expect_error("[server]\nuser = a\001b\n", "f:2: control character 0x01");
	expect_error("[log]\nlevel = loud\n", "f:2: level: one of error, warn, info, debug expected, not 'loud'");
}

static void text_with_a_nul_is_refused(void **state)
{
	struct conf conf;
	struct conf_error error;

	(void)state;
	assert_int_equal(conf_init(&conf), 0);
	assert_int_equal(conf_parse(&conf, "f", "[log]\n\0", 7, &error), -EINVAL);
	assert_string_equal(error.text, "f:2: control character 0x00");
	conf_fini(&conf);
}

static void rules_across_keys(void **state)
{
	(void)state;
	expect_rule("server.public_url=http://a.example",
		    "server.public_url: https://host or https://host:port expected, not 'http://a.example'");
	expect_rule("server.public_url=https://a.example/",
		    "server.public_url: https://host or https://host:port expected, not 'https://a.example/'");
	expect_rule("server.public_url=https://a:0",
		    "server.public_url: https://host or https://host:port expected, not 'https://a:0'");
	expect_rule("server.listen=", "server.listen: at least one address expected");
	expect_rule("server.tls_key=", "server.tls_key: a PEM file is needed");
	expect_rule("server.admin=0.0.0.0:9464",
		    "server.admin: only loopback addresses and unix sockets, not '0.0.0.0:9464'");
	expect_rule("server.admin=unix:rel", "server.admin: an absolute path expected after unix:, not 'unix:rel'");
	expect_rule("turn.urls=http://x",
		    "turn.urls: turn:host[:port][?transport=udp|tcp], turns:… or stun:… expected, not 'http://x'");
	expect_rule("turn.urls=turn:x:0",
		    "turn.urls: turn:host[:port][?transport=udp|tcp], turns:… or stun:… expected, not 'turn:x:0'");
	expect_rule("turn.urls=turn:x", "turn.secret: needed for 'turn:x'");
}

static void overrides(void **state)
{
	struct conf conf;
	struct conf_error error = { "" };

	(void)state;
	assert_int_equal(conf_init(&conf), 0);
	assert_int_equal(conf_override(&conf, "media.port = 5000", &error), 0);
	assert_int_equal(conf.media.port, 5000);
	assert_int_equal(conf_override(&conf, "server.public_url=https://[::1]:8443", &error), 0);
	assert_int_equal(conf_check(&conf, &error), 0);
	assert_int_equal(conf_override(&conf, "media=1", &error), -EINVAL);
	assert_string_equal(error.text, "-o media=1: section.key=value expected");
	assert_int_equal(conf_override(&conf, "media.prot=1", &error), -EINVAL);
	assert_string_equal(error.text, "-o media.prot=1: unknown key 'prot' in [media]");
	assert_int_equal(conf_override(&conf, "media.port=0", &error), -EINVAL);
	assert_string_equal(error.text, "-o media.port: 1 to 65535 expected, not 0");
	assert_int_equal(conf.media.port, 5000);
	assert_int_equal(conf_override(&conf, "media.processes=3", &error), 0);
	assert_int_equal(conf_override(&conf, "media.port=65534", &error), 0);
	assert_int_equal(conf_check(&conf, &error), -EINVAL);
	assert_string_equal(error.text, "media.port: 65534 leaves no room for 3 processes");
	assert_int_equal(conf_override(&conf, "media.port=65533", &error), 0);
	assert_int_equal(conf_override(&conf, "media.pin=0,1", &error), 0);
	assert_int_equal(conf_check(&conf, &error), -EINVAL);
	assert_string_equal(error.text, "media.pin: 2 cores for 3 processes");
	conf_fini(&conf);
}

static void children_read_back_what_they_may_know(void **state)
{
	struct conf conf, child;
	struct conf_error error = { "" };
	struct buf text = { 0 }, again = { 0 };

	(void)state;
	assert_int_equal(conf_init(&conf), 0);
	assert_int_equal(conf_override(&conf, "turn.secret=abc", &error), 0);
	assert_int_equal(conf_override(&conf, "media.pin=1,0,3,2", &error), 0);
	assert_int_equal(conf_override(&conf, "media.listen=192.0.2.1,::1", &error), 0);
	for (int role = CONF_ROLE_MASTER; role <= CONF_ROLE_MEDIAD; role++) {
		auto_close int fd = memfd_create("conf", MFD_CLOEXEC);
		buf_clear(&text);
		buf_clear(&again);
		assert_int_equal(conf_text(&conf, role, &text), 0);
		assert_int_equal(write(fd, text.data, text.len), text.len);
		assert_int_equal(conf_init(&child), 0);
		if (conf_load_fd(&child, fd, &error) < 0)
			fail_msg("%s", error.text);
		assert_int_equal(conf_text(&child, role, &again), 0);
		assert_int_equal(again.len, text.len);
		assert_memory_equal(again.data, text.data, text.len);
		buf_append(&text, "", 1);
		const char *s = (const char *)text.data;
		assert_true((strstr(s, "[database]") != NULL) == (role != CONF_ROLE_MEDIAD));
		assert_true((strstr(s, "secret = abc") != NULL) == (role != CONF_ROLE_MEDIAD));
		assert_true((strstr(s, "tls_key") != NULL) == (role == CONF_ROLE_MASTER));
		assert_non_null(strstr(s, "pin = 1, 0, 3, 2\n"));
		conf_fini(&child);
	}
	buf_fini(&text);
	buf_fini(&again);
	conf_fini(&conf);
}

static void addresses(void **state)
{
	static const char *const good[] = { "1.2.3.4:80", "1.2.3.4", "[::1]:443", "::1", "2001:db8::1" };
	static const char *const bad[] = {
		"",	  "*:443", "1.2.3.4:",	  "1.2.3.4:0",	 "1.2.3.4:65536", "[::1",     "[::1]443",
		"[::1]:", ":443",  "[1.2.3.4]:1", "a.example:1", "1.2.3:4",	  "[::1]:1x", "fe80::1%lo"
	};
	struct conf_addr addr;
	char buf[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(conf_addr_parse(good[i], &addr), 0);
		assert_string_equal(conf_addr_format(&addr, buf, sizeof(buf)), good[i]);
	}
	assert_int_equal(conf_addr_parse("[::1]", &addr), 0);
	assert_int_equal(addr.port, 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (conf_addr_parse(bad[i], &addr) != -EINVAL)
			fail_msg("'%s' was accepted", bad[i]);
	}
}

static void files(void **state)
{
	struct conf conf;
	struct conf_error error = { "" };

	(void)state;
	assert_int_equal(conf_init(&conf), 0);
	assert_int_equal(conf_load(&conf, "/nonexistent/parley.conf", &error), -ENOENT);
	assert_string_equal(error.text, "/nonexistent/parley.conf: No such file or directory");
	assert_int_equal(conf_load(&conf, "/", &error), -EINVAL);
	assert_string_equal(error.text, "/: not a file");
	conf_fini(&conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_valid),
		cmocka_unit_test(values_are_read),
		cmocka_unit_test(errors_name_file_and_line),
		cmocka_unit_test(text_with_a_nul_is_refused),
		cmocka_unit_test(rules_across_keys),
		cmocka_unit_test(overrides),
		cmocka_unit_test(children_read_back_what_they_may_know),
		cmocka_unit_test(addresses),
		cmocka_unit_test(files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
