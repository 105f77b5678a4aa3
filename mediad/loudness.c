#include "mediad/loudness.h"

#include "lib/err.h"

#define STEP_US	       (20 * USEC_PER_MSEC)
#define GAP_US	       (60 * USEC_PER_MSEC) /* longer than any packet's own length that is in use */
#define RISE	       4		    /* 1/4 of the way with each packet */
#define FALL	       24
#define DTX_LEN_MAX    10 /* bytes of Opus comfort noise */
#define DTX_BELIEVE_US (60 * USEC_PER_SEC)
#define GUESS	       90 /* of somebody whose encoder has something to send */

static unsigned fall(unsigned smooth, int64_t us)
{
	for (int64_t steps = us / STEP_US; steps > 0 && smooth > 0; steps--)
		smooth -= smooth / FALL + 1;
	return smooth;
}

static void on_loudness(struct loudness *l, unsigned loudness, int64_t now_us)
{
	unsigned sample = loudness * 256;

	if (l->at_us && now_us - l->at_us > GAP_US)
		l->smooth = fall(l->smooth, now_us - l->at_us);
	l->at_us = now_us;
	if (sample > l->smooth)
		l->smooth += (sample - l->smooth) / RISE;
	else
		l->smooth -= (l->smooth - sample) / FALL;
}

void loudness_on_level(struct loudness *l, unsigned level, int64_t now_us)
{
	on_loudness(l, LOUDNESS_MAX - MIN(level, (unsigned)LOUDNESS_MAX), now_us);
}

void loudness_on_size(struct loudness *l, size_t len, int64_t now_us)
{
	bool quiet = len <= DTX_LEN_MAX;

	if (quiet || (l->at_us && now_us - l->at_us > 3 * GAP_US))
		l->dtx_us = now_us;
	bool tells = l->dtx_us && now_us - l->dtx_us < DTX_BELIEVE_US;
	on_loudness(l, tells && !quiet ? GUESS : 0, now_us);
}

unsigned loudness_now(const struct loudness *l, int64_t now_us)
{
	unsigned smooth = l->smooth;

	if (l->at_us && now_us - l->at_us > GAP_US)
		smooth = fall(smooth, now_us - l->at_us);
	return smooth / 256;
}
