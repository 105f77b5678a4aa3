#include "mediad/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

_Static_assert(sizeof(struct session_address) == 20, "no padding: it is compared as bytes");

int address_from_sockaddr(unsigned socket, const struct sockaddr *sa, socklen_t len, struct session_address *ret)
{
	struct session_address a = { .socket = (uint8_t)socket };

	if (sa->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)sa;
		a.family = 4;
		a.port = ntohs(in->sin_port);
		memcpy(a.ip, &in->sin_addr, 4);
	} else if (sa->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;
		a.family = 6;
		a.port = ntohs(in6->sin6_port);
		memcpy(a.ip, &in6->sin6_addr, 16);
	} else {
		return -EAFNOSUPPORT;
	}
	*ret = a;
	return 0;
}

socklen_t address_to_sockaddr(const struct session_address *address, struct sockaddr_storage *ret_sa)
{
	if (address->family == 4) {
		struct sockaddr_in *in = (struct sockaddr_in *)ret_sa;
		*in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(address->port) };
		memcpy(&in->sin_addr, address->ip, 4);
		return sizeof(*in);
	}
	if (address->family == 6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret_sa;
		*in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(address->port) };
		memcpy(&in6->sin6_addr, address->ip, 16);
		return sizeof(*in6);
	}
	return 0;
}

bool address_equal(const struct session_address *a, const struct session_address *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

const char *address_format(const struct session_address *address, char *buf)
{
	char ip[INET6_ADDRSTRLEN] = "none";

	if (address->family == 4 || address->family == 6)
		inet_ntop(address->family == 4 ? AF_INET : AF_INET6, address->ip, ip, sizeof(ip));
	snprintf(buf, ADDRESS_TEXT_LEN, address->family == 6 ? "[%s]:%u#%u%s" : "%s:%u#%u%s", ip, address->port,
		 address->socket & ~SESSION_SOCKET_TCP, address->socket & SESSION_SOCKET_TCP ? "/tcp" : "");
	return buf;
}

int address_map_init(struct address_map *map, uint32_t max)
{
	uint32_t size = 16;

	/* At most half full, so that a miss ends soon. */
	while (size < max * 2)
		size *= 2;
	*map = (struct address_map){ .mask = size - 1, .max = max };
	map->entry = calloc(size, sizeof(*map->entry));
	if (!map->entry)
		return -ENOMEM;
	random_bytes(map->key, sizeof(map->key));
	return 0;
}

void address_map_fini(struct address_map *map)
{
	free(map->entry);
	*map = (struct address_map){ 0 };
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	__extension__ typedef unsigned __int128 wide;
	wide product = (wide)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint32_t home_of(const struct address_map *map, const struct session_address *address)
{
	uint64_t head = 0, low, high;

	memcpy(&head, address, 4);
	memcpy(&low, address->ip, 8);
	memcpy(&high, address->ip + 8, 8);
	uint64_t h = mix(low ^ map->key[0], high ^ map->key[1]);
	return (uint32_t)mix(h ^ head ^ map->key[0], map->key[1] | 1) & map->mask;
}

/* The place where address is, or the free one where it would go. */
static uint32_t place_of(const struct address_map *map, const struct session_address *address)
{
	uint32_t i = home_of(map, address);

	while (map->entry[i].value != 0 && !address_equal(&map->entry[i].address, address))
		i = (i + 1) & map->mask;
	return i;
}

uint32_t address_map_find(const struct address_map *map, const struct session_address *address)
{
	return map->entry[place_of(map, address)].value;
}

int address_map_set(struct address_map *map, const struct session_address *address, uint32_t value)
{
	struct address_entry *e = &map->entry[place_of(map, address)];

	if (e->value == 0) {
		if (map->len == map->max)
			return -ENOSPC;
		map->len++;
		e->address = *address;
	}
	e->value = value;
	return 0;
}

void address_map_remove(struct address_map *map, const struct session_address *address)
{
	uint32_t hole = place_of(map, address);

	if (map->entry[hole].value == 0)
		return;
	map->len--;
	map->entry[hole].value = 0;
	/* Moves later ones of the run back, so that no search ends at the hole before its entry. */
	for (uint32_t i = (hole + 1) & map->mask; map->entry[i].value != 0; i = (i + 1) & map->mask) {
		uint32_t home = home_of(map, &map->entry[i].address);
		if (((i - home) & map->mask) >= ((i - hole) & map->mask)) {
			map->entry[hole] = map->entry[i];
			map->entry[i].value = 0;
			hole = i;
		}
	}
}
