#include "tools/turn.h"

#include "lib/addresses.h"
#include "lib/url.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

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
	origin_host(conf->server.public_url, realm, sizeof(realm));
	unsigned port = serves.plain_port ? serves.plain_port : TURN_PORT_PLAIN;
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
