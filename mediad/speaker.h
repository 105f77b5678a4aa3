/* mediad/speaker.h - who speaks in a call.
 *
 * Each mediad knows how loud the members are whose microphones it receives (loudness.h), and five times a second
 * tells those mediads that have the call too what has changed, in steps of 6 dB (MSG_TRACK_LEVELS): nothing while
 * nobody speaks. So every mediad finds the speaker by itself and tells its own members (MSG_SPEAKER):
 *
 *   nobody ──somebody speaks──▶ him, at once
 *   A ──A is silent, B is the loudest for 400 ms──▶ B
 *   A ──A speaks, B is louder by SPEAKER_LOUDER for 800 ms──▶ B
 *   A ──all are silent for SPEAKER_GONE_US──▶ nobody
 *
 * Who is heard is remembered in member->spoke_us, which decides about places in a crowd (seating.h). There, who begins
 * to speak is told to the others at once and gets his place in that turn on all mediads: one key frame serves all.
 * Muted and paused members are silent. */
#ifndef PARLEY_MEDIAD_SPEAKER_H
#define PARLEY_MEDIAD_SPEAKER_H

#include "mediad/call.h"
#include "shm/msg.h"

#define SPEAKER_TICK_US	  (200 * USEC_PER_MSEC)
#define SPEAKER_LOUDER	  6
#define SPEAKER_TICKS	  2 /* to follow somebody who fell silent */
#define SPEAKER_TICKS_OUT 4 /* to take over from somebody who speaks */
#define SPEAKER_GONE_US	  (2 * USEC_PER_SEC)

/* A packet of a local microphone. */
void speaker_on_packet(struct track *track, const struct ring_head *head, int64_t now_us);
void speaker_on_levels(struct media *media, unsigned k, const struct msg_levels *msg, int64_t now_us);
/* Mediads came to the call: they know no levels yet. */
void speaker_on_here(struct call *call);
/* A listener came, who does not know who speaks. */
void speaker_on_listener(struct call *call);
/* The member is about to be freed. */
void speaker_forget(struct call *call, const struct member *member);
void speaker_forget_call(struct call *call);
/* All calls in which somebody is heard; returns when to come again. */
int64_t speaker_run(struct media *media, int64_t now_us);

#endif
