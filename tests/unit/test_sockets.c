/* links: master */
#include "lib/addresses.h"
#include "master/listen.h"
#include "master/sockets.h"

#include "lib/cleanup.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static void local_urls(void **state)
{
	(void)state;
	assert_true(addresses_url_is_local("https://localhost"));
	assert_true(addresses_url_is_local("https://localhost:8443"));
	assert_true(addresses_url_is_local("https://127.0.0.1"));
	assert_true(addresses_url_is_local("https://[::1]:8443"));
	assert_false(addresses_url_is_local("https://localhost.example"));
	assert_false(addresses_url_is_local("https://parley.example"));
	assert_false(addresses_url_is_local("https://127.0.0.11"));
}

static void bridges(void **state)
{
	(void)state;
	assert_true(addresses_is_bridge("docker0"));
	assert_true(addresses_is_bridge("br-0123456789ab"));
	assert_true(addresses_is_bridge("veth12ab"));
	assert_true(addresses_is_bridge("virbr0"));
	assert_true(addresses_is_bridge("lxcbr0"));
	assert_false(addresses_is_bridge("br0"));
	assert_false(addresses_is_bridge("eth0"));
	assert_false(addresses_is_bridge("wlp3s0"));
	assert_false(addresses_is_bridge("lo"));
}

static void conf_make(struct conf *conf, const char *const *assignments)
{
	struct conf_error error = { "" };

	assert_int_equal(conf_init(conf), 0);
	for (size_t i = 0; assignments[i]; i++) {
		if (conf_override(conf, assignments[i], &error) < 0)
			fail_msg("%s", error.text);
	}
}

static void loopback_is_for_local_urls(void **state)
{
	static const char *const assignments[] = { "server.public_url=https://localhost:8443", NULL };
	struct conf conf;
	struct conf_addrs addrs;
	char text[64];

	(void)state;
	conf_make(&conf, assignments);
	assert_int_equal(addresses_find(&conf, &addrs), 0);
	assert_true(addrs.len >= 1);
	assert_string_equal(conf_addr_format(&addrs.item[0], text, sizeof(text)), "127.0.0.1");
	conf_fini(&conf);
}

static void advertised_addresses(void **state)
{
	static const char *const assignments[] = { "media.listen=127.0.0.1,::1", "media.port=40000", NULL };
	struct conf conf;
	struct conf_error error;
	struct sockets sockets = { .mediads = 2 };
	struct buf text = { 0 };

	(void)state;
	conf_make(&conf, assignments);
	assert_int_equal(addresses_find(&conf, &sockets.media), 0);
	assert_int_equal(sockets_advertise(&sockets, &conf, 1, &text), 0);
	buf_append(&text, "", 1);
	assert_string_equal((char *)text.data, "127.0.0.1:40001\n[::1]:40001\n");
	buf_clear(&text);
	assert_int_equal(conf_override(&conf, "media.advertise=192.0.2.1:5000,2001:db8::1", &error), 0);
	assert_int_equal(sockets_advertise(&sockets, &conf, 1, &text), 0);
	buf_append(&text, "", 1);
	assert_string_equal((char *)text.data, "192.0.2.1:5001\n[2001:db8::1]:40001\n");
	buf_fini(&text);
	conf_fini(&conf);
}

static void tcp_is_advertised_where_it_listens(void **state)
{
	static const char *const assignments[] = { "media.listen=127.0.0.1,::1", "media.port=40000", NULL };
	struct conf conf;
	struct conf_error error;
	struct sockets sockets = { .mediads = 1, .tcp = { { .fd = { -1, 77 }, .len = 2 } } };
	struct buf text = { 0 };

	(void)state;
	conf_make(&conf, assignments);
	assert_int_equal(addresses_find(&conf, &sockets.media), 0);
	assert_int_equal(sockets_advertise(&sockets, &conf, 0, &text), 0);
	buf_append(&text, "", 1);
	assert_string_equal((char *)text.data, "127.0.0.1:40000\n[::1]:40000\ntcp [::1]:40000\n");
	buf_clear(&text);
	/* Who forwards to us may do so to the one that listens. */
	assert_int_equal(conf_override(&conf, "media.advertise=192.0.2.1:5000", &error), 0);
	assert_int_equal(sockets_advertise(&sockets, &conf, 0, &text), 0);
	buf_append(&text, "", 1);
	assert_string_equal((char *)text.data, "192.0.2.1:5000\ntcp 192.0.2.1:5000\n");
	buf_clear(&text);
	sockets.tcp[0].fd[1] = -1;
	assert_int_equal(sockets_advertise(&sockets, &conf, 0, &text), 0);
	buf_append(&text, "", 1);
	assert_string_equal((char *)text.data, "192.0.2.1:5000\n");
	buf_fini(&text);
	conf_fini(&conf);
}

static void a_tcp_port_that_is_taken_is_done_without(void **state)
{
	struct conf conf;
	struct conf_addr addr;
	struct sockets sockets;
	struct sockaddr_in in4;
	socklen_t len = sizeof(in4);
	char port[32];
	const char *assignments[] = { "server.admin=", "media.listen=127.0.0.1", port, NULL };
	int taken;

	(void)state;
	assert_int_equal(conf_addr_parse("127.0.0.1", &addr), 0);
	assert_int_equal(listen_tcp(&addr, &taken), 0);
	assert_int_equal(getsockname(taken, (struct sockaddr *)&in4, &len), 0);
	snprintf(port, sizeof(port), "media.port=%u", ntohs(in4.sin_port));
	conf_make(&conf, assignments);
	conf.server.listen.len = conf.server.redirect.len = 0;
	assert_int_equal(sockets_open(&conf, 1, &sockets), 0);
	assert_int_equal(sockets.udp[0].len, 1);
	assert_int_equal(sockets.tcp[0].len, 1);
	assert_int_equal(sockets.tcp[0].fd[0], -1);
	sockets_close(&sockets);
	close(taken);
	assert_int_equal(sockets_open(&conf, 1, &sockets), 0);
	assert_true(sockets.tcp[0].fd[0] >= 0);
	sockets_close(&sockets);
	conf.media.tcp = CONF_OFF;
	assert_int_equal(sockets_open(&conf, 1, &sockets), 0);
	assert_int_equal(sockets.tcp[0].len, 0);
	sockets_close(&sockets);
	conf_fini(&conf);
}

static void a_port_in_use_is_said(void **state)
{
	struct conf_addr addr;
	struct udp_buffers got;
	struct sockaddr_in in4;
	socklen_t len = sizeof(in4);
	int first, second = -1;

	(void)state;
	assert_int_equal(conf_addr_parse("127.0.0.1", &addr), 0);
	assert_int_equal(listen_tcp(&addr, &first), 0);
	assert_int_equal(getsockname(first, (struct sockaddr *)&in4, &len), 0);
	addr.port = ntohs(in4.sin_port);
	assert_int_equal(listen_tcp(&addr, &second), -EADDRINUSE);
	close(first);
	addr.port = 0;
	assert_int_equal(listen_udp(&addr, &first, &got), 0);
	assert_true(got.receive > 0 && got.send > 0);
	assert_int_equal(getsockname(first, (struct sockaddr *)&in4, &len), 0);
	addr.port = ntohs(in4.sin_port);
	assert_int_equal(listen_udp(&addr, &second, &got), -EADDRINUSE);
	assert_int_equal(second, -1);
	close(first);
}

static void a_dead_unix_socket_is_replaced(void **state)
{
	char dir[] = "/tmp/parley-sock-XXXXXX", path[64], too_long[200];
	struct stat st;
	int first, second = -1;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	assert_int_equal(listen_unix(path, &first), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	assert_int_equal(listen_unix(path, &second), -EADDRINUSE);
	close(first);
	assert_int_equal(listen_unix(path, &second), 0);
	close(second);
	unlink(path);
	rmdir(dir);
	memset(too_long, 'x', sizeof(too_long));
	too_long[sizeof(too_long) - 1] = 0;
	assert_int_equal(listen_unix(too_long, &second), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(local_urls),
		cmocka_unit_test(bridges),
		cmocka_unit_test(loopback_is_for_local_urls),
		cmocka_unit_test(advertised_addresses),
		cmocka_unit_test(tcp_is_advertised_where_it_listens),
		cmocka_unit_test(a_tcp_port_that_is_taken_is_done_without),
		cmocka_unit_test(a_port_in_use_is_said),
		cmocka_unit_test(a_dead_unix_socket_is_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
