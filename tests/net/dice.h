/* tests/net/dice.h - randomness that is the same in every run with the same seed (splitmix64). Not for secrets. */
#ifndef PARLEY_TESTS_NET_DICE_H
#define PARLEY_TESTS_NET_DICE_H

#include <stdbool.h>
#include <stdint.h>

struct dice {
	uint64_t state;
};

void dice_init(struct dice *d, uint64_t seed);
uint64_t dice_roll(struct dice *d);
/* [0, 1). */
double dice_share(struct dice *d);
/* True in this share of cases; 0 and 1 are never and always. Rolls in any case, so that a setting that changes does
 * not shift what comes after it. */
bool dice_chance(struct dice *d, double share);
/* Normal with mean 0 and deviation 1, cut off at ±3. */
double dice_normal(struct dice *d);

#endif
