#include "lib/addresses.h"

#include "lib/cleanup.h"
#include "lib/log.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* linux/if_addr.h: IFA_F_TEMPORARY, DADFAILED, DEPRECATED, TENTATIVE */
#define IPV6_UNUSABLE (0x01 | 0x08 | 0x20 | 0x40)

bool addresses_is_bridge(const char *interface)
{
	static const char *const prefixes[] = { "docker", "br-",  "veth",    "virbr", "lxc",   "lxd", "podman",
						"cni",	  "cali", "flannel", "vnet",  "incus", "kube" };

	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		if (strncmp(interface, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	}
	return false;
}

bool addresses_url_is_local(const char *public_url)
{
	static const char *const hosts[] = { "localhost", "127.0.0.1", "[::1]" };
	static const char scheme[] = "https://";

	if (strncmp(public_url, scheme, sizeof(scheme) - 1) != 0)
		return false;
	const char *host = public_url + sizeof(scheme) - 1;
	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		size_t len = strlen(hosts[i]);
		if (strncmp(host, hosts[i], len) == 0 && (host[len] == 0 || host[len] == ':'))
			return true;
	}
	return false;
}

/* Only /proc tells the flags of an IPv6 address without netlink. */
static bool ipv6_is_usable(const struct in6_addr *addr)
{
	auto_fclose FILE *f = fopen("/proc/net/if_inet6", "re");
	char hex[33], want[33];
	unsigned flags;

	for (size_t i = 0; i < 16; i++)
		snprintf(want + 2 * i, 3, "%02x", addr->s6_addr[i]);
	while (f && fscanf(f, "%32s %*x %*x %*x %x %*s", hex, &flags) == 2) {
		if (strcmp(hex, want) == 0)
			return !(flags & IPV6_UNUSABLE);
	}
	return true;
}

enum address_class { ADDRESS_UNUSABLE, ADDRESS_LOOPBACK, ADDRESS_REAL };

static enum address_class classify(const struct ifaddrs *ifa)
{
	if (!ifa->ifa_addr || !(ifa->ifa_flags & IFF_UP))
		return ADDRESS_UNUSABLE;
	if (ifa->ifa_addr->sa_family == AF_INET) {
		uint32_t ip = ntohl(((const struct sockaddr_in *)ifa->ifa_addr)->sin_addr.s_addr);
		if (ip >> 24 == 127)
			return ip == INADDR_LOOPBACK ? ADDRESS_LOOPBACK : ADDRESS_UNUSABLE;
		if (ip >> 16 == 0xa9fe || ip == 0)
			return ADDRESS_UNUSABLE;
	} else if (ifa->ifa_addr->sa_family == AF_INET6) {
		const struct in6_addr *ip = &((const struct sockaddr_in6 *)ifa->ifa_addr)->sin6_addr;
		if (IN6_IS_ADDR_LOOPBACK(ip))
			return ADDRESS_LOOPBACK;
		if (IN6_IS_ADDR_LINKLOCAL(ip) || IN6_IS_ADDR_MULTICAST(ip) || !ipv6_is_usable(ip))
			return ADDRESS_UNUSABLE;
	} else {
		return ADDRESS_UNUSABLE;
	}
	return addresses_is_bridge(ifa->ifa_name) ? ADDRESS_UNUSABLE : ADDRESS_REAL;
}

static void collect(const struct ifaddrs *list, enum address_class class, struct conf_addrs *addrs)
{
	for (const struct ifaddrs *ifa = list; ifa; ifa = ifa->ifa_next) {
		if (classify(ifa) != class)
			continue;
		if (addrs->len == CONF_LIST_MAX) {
			log_warn("addresses: more than %d usable addresses, the rest is not used; see media.listen",
				 CONF_LIST_MAX);
			return;
		}
		bool v6 = ifa->ifa_addr->sa_family == AF_INET6;
		struct conf_addr *addr = &addrs->item[addrs->len++];
		memset(addr, 0, sizeof(*addr));
		addr->len = v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
		memcpy(&addr->sa, ifa->ifa_addr, addr->len);
	}
}

int addresses_find(const struct conf *conf, struct conf_addrs *ret_addrs)
{
	struct conf_addrs addrs = conf->media.listen;
	struct ifaddrs *list;

	if (addrs.len > 0) {
		*ret_addrs = addrs;
		return 0;
	}
	if (getifaddrs(&list) < 0)
		return -errno;
	if (addresses_url_is_local(conf->server.public_url))
		collect(list, ADDRESS_LOOPBACK, &addrs);
	collect(list, ADDRESS_REAL, &addrs);
	if (addrs.len == 0)
		collect(list, ADDRESS_LOOPBACK, &addrs);
	freeifaddrs(list);
	if (addrs.len == 0)
		return -EADDRNOTAVAIL;
	*ret_addrs = addrs;
	return 0;
}
