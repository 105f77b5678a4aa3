#include "tools/turn.h"

#include "lib/addresses.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define PORT_PLAIN 3478
#define PORT_TLS   5349

static int parse_port(const char *text, size_t len, uint16_t *ret_port)
{
	unsigned long port = 0;

	if (len == 0 || len > 5)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		port = port * 10 + (unsigned long)(text[i] - '0');
	}
	if (port == 0 || port > UINT16_MAX)
		return -EINVAL;
	*ret_port = (uint16_t)port;
	return 0;
}

int turn_url_parse(const char *text, struct turn_url *ret_url)
{
	struct turn_url url = { 0 };

	if (strncmp(text, "turns:", 6) == 0)
		url.tls = url.tcp = true;
	else if (strncmp(text, "stun:", 5) == 0)
		url.stun = true;
	else if (strncmp(text, "turn:", 5) != 0)
		return -EINVAL;
	url.port = url.tls ? PORT_TLS : PORT_PLAIN;
	text = strchr(text, ':') + 1;
	bool v6 = *text == '[';
	size_t host_len = v6 ? strcspn(++text, "]") : strcspn(text, ":?");
	if (host_len == 0 || host_len >= sizeof(url.host) || (v6 && text[host_len] != ']'))
		return -EINVAL;
	memcpy(url.host, text, host_len);
	text += host_len + v6;
	if (*text == ':') {
		size_t len = strcspn(++text, "?");
		if (parse_port(text, len, &url.port) < 0)
			return -EINVAL;
		text += len;
	}
	if (strcmp(text, "?transport=tcp") == 0 && !url.stun)
		url.tcp = true;
	else if (*text && (strcmp(text, "?transport=udp") != 0 || url.tls || url.stun))
		return -EINVAL;
	*ret_url = url;
	return 0;
}

static void host_of_origin(const char *origin, char *host, size_t len)
{
	const char *at = strstr(origin, "://");

	at = at ? at + 3 : origin;
	snprintf(host, len, "%.*s", (int)(*at == '[' ? strcspn(at, "]") + 1 : strcspn(at, ":/")), at);
}

static void write_allowed(const struct conf_addrs *addrs, FILE *out)
{
	for (size_t i = 0; i < addrs->len; i++) {
		const struct sockaddr_storage *sa = &addrs->item[i].sa;
		char text[INET6_ADDRSTRLEN];
		const void *ip = sa->ss_family == AF_INET6 ? (const void *)&((const struct sockaddr_in6 *)sa)->sin6_addr
							   : (const void *)&((const struct sockaddr_in *)sa)->sin_addr;
		if (inet_ntop(sa->ss_family, ip, text, sizeof(text)))
			fprintf(out, "allowed-peer-ip=%s\n", text);
	}
}

static void write_peers(const struct conf *conf, const struct conf_addrs *addrs, FILE *out)
{
	fputs("\n# It relays to Parley's media addresses and nowhere else.\n"
	      "no-multicast-peers\n"
	      "denied-peer-ip=0.0.0.0-255.255.255.255\n"
	      "denied-peer-ip=::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff\n",
	      out);
	write_allowed(addrs, out);
	/* Behind a 1:1 NAT clients know only these. */
	write_allowed(&conf->media.advertise, out);
	bool loopback = addresses_url_is_local(conf->server.public_url);
	if (loopback)
		fputs("allow-loopback-peers\n", out);
}

struct turn_serves {
	bool udp, tcp, tls;
	uint16_t plain_port, tls_port;
};

static void learn(const struct conf *conf, struct turn_serves *ret_serves)
{
	struct turn_serves serves = { .plain_port = 0 };
	struct turn_url url;

	for (size_t i = 0; i < conf->turn.urls.len; i++) {
		if (turn_url_parse(conf->turn.urls.item[i], &url) < 0 || url.stun)
			continue;
		serves.udp = serves.udp || !url.tcp;
		serves.tcp = serves.tcp || (url.tcp && !url.tls);
		serves.tls = serves.tls || url.tls;
		if (url.tls)
			serves.tls_port = serves.tls_port ? serves.tls_port : url.port;
		else
			serves.plain_port = serves.plain_port ? serves.plain_port : url.port;
	}
	*ret_serves = serves;
}

int turn_write_config(const struct conf *conf, FILE *out)
{
	struct turn_serves serves;
	struct conf_addrs addrs;
	char realm[256];

	learn(conf, &serves);
	if (!serves.udp && !serves.tcp && !serves.tls)
		return -ENOENT;
	int err = addresses_find(conf, &addrs);
	if (err < 0)
		return err;
	host_of_origin(conf->server.public_url, realm, sizeof(realm));
	unsigned port = serves.plain_port ? serves.plain_port : PORT_PLAIN;
	fprintf(out,
		"# coturn for %s, made by `parleyctl turn-config` from parley.conf: change it there.\n"
		"listening-port=%u\n",
		conf->server.public_url, port);
	if (serves.tls)
		fprintf(out, "tls-listening-port=%u\ncert=%s\npkey=%s\nno-tlsv1\nno-tlsv1_1\n", serves.tls_port,
			conf->server.tls_cert, conf->server.tls_key);
	else
		fputs("no-tls\n", out);
	fputs("no-dtls\n", out);
	if (!serves.udp)
		fputs("no-udp\n", out);
	if (!serves.tcp)
		fputs("no-tcp\n", out);
	fprintf(out,
		"realm=%s\n"
		"use-auth-secret\n"
		"static-auth-secret=%s\n"
		"fingerprint\n"
		"no-tcp-relay\n"
		"no-cli\n"
		"no-rfc5780\n"
		"no-stun-backward-compatibility\n"
		"response-origin-only-with-rfc5780\n"
		"log-file=stdout\n"
		"simple-log\n",
		realm, conf->turn.secret);
	write_peers(conf, &addrs, out);
	return ferror(out) ? -EIO : 0;
}
