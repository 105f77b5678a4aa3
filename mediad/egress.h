/* mediad/egress.h - everything that leaves: buffers, encryption, batches.
 *
 * The media side asks for a buffer, writes a complete plain RTP or RTCP packet into it and commits. RTP waits in a
 * queue of its transport; egress_flush() puts what waits for one transport in runs (runs.h), pads and encrypts it in
 * place with the transport's context and hands each run to the kernel as one message (batch.h). STUN and DTLS go
 * through egress_raw(). What goes to an address with SESSION_SOCKET_TCP is handed to tcp.h instead, the same way
 * encrypted.
 *
 *     uint8_t *p = egress_reserve(md->egress);           room for EGRESS_PACKET_MAX plain bytes
 *     len = rewrite(p, …);
 *     atomic_store(&seat->next, index + 1)               past it BEFORE it is encrypted (DESIGN 6)
 *     egress_rtp(md->egress, t, p, len, index, media);   or egress_abandon()
 *
 * Flush:     when the input is drained (the idle hook), when RUN_PACKETS wait for one transport or all buffers are
 * taken, and when something has waited for EGRESS_WAIT_US. What waits for a transport is gone before its address
 *            changes or it is closed (transport.c).
 * Order:     what is no RTP first, then all sound, then pictures. That of an SSRC's packets is the order of committing.
 * Indexes:   the caller's: SRTP index = ROC << 16 | sequence number; the sequence number in the header must be its low
 *            16 bits. Each (SSRC, index) of a transport is encrypted once and never again, with whatever content: a
 *            retransmission goes by RTX with the RTX stream's own next index.
 *            SRTCP indexes are egress's own business (rec->srtcp_tx_index is stored past before use).
 * Lost:      what the socket's buffer does not take is dropped and counted. */
#ifndef PARLEY_MEDIAD_EGRESS_H
#define PARLEY_MEDIAD_EGRESS_H

#include "mediad/mediad.h"

#define EGRESS_PACKET_MAX 1500 /* plain; tag and trailer are added behind */
#define EGRESS_WAIT_US	  USEC_PER_MSEC
#define EGRESS_BUFFERS	  2048 /* a burst of ten packets for two hundred; memory is used as far as it is needed */

struct transport;
struct egress_buffer;

/* RTP, in the order of leaving. */
enum egress_kind { EGRESS_SOUND, EGRESS_PICTURES, EGRESS_KINDS };

/* What waits of one kind of a transport's. Zeroed: nothing does. */
struct egress_queue {
	struct egress_buffer *first, *last;
	struct transport *next; /* for which something waits, over the same socket */
	unsigned len;
};

int egress_start(struct mediad *md, struct egress **ret_egress);
struct egress *egress_stop(struct egress *egress);

/* Never NULL: flushes when all buffers are taken. */
uint8_t *egress_reserve(struct egress *egress);
void egress_abandon(struct egress *egress, uint8_t *packet);
/* 0: it waits; -ENOTCONN (no keys or no address yet: dropped); -EPROTO (index does not match the header). */
int egress_rtp(struct egress *egress, struct transport *t, uint8_t *packet, size_t len, uint64_t index,
	       enum media_kind media);
/* Encrypted at once. */
int egress_rtcp(struct egress *egress, struct transport *t, uint8_t *packet, size_t len);
/* Unencrypted, to an address of that socket's family; copied. */
int egress_raw(struct egress *egress, unsigned socket, const struct sockaddr *to, socklen_t to_len, const void *data,
	       size_t len);
/* Sends all that waits. Called by the idle hook; cheap when nothing waits. */
void egress_flush(struct egress *egress);

#endif
