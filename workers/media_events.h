/* workers/media_events.h - what mediads tell on their own, turned into rows and events to people.
 *
 * State:     a transport that connects, loses contact or ends goes to the statement media_state, whose
 *            notify column tells the members. With the database away it is lost here and the reconciler
 *            makes up for it.
 * Seats:     the parts of one list (same version) come in a row over one link; a list that is not finished
 *            when the next begins is dropped, since the next one is the full list again.
 * Speaker:   each mediad tells whom it forwards to; the event goes to exactly those. Quality, layers: to its own
 *            member.
 * Callers:   media_link.c, with checked messages. */
#ifndef PARLEY_WORKERS_MEDIA_EVENTS_H
#define PARLEY_WORKERS_MEDIA_EVENTS_H

#include "shm/msg.h"

struct media_events;
struct worker;

int media_events_start(struct worker *worker, struct media_events **ret_events);
struct media_events *media_events_stop(struct media_events *events);

void media_events_on_state(struct media_events *events, const struct msg_transport_state *m);
void media_events_on_seats(struct media_events *events, unsigned mediad, const struct msg_seats *m);
void media_events_on_speaker(struct media_events *events, const struct msg_speaker *m);
void media_events_on_quality(struct media_events *events, unsigned mediad, const struct msg_quality *m);
void media_events_on_layers(struct media_events *events, const struct msg_layers *m);
void media_events_on_sound(struct media_events *events, const struct msg_sound *m);
void media_events_on_lost(struct media_events *events, const struct msg_transport_state *m);

#endif
