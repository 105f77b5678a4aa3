/* lib/url.h - the few kinds of URL that stand in parley.conf, taken apart. Pure functions; any process, any thread. */
#ifndef PARLEY_LIB_URL_H
#define PARLEY_LIB_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a turn: and a turns: URL without a port mean (RFC 7065, 3.2). */
#define TURN_PORT_PLAIN 3478
#define TURN_PORT_TLS	5349

struct turn_url {
	bool stun, tls, tcp; /* tls: over TCP */
	char host[256];	     /* an IPv6 address without its brackets */
	uint16_t port;
};

/* turn:host[:port][?transport=udp|tcp], turns:…, stun:… (RFC 7064, 7065). -EINVAL: *ret_url is as it was. */
int turn_url_parse(const char *text, struct turn_url *ret_url);

/* 1 to 65535 in len digits and nothing else. -EINVAL: *ret_port is as it was. */
int port_parse(const char *text, size_t len, uint16_t *ret_port);
/* The host of host[:port], an IPv6 address without its brackets; cut to fit into len bytes with its NUL. Nothing else
 * is taken away: what is no host stays none. */
void authority_host(const char *authority, char *host, size_t len);
/* The host of scheme://host[:port], an IPv6 address without its brackets; cut to fit into len bytes with its NUL. */
void origin_host(const char *origin, char *host, size_t len);

#endif
