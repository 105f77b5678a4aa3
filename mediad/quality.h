/* mediad/quality.h - how a participant's connection does, told to him every three seconds or so (MSG_QUALITY).
 *
 * Loss on the way to the client is what its receiver reports say, weighted by packets; loss on the way from it is
 * what did not come at first, whether it was repaired or not. Bytes are of RTP packets, retransmissions included. */
#ifndef PARLEY_MEDIAD_QUALITY_H
#define PARLEY_MEDIAD_QUALITY_H

#include "mediad/call.h"

#define QUALITY_INTERVAL_US (2500 * USEC_PER_MSEC) /* and up to the next report */

/* The client reports a share of packets (in 256) out of n as lost. */
void quality_on_block(struct media_peer *peer, uint8_t fraction_lost, uint32_t n);
/* Of n packets that the client sent, that many did not come. */
void quality_on_received(struct media_peer *peer, uint32_t n, uint32_t lost);
/* With each report of the peer. */
void quality_run(struct media_peer *peer, int64_t now_us);

#endif
