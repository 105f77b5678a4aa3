/* mediad/media.h - tracks, seats and calls: what a mediad does with decrypted packets.
 *
 * track   what a participant sends on one m-line: layers (SSRCs), receive statistics, NACK and PLI towards
 *         the publisher, transport-wide feedback.
 * seat    what a participant receives on one m-line: fixed SSRCs, one unbroken stream made from changing
 *         sources, history for retransmission, sender reports on the call's server clock.
 * call    the members whose transports are here, the tracks of all members (also those on other mediads,
 *         learnt by MSG_CALL_HERE / MSG_TRACK_ADD), and who sits where. In a call everybody gets a seat while
 *         there are any, in order of joining; a client's own tracks are never seated for itself.
 * relay   descriptors to and from the other mediads' rings.
 *
 * Callers:   transport and control, on the mediad's thread. None of these calls keeps a pointer that it was
 *            given beyond the call, struct transport excepted (until media_on_closed). */
#ifndef PARLEY_MEDIAD_MEDIA_H
#define PARLEY_MEDIAD_MEDIA_H

#include "mediad/transport.h"
#include "shm/msg.h"

int media_start(struct mediad *md, struct media **ret_media);
struct media *media_stop(struct media *media);

/* rec's m-lines are filled: makes tracks and seats (SSRCs, CNAME) and joins the call. Called again after a
 * re-offer: m-lines may have been added or changed direction; existing seats keep their SSRCs. -ENOSPC. */
int media_on_offer(struct transport *t);
/* The seat on that m-line; NULL when it has none. For the answer. */
struct session_seat *media_seat(struct transport *t, unsigned mline);
/* Keys are there and the first authenticated packet came: send key-frame requests, waiting seats, reports. */
void media_on_connected(struct transport *t);
/* DISCONNECTED and back. */
void media_on_suspended(struct transport *t, bool suspended);
/* A decrypted RTP packet (len bytes at the slot's packet) with the SRTP index libsrtp estimated. Parses,
 * fills the slot's head, publishes and forwards. True: published; false: the slot is not kept. */
bool media_on_rtp(struct transport *t, uint32_t slot, size_t len, int64_t now_us);
/* A decrypted compound RTCP packet. */
void media_on_rtcp(struct transport *t, const uint8_t *data, size_t len, int64_t now_us);
/* What was sent to it last left with so many bytes of padding added. */
void media_on_padded(struct transport *t, unsigned bytes);
/* Frees tracks and seats, tells the other members and mediads. */
void media_on_closed(struct transport *t);
void media_on_member_state(struct media *media, const struct msg_member_state *state);
/* The member's page has a new connection: what it was told of seats meanwhile is lost, so it is told again. */
void media_on_seats_ask(struct media *media, const struct msg_member *who);
void media_on_view(struct media *media, const struct msg_view *view);
/* A checked message from mediad k. */
void media_on_peer_msg(struct media *media, unsigned k, const struct link_msg *msg, const void *payload);
/* Mediad k has a new incarnation: its tracks are gone, it must be told of our calls. */
void media_on_peer_restart(struct media *media, unsigned k);
/* Drains the other mediads' descriptors, at most `budget` packets; true when more wait. */
bool media_drain_rings(struct media *media, unsigned budget, int64_t now_us);
/* End of turn: posts descriptors and pokes the links of mediads with news. */
void media_flush(struct media *media, int64_t now_us);
/* Before sleep, after link_sleep(): true when another ring has news. */
bool media_has_news(const struct media *media);

#endif
