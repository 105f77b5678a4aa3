/* mediad/keyframe.h - when to ask a publisher for a key frame of one layer.
 *
 *   want ──▶ asked at once, or 500 ms after the last time (all who want one share the answer)
 *   asked and none came for 1 s ──▶ asked again; 2, 4, 8 s apart when it goes on
 *   wanted again after the asking (a receiver lost it) ──▶ 500 ms after the last time
 *   key frame ──▶ nothing wanted any more
 *
 * Pure. */
#ifndef PARLEY_MEDIAD_KEYFRAME_H
#define PARLEY_MEDIAD_KEYFRAME_H

#include "lib/clock.h"

#include <stdbool.h>

#define KEYFRAME_NEVER_DUE   INT64_MAX
#define KEYFRAME_THROTTLE_US (500 * USEC_PER_MSEC)
#define KEYFRAME_WATCHDOG_US USEC_PER_SEC

struct keyframe {
	bool wanted;
	unsigned tries;	  /* since the last key frame */
	int64_t asked_us; /* 0 = never */
	int64_t due_us;	  /* when wanted */
};

static inline void keyframe_want(struct keyframe *k, int64_t now_us)
{
	int64_t due = k->asked_us ? k->asked_us + KEYFRAME_THROTTLE_US : now_us;

	if (due < now_us)
		due = now_us;
	if (!k->wanted || due < k->due_us)
		k->due_us = due;
	k->wanted = true;
}

static inline int64_t keyframe_due_us(const struct keyframe *k)
{
	return k->wanted ? k->due_us : KEYFRAME_NEVER_DUE;
}

static inline void keyframe_asked(struct keyframe *k, int64_t now_us)
{
	k->asked_us = now_us;
	k->due_us = now_us + (KEYFRAME_WATCHDOG_US << (k->tries < 4 ? 0 : k->tries < 8 ? k->tries - 4 : 3));
	k->tries++;
}

static inline void keyframe_arrived(struct keyframe *k)
{
	k->wanted = false;
	k->tries = 0;
}

/* The layer speaks again after a silence: what is wanted is wanted now. */
static inline void keyframe_on_return(struct keyframe *k, int64_t now_us)
{
	k->tries = 0;
	if (k->wanted)
		keyframe_want(k, now_us);
}

#endif
