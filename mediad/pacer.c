#include "mediad/pacer.h"

#include <assert.h>

#define LATE_SLOTS 2
#define DEBT_US	   (100 * USEC_PER_MSEC) /* sound alone may be more than the rate: what it owes is forgotten, */
#define DEBT_LEAST 3000			 /* but for so many bytes */

void pacer_init(struct pacer *pacer, int64_t now_us)
{
	pacer->room = 1;
	pacer->at_us = now_us;
	pacer->bytes = 0;
	for (unsigned c = 0; c < PACER_CLASSES; c++)
		pacer->queue[c].head = pacer->queue[c].len = 0;
}

static unsigned cap_of(enum pacer_class class)
{
	return class == PACER_AGAIN ? PACER_AGAINS : PACER_PICTURES;
}

static struct pacer_packet *place(const struct pacer *pacer, enum pacer_class class, unsigned i)
{
	const struct pacer_packet *packet = class == PACER_AGAIN ? pacer->again : pacer->picture;

	return (struct pacer_packet *)&packet[(pacer->queue[class].head + i) % cap_of(class)];
}

unsigned pacer_waits(const struct pacer *pacer)
{
	return pacer->queue[PACER_AGAIN].len + pacer->queue[PACER_PICTURE].len;
}

const struct pacer_packet *pacer_oldest(const struct pacer *pacer, enum pacer_class class)
{
	return pacer->queue[class].len > 0 ? place(pacer, class, 0) : NULL;
}

int64_t pacer_wait_us(const struct pacer *pacer, int64_t now_us)
{
	const struct pacer_packet *oldest = pacer_oldest(pacer, PACER_PICTURE);

	return oldest ? now_us - oldest->since_us : 0;
}

/* The rate, or more when what waits would not be out in time. */
static double drain_rate(const struct pacer *pacer, double bps, int64_t now_us)
{
	int64_t left_us = MAX(PACER_WAIT_MAX_US - pacer_wait_us(pacer, now_us), PACER_SLOT_US);

	return MAX(bps, pacer->bytes * 8e6 / (double)left_us);
}

static void refill(struct pacer *pacer, double bps, int64_t now_us)
{
	int64_t passed_us = now_us - pacer->at_us;

	if (passed_us <= 0)
		return;
	double rate = drain_rate(pacer, bps, now_us) / 8e6; /* bytes a µs */
	double most = rate * (double)PACER_SLOT_US * (pacer_waits(pacer) > 0 ? LATE_SLOTS : 1);
	pacer->room = MIN(pacer->room + rate * (double)passed_us, MAX(most, 1));
	pacer->at_us = now_us;
}

bool pacer_passes(struct pacer *pacer, enum pacer_class class, double bps, int64_t now_us)
{
	refill(pacer, bps, now_us);
	if (pacer->queue[PACER_AGAIN].len > 0 || (class == PACER_PICTURE && pacer->queue[PACER_PICTURE].len > 0))
		return false;
	return bps <= 0 || pacer->room > 0;
}

bool pacer_is_full(const struct pacer *pacer, enum pacer_class class)
{
	return pacer->queue[class].len == cap_of(class);
}

void pacer_push(struct pacer *pacer, const struct pacer_packet *packet)
{
	enum pacer_class class = packet->class;

	assert(!pacer_is_full(pacer, class));
	*place(pacer, class, pacer->queue[class].len++) = *packet;
	pacer->bytes += packet->bytes;
}

const struct pacer_packet *pacer_next(struct pacer *pacer, double bps, int64_t now_us)
{
	refill(pacer, bps, now_us);
	for (unsigned c = 0; c < PACER_CLASSES; c++) {
		const struct pacer_packet *oldest = pacer_oldest(pacer, c);
		if (oldest && (bps <= 0 || pacer->room > 0 || now_us - oldest->since_us >= PACER_WAIT_MAX_US))
			return oldest;
	}
	return NULL;
}

void pacer_pop(struct pacer *pacer, enum pacer_class class)
{
	assert(pacer->queue[class].len > 0);
	pacer->bytes -= place(pacer, class, 0)->bytes;
	pacer->queue[class].head = (pacer->queue[class].head + 1) % cap_of(class);
	pacer->queue[class].len--;
}

void pacer_on_sent(struct pacer *pacer, unsigned bytes, double bps, int64_t now_us)
{
	double debt = MAX(bps / 8e6 * (double)DEBT_US, DEBT_LEAST);

	refill(pacer, bps, now_us);
	pacer->room = MAX(pacer->room - bytes, -debt);
}

void pacer_forget(struct pacer *pacer, const struct seat *seat)
{
	for (unsigned c = 0; c < PACER_CLASSES; c++) {
		for (unsigned i = 0; i < pacer->queue[c].len; i++) {
			struct pacer_packet *packet = place(pacer, c, i);
			if (packet->seat == seat)
				packet->seat = NULL;
		}
	}
}
