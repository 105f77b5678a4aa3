/* mediad/seat_out.h - one packet of a seat, as it is written and sent, now or again.
 *
 * What is written is the receiver's: its extension ids, its payload types, the seat's SSRC and index. The payload comes
 * from the ring and is copied once, here.
 *
 * Waiting:   where the path is narrow a picture's packet may wait for its time (pacing.h); it is not copied then but
 *            read from its ring again when it leaves, as what is sent again is.
 *
 * Caller:    seat.c, which says where in the stream the packet stands. What is sent again (NACK, padding) is read from
 *            the rings by the seat's history; those functions are in seat.h. */
#ifndef PARLEY_MEDIAD_SEAT_OUT_H
#define PARLEY_MEDIAD_SEAT_OUT_H

#include "mediad/pacer.h"
#include "mediad/seat.h"

/* One packet as it is to be written. */
struct seat_write {
	const struct ring_head *head;
	const uint8_t *data;
	uint64_t index;
	uint32_t ssrc, timestamp;
	uint16_t picture_id;
	uint8_t tl0picidx, pt;
	bool marker, is_rtx;
	bool waited;	 /* in the pacer; it was measured when it came */
	uint16_t osn;	 /* RTX: the original's sequence number */
	uint8_t padding; /* nothing but so many bytes of padding; 0 = a payload */
};

/* One that went out before, as it was then; write points into the rest. */
struct seat_again {
	struct seat_write write;
	struct ring_head head;
	uint8_t packet[RING_PACKET_MAX];
};

const struct session_mline *seat_mline(const struct seat *seat);
/* The index is spent (rec->next or rec->rtx_next is past it), and the seat's history knows a packet that is not RTX.
 * 0, also when it waits in the peer's pacer; -EMSGSIZE: too long for a packet; else as egress_rtp(). */
int seat_send(struct seat *seat, const struct seat_write *write, int64_t now_us);
/* The same, past everything that waits: the transport-wide number and the time of sending are of now. */
int seat_send_now(struct seat *seat, const struct seat_write *write, int64_t now_us);
/* The stored packet that went out as h says, from whichever ring, RING_PACKET_MAX bytes at most; false: overwritten
 * meanwhile. */
bool seat_history_read(struct seat *seat, const struct session_history *h, struct ring_head *ret_head, uint8_t *buf);
/* And all that is to be written of it, but for the index. */
bool seat_again(struct seat *seat, const struct session_history *h, struct seat_again *ret_again);
/* What has waited in the peer's pacer. False: it was overwritten meanwhile, or could not be sent. */
bool seat_send_waiting(struct seat *seat, const struct pacer_packet *packet, int64_t now_us);

#endif
