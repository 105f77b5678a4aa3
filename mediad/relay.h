/* mediad/relay.h - tracks of other mediads: who has which call, subscriptions, packets through the rings.
 *
 *   A: MSG_CALL_HERE ──▶ B        A has a member of the call
 *   A ◀── MSG_CALL_HERE, MSG_TRACK_ADD … B      B has too (said once per HERE that is news), and what it sends
 *   A: MSG_TRACK_SUBSCRIBE ──▶ B  the first seat of A on a track of B
 *   B: descriptors in its ring for A; A copies the packet and forwards it
 *   A: MSG_TRACK_KEYFRAME, MSG_TRACK_NACK, MSG_TRACK_LOSS ──▶ B; B: MSG_TRACK_CLOCK ──▶ A
 *   A: MSG_CALL_GONE ──▶ B        A's last member of the call left
 *
 * A full link loses nothing: what must be told is kept as masks (call here_due and gone_due, track announce_due,
 * track subscribed) and told later; a removal that does not fit becomes GONE, HERE and all tracks again. */
#ifndef PARLEY_MEDIAD_RELAY_H
#define PARLEY_MEDIAD_RELAY_H

#include "mediad/call.h"

struct relay;

int relay_start(struct media *media, struct relay **ret_relay);
struct relay *relay_stop(struct relay *relay);

/* The first transport of a call came here; the last one left. */
void relay_on_call(struct call *call);
void relay_on_call_gone(struct call *call);
/* A local track is there, changed (codec, pause, mute), or goes. */
void relay_track_changed(struct track *track);
void relay_track_gone(struct track *track);
/* A remote track's seats came or went. */
void relay_seats_changed(struct track *track);
/* A local layer's sender report, for the mediads that forward it. */
void relay_clock(struct track *track, unsigned layer, uint64_t ntp);
/* A remote track's key frame is wanted. */
void relay_keyframe_wanted(struct track *track);

void relay_on_msg(struct media *media, unsigned k, const struct link_msg *msg, const void *payload);
void relay_on_restart(struct media *media, unsigned k);
bool relay_drain(struct media *media, unsigned budget, int64_t now_us);
bool relay_has_news(const struct media *media);
/* Posts a published local packet to the mediads that forward it. */
void relay_post(const struct track *track, uint32_t slot, uint64_t generation);
/* Tells what is still to be told; end of turn. */
void relay_flush(struct media *media);
/* Key-frame watchdog, repair of ring losses, loss reports; returns when to come again. */
int64_t relay_run(struct media *media, int64_t now_us);

#endif
