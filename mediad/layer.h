/* mediad/layer.h - which layer of a track a receiver gets.
 *
 * A camera comes in up to three layers (simulcast, RFC 8853), lowest first; a track of one layer is one choice.
 *
 *   wanted   the smallest layer that covers the tile: what the publisher should send
 *   target   what is forwarded: the wanted layer when it is being sent, else the next lower one that is, else the next
 *            higher
 *
 * Hysteresis: up when the tile is a tenth higher than the layer's pictures, down when they fit the lower layer's for
 *            LAYER_PATIENCE_US; a tile that moves within the tenth changes nothing.
 * Missing:   a layer that is wanted and does not come for LAYER_PATIENCE_US (its publisher has no bandwidth for it, or
 * no such camera) is still wanted, and so are all below it. Limit:     how many of the lowest layers a receiver may
 * have (alloc.h); no other is wanted. Units:     heights in pixels, of a picture as it is sent and of a tile as it is
 * shown.
 *
 * Pure. */
#ifndef PARLEY_MEDIAD_LAYER_H
#define PARLEY_MEDIAD_LAYER_H

#include "lib/clock.h"
#include "shm/session.h"

#define LAYER_TEMPORALS_MAX 3
#define LAYER_STEPS_MAX	    5
#define LAYER_TALLEST	    UINT16_MAX /* nobody said how high the tile is: all there is */
#define LAYER_PATIENCE_US   USEC_PER_SEC
#define LAYER_DRY_US	    (300 * USEC_PER_MSEC)

/* A track's layers, as its mediad sees them. */
struct layer_set {
	unsigned n;
	struct {
		uint16_t height; /* 0 = not seen yet */
		uint32_t bps;	 /* 0 = not measured yet */
		bool sent;
		uint8_t temporals; /* temporal layers of which some can be left out; 0, 1 = none can */
		uint8_t less[LAYER_TEMPORALS_MAX - 1]; /* of bps, in 255ths, without the uppermost one, two */
	} layer[SESSION_LAYERS_MAX];
};

/* What a receiver may have: so many of the lowest layers, and the highest of those without so many upper temporal
 * layers. */
struct layer_step {
	uint8_t layers, left_out;
};

/* The versions of a track, cheapest first. A track of one layer, as a screen: at a quarter of its rate, at half, whole.
 * A camera: its lowest layer, then each next one at half its rate before it comes whole: half the pictures of a sharp
 * layer are more to a viewer than all pictures of the next lower, which has a quarter of the pixels; but a face at a
 * quarter of the rate is none that speaks. */
unsigned layer_steps(const struct layer_set *set, struct layer_step ret_step[LAYER_STEPS_MAX]);
/* What a step costs of what its highest layer does, in 255ths. */
unsigned layer_share(const struct layer_set *set, const struct layer_step *step);

/* A receiver's; zeroed at first. */
struct layer_choice {
	bool made;
	uint8_t covers; /* the smallest that covers the tile */
	uint8_t wanted, target;
	int64_t lower_us;   /* since when a lower layer would do; 0 = it does not */
	int64_t missing_us; /* since when the wanted layer does not come; 0 = it does */
	bool missing;	    /* for too long */
};

/* Chooses anew; call it when something has changed, and once in a while for LAYER_PATIENCE_US. */
void layer_choose(struct layer_choice *choice, const struct layer_set *set, uint16_t tile_height, unsigned limit,
		  int64_t now_us);
/* The height of a layer's pictures; one that was not seen yet follows from its neighbours, each half of the next. */
unsigned layer_height(const struct layer_set *set, unsigned layer);
/* Which layers are being sent, by when each one's last packet came (0 = never). One is dry when another has gone on for
 * LAYER_DRY_US without it; when all are silent, nothing is known of any. */
void layer_mark_sent(struct layer_set *set, const int64_t last_us[SESSION_LAYERS_MAX]);

#endif
