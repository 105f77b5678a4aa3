/* mediad/address.h - a peer's address together with the socket of ours it talks to.
 *
 * A struct session_address is compared and hashed as its 20 bytes: unused bytes are zero.
 * struct address_map finds the transport of such a pair: open addressing, sized once, never allocates
 * afterwards; its hash is keyed, since strangers choose their addresses. */
#ifndef PARLEY_MEDIAD_ADDRESS_H
#define PARLEY_MEDIAD_ADDRESS_H

#include "shm/session.h"

#include <sys/socket.h>

#define ADDRESS_TEXT_LEN 64

/* -EAFNOSUPPORT for anything but IPv4 and IPv6. */
int address_from_sockaddr(unsigned socket, const struct sockaddr *sa, socklen_t len, struct session_address *ret);
/* 0 when the address is none. */
socklen_t address_to_sockaddr(const struct session_address *address, struct sockaddr_storage *ret_sa);
bool address_equal(const struct session_address *a, const struct session_address *b);
/* "[::1]:40000#0", over TCP "[::1]:40000#0/tcp"; returns buf (ADDRESS_TEXT_LEN). */
const char *address_format(const struct session_address *address, char *buf);

struct address_entry {
	struct session_address address;
	uint32_t value; /* 0 = free place */
};

struct address_map {
	struct address_entry *entry;
	uint32_t mask, len, max;
	uint64_t key[2];
};

/* Holds max entries. -ENOMEM. */
int address_map_init(struct address_map *map, uint32_t max);
void address_map_fini(struct address_map *map);
/* 0 when it is not there. */
uint32_t address_map_find(const struct address_map *map, const struct session_address *address);
/* Adds or replaces; value is not 0. -ENOSPC. */
int address_map_set(struct address_map *map, const struct session_address *address, uint32_t value);
void address_map_remove(struct address_map *map, const struct session_address *address);

#endif
