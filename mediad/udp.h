/* mediad/udp.h - the UDP sockets of a mediad, and receiving.
 *
 * One socket per local address, all on the mediad's port, made by the master ("udp.0", "udp.1", …). A batch of up
 * to RING_BATCH datagrams is received straight into free slots of the media ring; each is handed to
 * transport_on_datagram() and its slot given back unless it was published. */
#ifndef PARLEY_MEDIAD_UDP_H
#define PARLEY_MEDIAD_UDP_H

#include "mediad/mediad.h"

#define UDP_SOCKETS_MAX 32

/* Takes udp.* from md->fds and adds them to md->loop. -ENOENT: there are none. */
int udp_start(struct mediad *md, struct udp **ret_udp);
struct udp *udp_stop(struct udp *udp);
/* NULL: none. */
unsigned udp_sockets(const struct udp *udp);
int udp_fd(const struct udp *udp, unsigned socket);

#endif
