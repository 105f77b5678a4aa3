/* lib/addresses.h - which of this machine's addresses media is received on.
 *
 * auto takes every address of interfaces that are up, except link-local ones, those of container bridges
 * (docker0, br-…, veth…, virbr…, lxc…, …) and IPv6 addresses that are temporary, deprecated or not usable yet.
 * Loopback is taken when public_url names this machine alone (localhost), or when nothing else exists. */
#ifndef PARLEY_LIB_ADDRESSES_H
#define PARLEY_LIB_ADDRESSES_H

#include "lib/conf.h"

/* media.listen, or what auto finds; at least one, at most CONF_LIST_MAX, ports 0. -EADDRNOTAVAIL. */
int addresses_find(const struct conf *conf, struct conf_addrs *ret_addrs);
/* Is this interface one of a container or virtual machine host? */
bool addresses_is_bridge(const char *interface);
/* Does public_url name this machine alone? */
bool addresses_url_is_local(const char *public_url);

#endif
