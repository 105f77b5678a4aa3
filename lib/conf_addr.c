#include "lib/conf.h"
#include "lib/url.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* Cuts host into the bare address and returns the port's text, "" for none, NULL for nonsense. */
static const char *host_split(char *host)
{
	char *colon = strchr(host, ':');

	if (host[0] == '[') {
		char *end = strchr(host, ']');
		if (!end || (end[1] && end[1] != ':') || (end[1] == ':' && !end[2]))
			return NULL;
		*end = 0;
		memmove(host, host + 1, (size_t)(end - host));
		return end[1] ? end + 2 : "";
	}
	/* Two colons without brackets are an IPv6 address alone. */
	if (!colon || strchr(colon + 1, ':'))
		return "";
	*colon = 0;
	return colon[1] ? colon + 1 : NULL;
}

int conf_addr_parse(const char *text, struct conf_addr *ret_addr)
{
	char host[INET6_ADDRSTRLEN + 16];
	struct conf_addr addr = { 0 };
	struct sockaddr_in *in4 = (struct sockaddr_in *)&addr.sa;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&addr.sa;
	bool bracket = text[0] == '[';

	if (strlen(text) >= sizeof(host))
		return -EINVAL;
	strcpy(host, text);
	const char *port = host_split(host);
	if (!port || (*port && port_parse(port, strlen(port), &addr.port) < 0))
		return -EINVAL;
	if (!bracket && inet_pton(AF_INET, host, &in4->sin_addr) == 1) {
		in4->sin_family = AF_INET;
		in4->sin_port = htons(addr.port);
		addr.len = sizeof(*in4);
	} else if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(addr.port);
		addr.len = sizeof(*in6);
	} else {
		return -EINVAL;
	}
	*ret_addr = addr;
	return 0;
}

const char *conf_addr_format(const struct conf_addr *addr, char *buf, size_t len)
{
	char host[INET6_ADDRSTRLEN] = "?";
	const struct sockaddr_in *in4 = (const struct sockaddr_in *)&addr->sa;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&addr->sa;
	bool v6 = addr->sa.ss_family == AF_INET6;

	inet_ntop(addr->sa.ss_family, v6 ? (const void *)&in6->sin6_addr : (const void *)&in4->sin_addr, host,
		  sizeof(host));
	if (addr->port == 0)
		snprintf(buf, len, "%s", host);
	else
		snprintf(buf, len, v6 ? "[%s]:%u" : "%s:%u", host, addr->port);
	return buf;
}
