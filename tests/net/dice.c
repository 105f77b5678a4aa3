#include "tests/net/dice.h"

#include <math.h>

void dice_init(struct dice *d, uint64_t seed)
{
	*d = (struct dice){ .state = seed };
}

uint64_t dice_roll(struct dice *d)
{
	uint64_t x = d->state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

double dice_share(struct dice *d)
{
	return (double)(dice_roll(d) >> 11) * 0x1p-53;
}

bool dice_chance(struct dice *d, double share)
{
	return dice_share(d) < share;
}

double dice_normal(struct dice *d)
{
	/* Box and Muller; the logarithm of 0 is avoided. */
	double radius = sqrt(-2 * log(1 - dice_share(d)));
	double x = radius * cos(2 * M_PI * dice_share(d));

	return fmin(fmax(x, -3), 3);
}
