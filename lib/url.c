#include "lib/url.h"

#include "lib/err.h"

#include <stdio.h>
#include <string.h>

void authority_host(const char *authority, char *host, size_t len)
{
	bool v6 = *authority == '[';

	snprintf(host, len, "%.*s", (int)strcspn(authority + v6, v6 ? "]" : ":"), authority + v6);
}

void origin_host(const char *origin, char *host, size_t len)
{
	const char *at = strstr(origin, "://");

	authority_host(at ? at + 3 : origin, host, len);
	host[strcspn(host, "/")] = 0;
}

int port_parse(const char *text, size_t len, uint16_t *ret_port)
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
	url.port = url.tls ? TURN_PORT_TLS : TURN_PORT_PLAIN;
	text = strchr(text, ':') + 1;
	bool v6 = *text == '[';
	size_t host_len = v6 ? strcspn(++text, "]") : strcspn(text, ":?");
	if (host_len == 0 || host_len >= sizeof(url.host) || (v6 && text[host_len] != ']'))
		return -EINVAL;
	memcpy(url.host, text, host_len);
	text += host_len + v6;
	if (*text == ':') {
		size_t len = strcspn(++text, "?");
		if (port_parse(text, len, &url.port) < 0)
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
