#include "mediad/alloc.h"

#include "lib/err.h"

#include <assert.h>
#include <string.h>

static bool is_sound(const struct alloc_seat *seat)
{
	return seat->kind == TRACK_MICROPHONE || seat->kind == TRACK_SCREEN_AUDIO;
}

/* Of the n lowest layers only the highest is forwarded; a higher one is never cheaper. */
static uint64_t cost(const struct alloc_seat *seat, unsigned layers)
{
	uint64_t bps = 0;

	for (unsigned i = 0; i < layers; i++)
		bps = MAX(bps, seat->bps[i]);
	return bps;
}

static uint64_t cost_of_sound(const struct alloc_seat *seat, unsigned n)
{
	uint64_t bps = 0;
	bool any = false;

	for (unsigned i = 0; i < n; i++) {
		if (!is_sound(&seat[i]))
			continue;
		any = true;
		bps += cost(&seat[i], 1);
	}
	return any ? MAX(bps, ALLOC_AUDIO_BPS) : 0;
}

static bool precedes(const struct alloc_seat *a, const struct alloc_seat *b)
{
	if ((a->kind == TRACK_SCREEN) != (b->kind == TRACK_SCREEN))
		return a->kind == TRACK_SCREEN;
	if (a->speaks != b->speaks)
		return a->speaks;
	return a->height > b->height;
}

/* Pictures in order; equal ones as they came. */
static unsigned sort(const struct alloc_seat *seat, unsigned n, uint8_t order[SESSION_MLINES_MAX])
{
	unsigned len = 0;

	for (unsigned i = 0; i < n; i++) {
		if (is_sound(&seat[i]))
			continue;
		unsigned at = len++;
		for (; at > 0 && precedes(&seat[i], &seat[order[at - 1]]); at--)
			order[at] = order[at - 1];
		order[at] = (uint8_t)i;
	}
	return len;
}

struct fill {
	const struct alloc_seat *seat;
	const uint8_t *order;
	unsigned len;
	uint64_t sum, budget;
	uint64_t first; /* budget of a lowest layer */
};

/* Raises each seat from given up to most, in rounds. */
static void fill(struct fill *f, const uint8_t *most, uint8_t *given, bool least)
{
	bool stuck[SESSION_MLINES_MAX] = { false };

	for (unsigned round = 1; round <= LAYER_STEPS_MAX; round++) {
		for (unsigned i = 0; i < f->len; i++) {
			unsigned k = f->order[i];
			if (stuck[k] || given[k] >= round || most[k] < round)
				continue;
			uint64_t more = cost(&f->seat[k], round) - cost(&f->seat[k], given[k]);
			if (f->sum + more > (round == 1 ? f->first : f->budget) && !(least && round == 1)) {
				stuck[k] = true;
				continue;
			}
			f->sum += more;
			given[k] = (uint8_t)round;
		}
	}
}

static uint64_t sum_of(const struct fill *f, const uint8_t *given)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < f->len; i++)
		sum += cost(&f->seat[f->order[i]], given[f->order[i]]);
	return sum;
}

/* Whether everybody keeps the lowest layer for now. */
static bool keeps_lowest(const struct alloc *alloc, const struct fill *f, uint64_t sound, const struct alloc_path *path,
			 const uint8_t *given, int64_t now_us)
{
	uint64_t least = sound;
	bool settling = now_us - MAX(alloc->lowered_us, alloc->pressed_us) < ALLOC_SETTLE_US;

	for (unsigned i = 0; i < f->len; i++) {
		unsigned k = f->order[i];
		least += cost(&f->seat[k], MIN(given[k], 1));
		settling = settling || given[k] > 1;
	}
	return path->least || (settling && least <= 2 * (uint64_t)path->bps);
}

/* True when some seat has less than before. */
static bool lower(const struct alloc *alloc, struct fill *f, uint64_t sound, const struct alloc_path *path,
		  uint8_t *given, int64_t now_us)
{
	uint8_t kept[SESSION_MLINES_MAX] = { 0 };
	bool lowered = false;

	f->sum = sound;
	f->budget = f->first = path->bps;
	fill(f, given, kept, keeps_lowest(alloc, f, sound, path, given, now_us));
	for (unsigned i = 0; i < f->len; i++) {
		unsigned k = f->order[i];
		lowered |= kept[k] < given[k];
		given[k] = kept[k];
	}
	return lowered;
}

/* A seat that has nothing would have something if all began anew: it does, and those after it in order pay. */
static bool move(struct fill *f, uint64_t sound, const struct alloc_path *path, const uint8_t *most, uint8_t *given)
{
	uint8_t ideal[SESSION_MLINES_MAX] = { 0 };
	bool moved = false;

	f->sum = sound;
	f->budget = (uint64_t)((double)path->bps / ALLOC_HEADROOM);
	f->first = f->budget;
	fill(f, most, ideal, false);
	for (unsigned i = 0; i < f->len && !moved; i++)
		moved = given[f->order[i]] == 0 && ideal[f->order[i]] > 0;
	for (unsigned i = 0; i < f->len && moved; i++)
		given[f->order[i]] = ideal[f->order[i]];
	return moved;
}

static void note_lowered(struct alloc *alloc, int64_t now_us)
{
	bool wrong = alloc->raised_us && now_us - alloc->raised_us < ALLOC_TRIAL_US;

	if (wrong)
		alloc->hold_us = MIN(alloc->hold_us * 2, ALLOC_HOLD_MAX_US);
	else if (!alloc->lowered_us || now_us - alloc->lowered_us > alloc->hold_us)
		alloc->hold_us = ALLOC_HOLD_US;
	alloc->lowered_us = now_us;
	alloc->raised_us = 0;
}

static void divide(struct alloc *alloc, struct fill *f, uint64_t sound, const struct alloc_path *path,
		   const uint8_t *most, uint8_t *given, int64_t now_us)
{
	uint8_t before[SESSION_MLINES_MAX];

	if (path->pressed && !alloc->pressed_us)
		alloc->pressed_us = now_us;
	if (path->pressed) {
		if (lower(alloc, f, sound, path, given, now_us))
			note_lowered(alloc, now_us);
		return;
	}
	alloc->pressed_us = 0;
	if (alloc->lowered_us && now_us - alloc->lowered_us < alloc->hold_us)
		return;
	memcpy(before, given, sizeof(before));
	f->sum = sound + sum_of(f, given);
	f->budget = (uint64_t)((double)path->bps / ALLOC_HEADROOM);
	f->first = path->bps;
	fill(f, most, given, false);
	if ((!alloc->moved_us || now_us - alloc->moved_us >= ALLOC_MOVE_US) && move(f, sound, path, most, given))
		alloc->moved_us = now_us;
	for (unsigned i = 0; i < f->len; i++) {
		if (given[f->order[i]] > before[f->order[i]])
			alloc->raised_us = now_us;
	}
}

uint32_t alloc_wanted(const struct alloc_seat *seat, unsigned n)
{
	uint64_t bps = cost_of_sound(seat, n);

	for (unsigned i = 0; i < n; i++)
		bps += is_sound(&seat[i]) ? 0 : cost(&seat[i], MIN(seat[i].layers, LAYER_STEPS_MAX));
	return (uint32_t)MIN(bps, UINT32_MAX);
}

void alloc_run(struct alloc *alloc, const struct alloc_path *path, struct alloc_seat *seat, unsigned n, int64_t now_us)
{
	uint8_t order[SESSION_MLINES_MAX], most[SESSION_MLINES_MAX] = { 0 }, given[SESSION_MLINES_MAX] = { 0 };

	assert(n <= SESSION_MLINES_MAX);
	struct fill f = { .seat = seat, .order = order, .len = sort(seat, n, order) };
	for (unsigned i = 0; i < n; i++) {
		most[i] = MIN(seat[i].layers, LAYER_STEPS_MAX);
		given[i] = MIN(seat[i].given, most[i]);
	}
	if (!path->open || path->pressed)
		divide(alloc, &f, cost_of_sound(seat, n), path, most, given, now_us);
	else
		memcpy(given, most, sizeof(given));
	for (unsigned i = 0; i < n; i++)
		seat[i].given = is_sound(&seat[i]) ? 1 : given[i];
}
