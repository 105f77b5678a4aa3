#include "mediad/runs.h"

#include "lib/err.h"

#include <stdbool.h>
#include <stddef.h>

#define NONE RUN_PACKETS

/* What is left, by SSRC: only the first of each may leave next. */
struct flows {
	const struct run_packet *packet;
	unsigned flows_len;
	uint8_t first[RUN_PACKETS]; /* NONE: all have left */
	uint8_t next[RUN_PACKETS];  /* by packet: the next of its SSRC */
};

struct run {
	unsigned size, len;
	unsigned slack; /* bytes by which each may still be padded more */
};

static void flows_init(struct flows *flows, const struct run_packet *packet, unsigned n)
{
	uint8_t last[RUN_PACKETS];

	flows->packet = packet;
	flows->flows_len = 0;
	for (unsigned i = 0; i < n; i++) {
		unsigned f = 0;
		while (f < flows->flows_len && packet[flows->first[f]].ssrc != packet[i].ssrc)
			f++;
		if (f == flows->flows_len)
			flows->first[flows->flows_len++] = (uint8_t)i;
		else
			flows->next[last[f]] = (uint8_t)i;
		last[f] = (uint8_t)i;
		flows->next[i] = NONE;
	}
}

static const struct run_packet *head_of(const struct flows *flows, unsigned f)
{
	return flows->first[f] == NONE ? NULL : &flows->packet[flows->first[f]];
}

/* The flow whose head is the longest, of those below a limit; the first among equals. NONE: there is none. */
static unsigned longest(const struct flows *flows, unsigned below)
{
	unsigned found = NONE;

	for (unsigned f = 0; f < flows->flows_len; f++) {
		const struct run_packet *head = head_of(flows, f);
		if (head && head->len < below && (found == NONE || head->len > head_of(flows, found)->len))
			found = f;
	}
	return found;
}

static unsigned padding_limit(const struct run_packet *packet, unsigned size)
{
	return MIN((unsigned)packet->room, (unsigned)RUN_PADDING(size));
}

/* Not as the shorter last one. */
static bool fits(const struct run *run, const struct run_packet *packet)
{
	unsigned size = MAX(run->size, packet->len);

	return size - run->size <= run->slack && size - packet->len <= padding_limit(packet, run->size) &&
	       run->len < RUN_PACKETS && size * (run->len + 1) <= RUN_BYTES;
}

static void join(struct run *run, const struct run_packet *packet)
{
	unsigned size = MAX(run->size, packet->len);

	run->slack -= size - run->size;
	run->size = size;
	run->slack = MIN(run->slack, padding_limit(packet, size) - (size - packet->len));
	run->len++;
}

/* The flow that goes on: the one that did, else the first that fits. */
static unsigned next_flow(const struct flows *flows, const struct run *run, unsigned f)
{
	if (head_of(flows, f) && fits(run, head_of(flows, f)))
		return f;
	for (f = 0; f < flows->flows_len; f++) {
		if (head_of(flows, f) && fits(run, head_of(flows, f)))
			return f;
	}
	return NONE;
}

static uint8_t take(struct flows *flows, unsigned f)
{
	uint8_t i = flows->first[f];

	flows->first[f] = flows->next[i];
	return i;
}

static unsigned form_one(struct flows *flows, uint8_t *ret_order, uint8_t *ret_padding)
{
	unsigned f = longest(flows, UINT16_MAX + 1), n = 0;
	const struct run_packet *head = head_of(flows, f);
	struct run run = { .size = head->len, .slack = padding_limit(head, head->len) };

	run.len = 1;
	ret_order[n++] = take(flows, f);
	while ((f = next_flow(flows, &run, f)) != NONE) {
		join(&run, head_of(flows, f));
		ret_order[n++] = take(flows, f);
	}
	/* Whatever is shorter, behind them all. */
	if (n < RUN_PACKETS && (f = longest(flows, run.size)) != NONE &&
	    run.size * n + head_of(flows, f)->len <= RUN_BYTES)
		ret_order[n++] = take(flows, f);
	for (unsigned i = 0; i + 1 < n; i++)
		ret_padding[ret_order[i]] = (uint8_t)(run.size - flows->packet[ret_order[i]].len);
	ret_padding[ret_order[n - 1]] = 0;
	return n;
}

void runs_form(const struct run_packet *packet, unsigned n, struct runs *ret)
{
	struct flows flows;

	flows_init(&flows, packet, n);
	ret->runs_len = 0;
	for (unsigned done = 0; done < n; ret->runs_len++) {
		unsigned len = form_one(&flows, ret->order + done, ret->padding);
		ret->len[ret->runs_len] = (uint8_t)len;
		done += len;
	}
}

void runs_single(unsigned n, struct runs *ret)
{
	ret->runs_len = (uint8_t)n;
	for (unsigned i = 0; i < n; i++) {
		ret->len[i] = 1;
		ret->order[i] = (uint8_t)i;
		ret->padding[i] = 0;
	}
}
