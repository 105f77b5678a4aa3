/* tools/turn.h - the TURN server (coturn) that belongs to this Parley: its settings, made from parley.conf.
 *
 * turn.urls says what it serves (UDP, TCP, TLS, and their ports), turn.secret how clients prove themselves, and
 * the media addresses where it may relay to: nowhere else, so that it is no open way into the network behind it. */
#ifndef PARLEY_TOOLS_TURN_H
#define PARLEY_TOOLS_TURN_H

#include "lib/conf.h"

#include <stdio.h>

/* Writes a turnserver.conf. -ENOENT: no turn: or turns: in turn.urls; -EADDRNOTAVAIL: no address for media here. */
int turn_write_config(const struct conf *conf, FILE *out);

#endif
