#include "lib/twcc.h"

#include "lib/clock.h"

#define TWCC_INTERVAL_US (100 * USEC_PER_MSEC)
#define TWCC_MARKER_US	 (50 * USEC_PER_MSEC)

void twcc_init(struct twcc *twcc)
{
	*twcc = (struct twcc){ .due_us = TWCC_NEVER_DUE };
	for (size_t i = 0; i < TWCC_WINDOW; i++)
		twcc->at_us[i] = RTCP_TWCC_MISSING;
}

static int64_t *arrival(struct twcc *twcc, int64_t number)
{
	return &twcc->at_us[number & (TWCC_WINDOW - 1)];
}

/* Makes room for the numbers up to `to`. */
static void advance(struct twcc *twcc, int64_t to)
{
	int64_t from = MAX(twcc->highest + 1, to - TWCC_WINDOW + 1);

	for (int64_t i = from; i <= to; i++)
		*arrival(twcc, i) = RTCP_TWCC_MISSING;
	twcc->highest = to;
	if (twcc->begin <= to - TWCC_WINDOW)
		twcc->begin = to - TWCC_WINDOW + 1;
}

void twcc_on_packet(struct twcc *twcc, uint16_t seq, bool marker, int64_t now_us)
{
	if (!twcc->started) {
		/* Room below for what was overtaken at the start. */
		twcc->started = true;
		twcc->highest = (int64_t)seq + 65536;
		twcc->begin = twcc->highest;
	}
	int64_t number = twcc->highest + (int16_t)(uint16_t)(seq - (uint16_t)twcc->highest);
	if (number > twcc->highest)
		advance(twcc, number);
	else if (number <= twcc->highest - TWCC_WINDOW)
		return;
	if (*arrival(twcc, number) != RTCP_TWCC_MISSING)
		return;
	*arrival(twcc, number) = now_us;
	twcc->begin = MIN(twcc->begin, number);
	if (twcc->due_us == TWCC_NEVER_DUE)
		twcc->due_us = MAX(now_us + TWCC_INTERVAL_US, twcc->told_us + twcc->apart_us);
	if ((marker && now_us - twcc->told_us >= MAX(TWCC_MARKER_US, twcc->apart_us)) ||
	    twcc->highest - twcc->begin >= TWCC_WINDOW / 2)
		twcc->due_us = now_us;
}

int64_t twcc_due_us(const struct twcc *twcc)
{
	return twcc->due_us;
}

int twcc_build(struct twcc *twcc, struct rtcp_out *out, uint32_t sender, uint32_t media, int64_t now_us)
{
	int64_t at_us[TWCC_WINDOW];
	size_t n = 0, told;

	if (!twcc->started)
		return -ENOENT;
	for (int64_t i = twcc->begin; i <= twcc->highest; i++)
		at_us[n++] = *arrival(twcc, i);
	int err = rtcp_add_twcc(out, sender, media, (uint16_t)twcc->begin, at_us, n, twcc->number, &told);
	if (err < 0) {
		if (err == -ENOENT)
			twcc->due_us = TWCC_NEVER_DUE;
		return err;
	}
	twcc->number++;
	twcc->begin += (int64_t)told;
	twcc->told_us = now_us;
	twcc->due_us = TWCC_NEVER_DUE;
	return 0;
}
