#include "lib/nack.h"

#include <string.h>

#define NACK_JUMP_DISTANCE 1000
#define NACK_REORDER_MIN   (5 * USEC_PER_MSEC)
#define NACK_REORDER_MAX   (50 * USEC_PER_MSEC)
#define NACK_RETRY_MIN	   (20 * USEC_PER_MSEC)
#define NACK_RETRY_MAX	   (500 * USEC_PER_MSEC)

void nack_init(struct nack *nack)
{
	nack->started = false;
	nack->len = 0;
	nack->reorder_us = NACK_REORDER_MIN;
	nack->round_trip_us = 0;
}

static void entries_drop_front(struct nack *nack, size_t n)
{
	nack->len -= n;
	memmove(nack->entry, nack->entry + n, nack->len * sizeof(nack->entry[0]));
}

static void gap_add(struct nack *nack, uint64_t from, uint64_t to, int64_t now_us)
{
	if (to - from > NACK_MAX)
		from = to - NACK_MAX;
	size_t n = (size_t)(to - from);
	if (nack->len + n > NACK_MAX)
		entries_drop_front(nack, nack->len + n - NACK_MAX);
	for (uint64_t index = from; index < to; index++) {
		nack->entry[nack->len++] =
			(struct nack_entry){ .index = index, .missed_us = now_us, .due_us = now_us + nack->reorder_us };
	}
}

/* The place of index in the list, or of the first above it. */
static size_t entry_search(const struct nack *nack, uint64_t index)
{
	size_t lo = 0, hi = nack->len;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (nack->entry[mid].index < index)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void entry_recovered(struct nack *nack, size_t i, bool retransmitted, int64_t now_us)
{
	const struct nack_entry *e = &nack->entry[i];

	if (retransmitted) {
		if (e->tries == 1)
			nack->round_trip_us = now_us - e->sent_us;
	} else {
		int64_t late = (now_us - e->missed_us) * 5 / 4;
		nack->reorder_us = MIN(MAX(nack->reorder_us, late), NACK_REORDER_MAX);
	}
	nack->len--;
	memmove(&nack->entry[i], &nack->entry[i + 1], (nack->len - i) * sizeof(nack->entry[0]));
}

static void begin(struct nack *nack, uint64_t index)
{
	nack->highest = nack->first = index;
	nack->before = 0;
	nack->len = 0;
}

/* The first packet overtook this one. */
static bool is_overtaken(struct nack *nack, uint64_t index)
{
	uint64_t distance = nack->first - 1 - index; /* large for what is not before it */

	if (distance >= 32 || (nack->before >> distance & 1))
		return false;
	nack->before |= UINT32_C(1) << distance;
	return true;
}

enum nack_verdict nack_on_rtp(struct nack *nack, uint64_t index, bool retransmitted, int64_t now_us)
{
	if (!nack->started) {
		nack->started = true;
		begin(nack, index);
		return NACK_NEW;
	}
	if (index > nack->highest) {
		uint64_t gap = index - nack->highest - 1;
		if (gap > NACK_JUMP_DISTANCE) {
			begin(nack, index);
			return NACK_JUMP;
		}
		if (gap > 0)
			gap_add(nack, nack->highest + 1, index, now_us);
		nack->highest = index;
		return NACK_NEW;
	}
	size_t i = entry_search(nack, index);
	if (i == nack->len || nack->entry[i].index != index)
		return is_overtaken(nack, index) ? NACK_RECOVERED : NACK_DUPLICATE;
	entry_recovered(nack, i, retransmitted, now_us);
	return NACK_RECOVERED;
}

int64_t nack_due_us(const struct nack *nack)
{
	int64_t due = NACK_NEVER_DUE;

	for (size_t i = 0; i < nack->len; i++)
		due = MIN(due, nack->entry[i].due_us);
	return due;
}

size_t nack_collect(struct nack *nack, int64_t now_us, int64_t rtt_us, uint64_t *ret_index, size_t max)
{
	int64_t retry = MIN(MAX(rtt_us, NACK_RETRY_MIN), NACK_RETRY_MAX);
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < nack->len; i++) {
		struct nack_entry e = nack->entry[i];
		if (now_us - e.missed_us > NACK_AGE_US)
			continue;
		if (e.due_us <= now_us && n < max) {
			if (e.tries == NACK_TRIES_MAX)
				continue;
			if (e.tries++ == 0) /* really lost: overtaking gets less likely */
				nack->reorder_us = MAX(nack->reorder_us - nack->reorder_us / 32, NACK_REORDER_MIN);
			e.sent_us = now_us;
			e.due_us = now_us + retry;
			ret_index[n++] = e.index;
		}
		nack->entry[kept++] = e;
	}
	nack->len = kept;
	return n;
}
