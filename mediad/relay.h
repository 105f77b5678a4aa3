/* mediad/relay.h - packets from the other mediads' rings, and what is said back about them.
 *
 *   B publishes, posts descriptors in its ring for A; A copies the packet once and forwards it to its seats
 *   A: MSG_TRACK_KEYFRAME ──▶ B   a seat of A waits for a picture, or lost one
 *   A: MSG_TRACK_NACK ──▶ B       A was lapped: descriptors that it never saw are posted again
 *   A: MSG_TRACK_LOSS ──▶ B       the worst loss among A's listeners
 *   B: MSG_TRACK_CLOCK ──▶ A      the publisher's sender report
 *
 * Which tracks there are, and who forwards them, is announce.h. */
#ifndef PARLEY_MEDIAD_RELAY_H
#define PARLEY_MEDIAD_RELAY_H

#include "mediad/call.h"

struct relay {
	int64_t due_us; /* of relay_run() */
	int64_t loss_due_us;
	uint64_t lost[SHM_PROCESSES_MAX];     /* what the readers had lost when we looked last */
	int64_t repair_us[SHM_PROCESSES_MAX]; /* until when gaps are asked for */
	uint64_t hello_due;		      /* mediads that do not know yet that we began anew */
	bool calls_due;			      /* some call has mediads to tell */
	bool tracks_due;		      /* some track */
};

int relay_start(struct media *media, struct relay **ret_relay);
struct relay *relay_stop(struct relay *relay);

/* A local layer's sender report, for the mediads that forward it. */
void relay_clock(struct track *track, unsigned layer, uint64_t ntp);
/* A remote track's key frame is wanted. */
void relay_keyframe_wanted(struct track *track);
/* Any message from mediad k. */
void relay_on_msg(struct media *media, unsigned k, const struct link_msg *msg, const void *payload);
/* Posts a published local packet to the mediads that forward it. */
void relay_post(const struct track *track, unsigned layer, uint32_t slot, uint64_t generation);
/* At most budget packets of each mediad; true when more wait. */
bool relay_drain(struct media *media, unsigned budget, int64_t now_us);
bool relay_has_news(const struct media *media);
/* Key-frame watchdog, repair of ring losses, loss reports; returns when to come again. */
int64_t relay_run(struct media *media, int64_t now_us);

/* For announce.c as well. A full link is counted: -EAGAIN. */
int relay_tell(struct media *media, unsigned k, uint16_t type, const void *payload, size_t len);
int relay_tell_handle(struct media *media, unsigned k, uint16_t type, uint64_t handle);
void relay_run_by(struct media *media, int64_t at_us);
/* The place of a handle of mediad k (NULL: nonsense, or no memory), and the track there; NULL: not that one. */
struct track **relay_remote_place(struct media *media, unsigned k, uint64_t handle);
struct track *relay_find_remote(struct media *media, unsigned k, uint64_t handle);
struct track *relay_find_local(struct media *media, uint64_t handle);

#endif
