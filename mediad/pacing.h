/* mediad/pacing.h - the pacers of all participants whose path is not known to take everything (pacer.h).
 *
 *     seat_send() ──pacing_holds()?──▶ waits ──each PACER_SLOT_US: pacing_run()──▶ seat_send_waiting()
 *
 * Begins with the path, ends when that has shown that it takes all that is wanted, and begins again when congestion is
 * met (rate.c). Without a pacer all that the way of a packet knows of it is one branch.
 *
 * Rate:      while a probe is under way, the probe's. Else PACING_FACTOR × the estimate, so that the pictures of a
 * stream that fits never gather here, and a path that takes more can show it. But where over-use has shown what the
 * path takes (bwe_capacity()), not more than that: what left faster would stand in the path's queue, and the sound
 * behind it. While a queue stands there, no more than the estimate itself. Indexes:   a picture's out index is spent
 * when the seat accepts it, that of what is sent again when it leaves. The transport-wide number and the time of
 * sending are those of leaving. Numbers:   seat->waits says of each packet of the seat's history whether it waits, so
 * that a NACK sends nothing twice. Order:     a seat's packets leave in the order in which it accepted them, whatever
 * it shows meanwhile.
 *
 * Callers:   the parts of the media side. Allocates nothing but a pacer at pacing_begin(). */
#ifndef PARLEY_MEDIAD_PACING_H
#define PARLEY_MEDIAD_PACING_H

#include "mediad/pacer.h"

#define PACING_FACTOR	 2.5
#define PACING_RUN	 64    /* packets to one peer in one slot, */
#define PACING_RUN_BYTES 64000 /* and bytes */
#define PACING_STANDS_US (250 * USEC_PER_MSEC)

struct media;
struct media_peer;

struct pacing {
	struct pacer pacer;
	double bps;			 /* 0 = no limit */
	int64_t bps_us;			 /* when it was asked for; 0 = never */
	struct media_peer *next, **link; /* among those for whom something waits; link NULL: nothing does */
};

/* From now on what goes to the peer is paced. Nothing happens when there is no memory. */
void pacing_begin(struct media_peer *peer);
/* The path takes all that is wanted: no longer, once nothing waits. */
void pacing_rest(struct media_peer *peer);
/* The peer is about to be freed. */
void pacing_end(struct media_peer *peer);
/* A seat of the peer is about to be freed. */
void pacing_forget(struct seat *seat);
/* For a peer with a pacer: true when packet (but for since_us, which is set here) waits now, false when it is to be
 * sent at once. */
bool pacing_holds(struct media_peer *peer, struct pacer_packet *packet, int64_t now_us);
/* So many bytes left for the peer, of whatever kind. */
void pacing_on_sent(struct media_peer *peer, unsigned bytes, int64_t now_us);
/* Something waits for the peer. */
bool pacing_waits(const struct media_peer *peer);
/* A picture has waited for PACING_STANDS_US: more comes than the path takes. */
bool pacing_stands(const struct media_peer *peer, int64_t now_us);
/* The packet of the seat's history with that number has not left yet. */
bool pacing_has(const struct seat *seat, uint16_t seq);
/* What may leave by now. Returns when to come again. */
int64_t pacing_run(struct media *media, int64_t now_us);

#endif
