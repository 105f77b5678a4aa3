/* mediad/demand.h - which layers of a track are being sent, which are wanted, and what its publisher is told.
 *
 *   seats here ──┐ layers that they take (track->watched)
 *                ├──▶ demand ──▶ the publisher's page: MSG_LAYERS, which encodings to switch on and off
 *   other mediads┘ MSG_TRACK_SUBSCRIBE
 *
 * On:        at once when somebody wants it. Off: when nobody has for DEMAND_KEEP_US, not in a track's first seconds,
 *            and not before somebody has watched at all (or DEMAND_ALONE_US), so that a call begins with a sharp
 * picture. The lowest layer stays on: it is cheap, and whoever looks next sees it while the wanted one starts. Lost: a
 * page that does otherwise than it was told is told again, after 1, 2, 4 … DEMAND_REPEAT_MAX_US. One that cannot (too
 * little bandwidth, an older page) is harmless. Measured:  ten times a second; a layer that begins is noticed with its
 * first packet (track.c).
 *
 * Sound:     a microphone's publisher is asked for fewer bits while somebody who hears him has a path that takes no
 * more (sound.h), and told when that is over: MSG_SOUND; again every DEMAND_SOUND_US, as long as it lasts and a few
 *            times after.
 *
 * Callers:   the parts of the media side. Nothing here is done per packet. */
#ifndef PARLEY_MEDIAD_DEMAND_H
#define PARLEY_MEDIAD_DEMAND_H

#include "mediad/call.h"

#define DEMAND_TICK_US	     (100 * USEC_PER_MSEC)
#define DEMAND_KEEP_US	     (3 * USEC_PER_SEC)
#define DEMAND_FIRST_US	     (5 * USEC_PER_SEC)
#define DEMAND_ALONE_US	     (60 * USEC_PER_SEC)
#define DEMAND_REPEAT_US     USEC_PER_SEC
#define DEMAND_REPEAT_MAX_US (32 * USEC_PER_SEC)
#define DEMAND_SOUND_US	     (8 * USEC_PER_SEC)

/* A local track begins: all its layers may be sent. */
void demand_init(struct track *track);
/* Looks after a track with several layers, or with a picture that comes in here, from now on; no longer. */
void demand_list(struct track *track);
void demand_unlist(struct track *track);
/* What seats here, or other mediads, take of a track has changed; told at the end of the turn. */
void demand_changed(struct track *track);
/* Whether seats here need fewer bits of it has changed, perhaps; */
void demand_lower_changed(struct track *track);
/* whether mediad k does. */
void demand_set_lower(struct track *track, unsigned k, bool lower);
void demand_flush(struct media *media, int64_t now_us);
/* Returns when to come again. */
int64_t demand_run(struct media *media, int64_t now_us);

#endif
