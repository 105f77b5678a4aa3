/* mediad/alloc.h - who gets what of a path that does not take everything: divides a subscriber's estimate (bwe.h) over
 * the seats.
 *
 *   sound      always; what it needs is put aside first
 *   pictures   in rounds, each seat one step a round (a layer, or more of its pictures: layer.h): first every seat's
 *              lowest, then every seat's next. Within a
 *              round screens come first, then who speaks, then the higher tile. What does not fit when it is a
 *              seat's turn stays where it is. So the last picture to go is a screen's or the speaker's.
 *
 * Down:      only when congestion was met (pressed), and at once. That the estimate is lower than what flows is no
 *            reason: it proves nothing about what it has not seen. What is to be forwarded is then brought under the
 *            estimate. A seat whose lowest layer does not fit gets nothing; but not while least is set, and, when not
 *            much is missing, only when congestion has gone on for ALLOC_SETTLE_US with nothing but its lowest: a
 *            switch takes a while to be felt.
 * Up:        when the sum stays below the estimate by ALLOC_HEADROOM (a seat's first layer: when it fits), not before
 *            ALLOC_HOLD_US after a lowering; twice as late each time when that turned out wrong within ALLOC_TRIAL_US.
 *            A seat that has nothing takes the place of others that come after it in order.
 * Open:      while the path takes all that is wanted, everybody gets everything.
 *
 * Pure. Bitrates are as on the wire, headers included. */
#ifndef PARLEY_MEDIAD_ALLOC_H
#define PARLEY_MEDIAD_ALLOC_H

#include "lib/clock.h"
#include "mediad/layer.h"
#include "shm/session.h"

#define ALLOC_ALL	  SESSION_LAYERS_MAX
#define ALLOC_AUDIO_BPS	  32000 /* for sound that does not flow now, but may at any moment */
#define ALLOC_HEADROOM	  1.15
#define ALLOC_HOLD_US	  (2 * USEC_PER_SEC)
#define ALLOC_HOLD_MAX_US (32 * USEC_PER_SEC)
#define ALLOC_TRIAL_US	  (5 * USEC_PER_SEC)
#define ALLOC_SETTLE_US	  (1500 * USEC_PER_MSEC)
#define ALLOC_MOVE_US	  (3 * USEC_PER_SEC)

/* A seat with a source. */
struct alloc_seat {
	uint8_t kind;		       /* enum track_kind */
	bool speaks;		       /* its member is the call's speaker */
	uint16_t height;	       /* of the tile */
	uint8_t layers;		       /* the n lowest steps are what it would take if there were room; 0 = nothing */
	uint32_t bps[LAYER_STEPS_MAX]; /* of each step when it is the one forwarded; 0 = not known, or silent */
	uint8_t given;		       /* the n lowest that it may have: before, and what comes out */
};

/* What is known of the path. */
struct alloc_path {
	uint32_t bps;
	bool open;    /* it takes all that is wanted, as far as anybody can know */
	bool pressed; /* congestion was met just now */
	bool least;   /* every seat keeps its lowest layer: no packets are lost, no queue stands */
};

/* A subscriber's; zeroed at first. */
struct alloc {
	int64_t pressed_us; /* since when congestion goes on; 0 = it does not */
	int64_t lowered_us, raised_us, moved_us, hold_us;
};

/* What n seats would take if there were room, bit/s. */
uint32_t alloc_wanted(const struct alloc_seat *seat, unsigned n);
/* Sets given of each of them. */
void alloc_run(struct alloc *alloc, const struct alloc_path *path, struct alloc_seat *seat, unsigned n, int64_t now_us);

#endif
