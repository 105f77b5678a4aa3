/* mediad/announce.h - what mediads tell each other about calls: who has members of which, what these send, and
 * who forwards it.
 *
 *   B starts: MSG_CALL_GONE of no call ──▶ all      its predecessor's calls and tracks are gone
 *   A: MSG_CALL_HERE ──▶ B        A has a member of the call
 *   A ◀── MSG_CALL_HERE, MSG_TRACK_ADD … B      B has too (said once per HERE that is news), and what it sends
 *   A: MSG_TRACK_SUBSCRIBE ──▶ B  the layers that seats of A take of a track of B; UNSUBSCRIBE: none any more
 *   B: MSG_TRACK_ADD ──▶ A        something about a track or its layers changed; MSG_TRACK_REMOVE: it is gone
 *   A: MSG_CALL_GONE ──▶ B        A's last member of the call left
 *
 * A full link loses nothing: what must be told is kept as masks (call here_due and gone_due, track announce_due,
 * track subscribed) and told later; a removal that does not fit becomes GONE, HERE and all tracks again.
 * Calls are made known at the end of the turn, by announce_flush(). */
#ifndef PARLEY_MEDIAD_ANNOUNCE_H
#define PARLEY_MEDIAD_ANNOUNCE_H

#include "mediad/relay.h"

/* To all others, once: we begin. */
void announce_start(struct media *media);
/* The first transport of a call came here; the last one left. */
void announce_call(struct call *call);
void announce_call_gone(struct call *call);
/* A local track is there or changed (codec, pause, mute); goes. */
void announce_track_changed(struct track *track);
void announce_track_gone(struct track *track);
/* What the seats here take of a remote track has changed. */
void announce_watched_changed(struct track *track);
/* MSG_CALL_*, MSG_TRACK_ADD, _REMOVE, _SUBSCRIBE, _UNSUBSCRIBE. */
void announce_on_msg(struct media *media, unsigned k, uint16_t type, const void *payload);
void announce_on_restart(struct media *media, unsigned k);
void announce_flush(struct media *media);

#endif
