/* tools/turn_probe.h - does a TURN or STUN server answer? For parleyctl doctor; waits at most a second. */
#ifndef PARLEY_TOOLS_TURN_PROBE_H
#define PARLEY_TOOLS_TURN_PROBE_H

#include "lib/url.h"

/* UDP: a STUN Binding request (RFC 8489) is answered. TCP and TLS: the port accepts a connection. 0, -EHOSTUNREACH
 * (the name has no address), -ETIMEDOUT, -ECONNREFUSED or what else the kernel says. */
int turn_probe(const struct turn_url *url);

#endif
