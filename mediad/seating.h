/* mediad/seating.h - who sits where: each receiver's places, filled from the members of the call.
 *
 * Place i is the i-th audio slot with the i-th video slot, so that lips sync; surplus slots stand alone. A person
 * has two parts: MAIN (microphone, camera) and SCREEN (screen, its sound), which takes a place only while it is
 * sent. Never one's own.
 *
 *   free places   screens first, then people in order of joining; who sends no video takes one without a video
 *                 slot first. Nobody who stays is moved by somebody who comes or goes.
 *   a screen      without a free video slot it takes its own member's place: the picture is the screen then, the
 *                 voice stays. When it ends, the camera is back in the same place. Who has no place himself
 *                 takes the one of whom we have not heard for longest.
 *   crowds        with fewer places than people, who begins to speak gets the place of whom we have not heard for
 *                 longest, if that one has been silent for SEATING_KEEP_US. Who lost his picture keeps his voice
 *                 while an audio slot stands alone.
 *
 * Callers:   the parts of the media side, on every change. */
#ifndef PARLEY_MEDIAD_SEATING_H
#define PARLEY_MEDIAD_SEATING_H

#include "mediad/call.h"

#define SEATING_NEWS_US (2 * USEC_PER_SEC) /* who was heard in that time may ask for a place */
#define SEATING_KEEP_US (4 * USEC_PER_SEC) /* who was heard in that time keeps his */

/* Sorts the slots of the m-lines into places; keeps who sits where. */
void seating_set_places(struct media_peer *peer);
/* Who sits where may have changed. */
void seating_update(struct call *call);
/* At the end of the turn: several members come at once, and the order in which we hear of them is not that in which
 * they joined. */
void seating_later(struct call *call);
/* Or at that time, by the next flush behind it. */
void seating_at(struct call *call, int64_t at_us);
void seating_flush(struct media *media);

#endif
