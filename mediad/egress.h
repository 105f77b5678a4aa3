/* mediad/egress.h - everything that leaves: buffers, encryption, batches.
 *
 * The media side asks for a buffer, writes a complete plain RTP or RTCP packet into it and commits; egress
 * encrypts in place with the transport's context and queues it for one sendmmsg per turn (or when
 * EGRESS_BATCH are waiting). STUN and DTLS go through egress_raw(). A full socket buffer drops and counts. What goes to
 * an address with SESSION_SOCKET_TCP is handed to tcp.h instead, the same way encrypted.
 *
 *     uint8_t *p = egress_reserve(md->egress);           room for EGRESS_PACKET_MAX plain bytes
 *     len = rewrite(p, …);
 *     atomic_store(&seat->next, index + 1)               past it BEFORE it is encrypted (DESIGN 6)
 *     egress_rtp(md->egress, t, p, len, index);          or egress_abandon()
 *
 * Indexes are the caller's: SRTP index = ROC << 16 | sequence number; the sequence number in the header must
 * be its low 16 bits. Each (SSRC, index) of a transport is encrypted once and never again, with whatever
 * content: a retransmission goes by RTX with the RTX stream's own next index.
 * SRTCP indexes are egress's own business (rec->srtcp_tx_index is stored past before use). */
#ifndef PARLEY_MEDIAD_EGRESS_H
#define PARLEY_MEDIAD_EGRESS_H

#include "mediad/mediad.h"

#define EGRESS_PACKET_MAX 1500 /* plain; tag and trailer are added behind */
#define EGRESS_BATCH	  64

struct transport;

int egress_start(struct mediad *md, struct egress **ret_egress);
struct egress *egress_stop(struct egress *egress);

/* Never NULL: flushes when all buffers are taken. */
uint8_t *egress_reserve(struct egress *egress);
void egress_abandon(struct egress *egress, uint8_t *packet);
/* 0; -ENOTCONN (no keys or no address yet: dropped); -EPROTO (index does not match the header). */
int egress_rtp(struct egress *egress, struct transport *t, uint8_t *packet, size_t len, uint64_t index);
int egress_rtcp(struct egress *egress, struct transport *t, uint8_t *packet, size_t len);
/* Unencrypted, to an address of that socket's family; copied. */
int egress_raw(struct egress *egress, unsigned socket, const struct sockaddr *to, socklen_t to_len, const void *data,
	       size_t len);
/* sendmmsg of all that waits. Called by the idle hook; cheap when nothing waits. */
void egress_flush(struct egress *egress);

#endif
