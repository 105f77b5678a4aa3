/* mediad/transport.h - one participant device's transport: ICE-lite, DTLS-SRTP, and who it belongs to.
 *
 *   NEW ──first authenticated check──▶ HANDSHAKE ──keys + first authenticated SRTP/SRTCP──▶ CONNECTED
 *                                      HANDSHAKE ──keys + 1 s (a peer that only listens)──▶ CONNECTED
 *   CONNECTED ◀──consent again── DISCONNECTED ◀──no consent for 15 s── CONNECTED
 *   any ──close, close_notify, no check for 30 s after NEW, 30 s HANDSHAKE, fingerprint mismatch,
 *         45 s DISCONNECTED──▶ FREE
 *
 * Consent (RFC 7675) is an authenticated check, or authenticated RTCP from where we send to: not every full agent
 * goes on checking.
 *
 * Lives in:  the mediad's heap; rec is its record in the session table and holds everything that must
 *            outlive this process.
 * Callers:   the mediad's thread.
 * Ownership: transports_new() makes record and handle; transport_close() frees both, after media_on_closed()
 *            has freed tracks and seats. The pointer is dead then; keep handles across turns, not pointers. */
#ifndef PARLEY_MEDIAD_TRANSPORT_H
#define PARLEY_MEDIAD_TRANSPORT_H

#include "mediad/egress.h"

struct ice_agent;  /* per transport: valid addresses, ice.h */
struct dtls;	   /* per transport: handshake, dtls.h */
struct srtp_in;	   /* per transport: ingress contexts, srtp.h */
struct srtp_out;   /* per transport: egress contexts, srtp.h */
struct media_peer; /* media side's own state of this transport */

struct transport {
	struct mediad *md;
	struct session_transport *rec;
	uint64_t handle;
	struct ice_agent *ice;
	struct dtls *dtls;
	struct srtp_in *srtp_in;
	struct srtp_out *srtp_out; /* NULL until keys are there */
	struct media_peer *media;
	struct egress_queue waits[EGRESS_KINDS];
	bool no_segments;	 /* where it is sent to takes no UDP_SEGMENT, batch.h */
	struct loop_timer timer; /* handshake retransmission, consent */
	uint64_t corr;		 /* of the offer that made it */
	int64_t state_us;	 /* since when it is in its state */
	int64_t keyed_us;	 /* when the keys came; 0 = not yet */
};

struct transports;

int transports_start(struct mediad *md, struct transports **ret_transports);
struct transports *transports_stop(struct transports *transports);

/* SHA-256 of the DTLS certificate, for answers: 32 bytes. */
const uint8_t *transports_fingerprint(const struct transports *transports);

/* A new record from an offer (identity, remote credentials, fingerprint, m-lines; the rest is ignored); local
 * ufrag and password are made. The caller then calls media_on_offer(). -ENOSPC, -ENOMEM. */
int transport_new(struct mediad *md, const struct session_transport *offer_fields, struct transport **ret_t);
/* New remote and local credentials: ICE restart. The old ones stay valid until the first check with the new. */
int transport_ice_restart(struct transport *t, const char *ufrag, const char *pwd);
struct transport *transport_find(struct mediad *md, uint64_t handle);
/* Calls fn for every transport of a call (all of them when call is NULL); fn may close the one it is given. */
void transport_each(struct mediad *md, const struct id *call, void (*fn)(struct transport *t, void *arg), void *arg);
/* Says why in the log and in the state event; sends DTLS close_notify. */
void transport_close(struct transport *t, const char *why);
bool transport_is_sending(const struct transport *t); /* keys, an address, not DISCONNECTED */

/* Is it one that an authenticated check of some transport came from? */
bool transport_has_address(struct mediad *md, const struct session_address *address);
/* The connection that the address stood for has ended: whose it was sends to its newest other one, or waits. */
void transport_on_address_gone(struct mediad *md, const struct session_address *address);

/* A received datagram of any kind, in ring slot `slot` (len bytes at its packet), from peer over socket
 * `socket`. Demultiplexes by RFC 7983, finds the transport (address, else ufrag), decrypts in place.
 * socket may have SESSION_SOCKET_TCP: then it came out of that connection (tcp.h).
 * Returns true when the slot was published (RTP that the media side kept); false: give it back.
 * Before media_on_rtp() the slot's head has arrival_us, ssrc, len and index (ROC << 16 | sequence number, as
 * authenticated); the media side fills the rest. */
bool transport_on_datagram(struct mediad *md, unsigned socket, const struct sockaddr *peer, socklen_t peer_len,
			   uint32_t slot, size_t len, int64_t now_us);

#endif
