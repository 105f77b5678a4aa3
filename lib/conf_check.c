#include "lib/conf.h"
#include "lib/url.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static int fail(struct conf_error *ret_error, const char *fmt, ...) PRINTF_LIKE(2, 3);
static int fail(struct conf_error *ret_error, const char *fmt, ...)
{
	va_list ap;

	if (ret_error) {
		va_start(ap, fmt);
		vsnprintf(ret_error->text, sizeof(ret_error->text), fmt, ap);
		va_end(ap);
	}
	return -EINVAL;
}

static bool host_valid(const char *host, size_t len)
{
	char v6[INET6_ADDRSTRLEN];
	struct in6_addr addr;

	if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
		if (len - 2 >= sizeof(v6))
			return false;
		snprintf(v6, sizeof(v6), "%.*s", (int)(len - 2), host + 1);
		return inet_pton(AF_INET6, v6, &addr) == 1;
	}
	return len > 0 && len <= 253 &&
	       strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") >= len;
}

/* https://host[:port] and nothing else. */
static bool origin_valid(const char *url)
{
	static const char scheme[] = "https://";

	if (strncmp(url, scheme, sizeof(scheme) - 1) != 0)
		return false;
	const char *host = url + sizeof(scheme) - 1;
	const char *bracket = host[0] == '[' ? strchr(host, ']') : NULL;
	const char *colon = strchr(bracket ? bracket : host, ':');
	size_t host_len = colon ? (size_t)(colon - host) : strlen(host);
	uint16_t port;
	return host_valid(host, host_len) && (!colon || port_parse(colon + 1, strlen(colon + 1), &port) == 0);
}

static bool addr_is_loopback(const struct conf_addr *addr)
{
	const struct sockaddr_in *in4 = (const struct sockaddr_in *)&addr->sa;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&addr->sa;

	if (addr->sa.ss_family == AF_INET)
		return ntohl(in4->sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

static int check_admin(const char *admin, struct conf_error *ret_error)
{
	struct conf_addr addr;

	if (!*admin)
		return 0;
	if (strncmp(admin, "unix:", 5) == 0) {
		if (admin[5] != '/')
			return fail(ret_error, "server.admin: an absolute path expected after unix:, not '%.100s'",
				    admin);
		if (strlen(admin + 5) >= sizeof(((struct sockaddr_un *)0)->sun_path))
			return fail(ret_error, "server.admin: the path of a unix socket has at most 107 bytes");
		return 0;
	}
	if (conf_addr_parse(admin, &addr) < 0 || addr.port == 0)
		return fail(ret_error, "server.admin: 127.0.0.1:9464 or unix:/path expected, not '%.100s'", admin);
	if (!addr_is_loopback(&addr))
		return fail(ret_error, "server.admin: only loopback addresses and unix sockets, not '%.100s'", admin);
	return 0;
}

static int check_media(const struct conf *conf, struct conf_error *ret_error)
{
	unsigned mediads = conf_mediads(conf);

	if (conf->media.port + mediads - 1 > UINT16_MAX)
		return fail(ret_error, "media.port: %u leaves no room for %u processes", conf->media.port, mediads);
	if (conf->media.pin_len > 0 && conf->media.pin_len < mediads)
		return fail(ret_error, "media.pin: %u cores for %u processes", conf->media.pin_len, mediads);
	for (size_t i = 0; i < conf->media.advertise.len; i++) {
		uint16_t port = conf->media.advertise.item[i].port;
		if (port + mediads - 1 > UINT16_MAX)
			return fail(ret_error, "media.advertise: port %u leaves no room for %u processes", port,
				    mediads);
	}
	return 0;
}

static int check_turn(const struct conf *conf, struct conf_error *ret_error)
{
	for (size_t i = 0; i < conf->turn.urls.len; i++) {
		const char *text = conf->turn.urls.item[i];
		struct turn_url url;
		if (turn_url_parse(text, &url) < 0)
			return fail(ret_error,
				    "turn.urls: turn:host[:port][?transport=udp|tcp], turns:… or stun:… expected, not "
				    "'%.100s'",
				    text);
		if (!url.stun && !*conf->turn.secret)
			return fail(ret_error, "turn.secret: needed for '%.100s'", text);
	}
	return 0;
}

int conf_check(const struct conf *conf, struct conf_error *ret_error)
{
	int err;

	if (conf->server.listen.len == 0)
		return fail(ret_error, "server.listen: at least one address expected");
	if (!origin_valid(conf->server.public_url))
		return fail(ret_error, "server.public_url: https://host or https://host:port expected, not '%.100s'",
			    conf->server.public_url);
	for (size_t i = 0; i < conf->server.origins.len; i++) {
		if (!origin_valid(conf->server.origins.item[i]))
			return fail(ret_error,
				    "server.origins: https://host or https://host:port expected, not '%.100s'",
				    conf->server.origins.item[i]);
	}
	if (!*conf->server.tls_cert || !*conf->server.tls_key)
		return fail(ret_error, "server.%s: a PEM file is needed",
			    *conf->server.tls_cert ? "tls_key" : "tls_cert");
	if (!*conf->database.url)
		return fail(ret_error, "database.url: must not be empty");
	err = check_admin(conf->server.admin, ret_error);
	if (err == 0)
		err = check_media(conf, ret_error);
	if (err == 0)
		err = check_turn(conf, ret_error);
	return err;
}
