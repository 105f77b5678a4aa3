#include "mediad/thin.h"

#define PICTURE_ID_MASK 0x7fff

enum fate { FATE_RESERVED, FATE_SENT, FATE_DROPPED };

void thin_begin(struct thin *thin, uint64_t index)
{
	/* What is remembered of the stream before must not be taken for this one's. */
	for (unsigned i = 0; thin->active && i < THIN_RECENT; i++)
		thin->recent[i].index = 0;
	for (unsigned i = 0; thin->active && i < THIN_PICTURES; i++)
		thin->picture[i].known = false;
	thin->active = thin->known = false;
	thin->allowed = thin->highest_layer = THIN_ALL;
	thin->packets = thin->pictures = 0;
	thin->highest = thin->from = index ? index - 1 : 0;
}

static void note_picture(struct thin *thin, uint16_t id, bool kept, uint16_t pictures)
{
	unsigned i = id % THIN_PICTURES;

	thin->picture[i].known = true;
	thin->picture[i].kept = kept;
	thin->picture[i].id = id;
	thin->picture[i].pictures = pictures;
}

void thin_allow(struct thin *thin, unsigned temporal)
{
	if (temporal == thin->allowed)
		return;
	thin->allowed = (uint8_t)temporal;
	if (thin->active)
		return;
	thin->active = true;
	thin->from = thin->highest;
	if (thin->known) /* the picture under way */
		note_picture(thin, thin->picture_id, true, 0);
}

static void note_packet(struct thin *thin, uint64_t index, uint64_t packets, uint16_t pictures, enum fate fate)
{
	unsigned i = index % THIN_RECENT;

	thin->recent[i].index = index;
	thin->recent[i].packets = packets;
	thin->recent[i].pictures = pictures;
	thin->recent[i].fate = (uint8_t)fate;
}

/* A picture begins: does it go? */
static bool goes(struct thin *thin, const struct ring_head *head)
{
	if (head->flags & RING_KEYFRAME) {
		thin->highest_layer = thin->allowed;
		return true;
	}
	if (thin->allowed < thin->highest_layer)
		thin->highest_layer = thin->allowed;
	else if (head->temporal == thin->highest_layer + 1 && head->temporal <= thin->allowed &&
		 (head->flags & RING_SYNC))
		thin->highest_layer = head->temporal;
	return head->temporal <= thin->highest_layer;
}

/* Between the last packet and this one of another picture nothing can be missing that would go. */
static bool gap_is_left_out(const struct thin *thin, const struct ring_head *head, bool kept, unsigned between)
{
	uint8_t tl0picidx = (uint8_t)(thin->tl0picidx + (head->temporal == 0));

	if ((thin->kept && !thin->ended) || (kept && !(head->flags & RING_FRAME_START)))
		return false;
	return between == 0 || (thin->highest_layer == 0 && thin->allowed == 0 && head->tl0picidx == tl0picidx);
}

/* The packets up to head's have not come (yet). */
static void note_gap(struct thin *thin, const struct ring_head *head, bool left_out)
{
	uint64_t first = thin->highest + 1, n = head->index - first;

	for (uint64_t i = n > THIN_RECENT ? n - THIN_RECENT : 0; i < n; i++)
		note_packet(thin, first + i, thin->packets, thin->pictures, left_out ? FATE_DROPPED : FATE_RESERVED);
	if (left_out)
		thin->packets += n;
}

static void turn_to(struct thin *thin, const struct ring_head *head)
{
	unsigned between = thin->known ? ((head->picture_id - thin->picture_id) & PICTURE_ID_MASK) - 1u : 0;
	bool kept = goes(thin, head), left_out = thin->known && gap_is_left_out(thin, head, kept, between);

	note_gap(thin, head, left_out);
	if (left_out)
		thin->pictures = (uint16_t)(thin->pictures + between);
	note_picture(thin, head->picture_id, kept, thin->pictures);
	if (!kept)
		thin->pictures++;
	thin->known = true;
	thin->kept = kept;
	thin->ended = false;
	thin->picture_id = head->picture_id;
	thin->tl0picidx = head->tl0picidx;
}

static enum thin_verdict on_next(struct thin *thin, const struct ring_head *head, struct thin_shift *ret_shift)
{
	uint16_t id = head->picture_id & PICTURE_ID_MASK;
	bool kept = true;

	if (!(head->flags & RING_SCALABLE)) {
		note_gap(thin, head, false);
	} else {
		if (!thin->known || id != thin->picture_id)
			turn_to(thin, head);
		else
			note_gap(thin, head, !thin->kept);
		kept = thin->kept;
		thin->ended = head->flags & RING_MARKER;
	}
	*ret_shift = (struct thin_shift){ .packets = thin->packets, .pictures = thin->pictures };
	note_packet(thin, head->index, thin->packets, thin->pictures, kept ? FATE_SENT : FATE_DROPPED);
	thin->highest = head->index;
	thin->packets += !kept;
	return kept ? THIN_SEND : THIN_DROP;
}

static enum thin_verdict on_late(struct thin *thin, const struct ring_head *head, struct thin_shift *ret_shift)
{
	unsigned i = head->index % THIN_RECENT, k = head->picture_id % THIN_PICTURES;

	*ret_shift = (struct thin_shift){ 0 };
	if (!thin->active || head->index <= thin->from)
		return THIN_SEND;
	if (thin->recent[i].index != head->index || thin->recent[i].fate == FATE_DROPPED)
		return THIN_DROP;
	*ret_shift = (struct thin_shift){ .packets = thin->recent[i].packets, .pictures = thin->recent[i].pictures };
	if (thin->recent[i].fate == FATE_SENT || !(head->flags & RING_SCALABLE))
		return THIN_SEND;
	/* A picture of which nothing has come before. */
	if (!thin->picture[k].known || thin->picture[k].id != head->picture_id)
		note_picture(thin, head->picture_id, head->temporal <= thin->highest_layer, thin->recent[i].pictures);
	ret_shift->pictures = thin->picture[k].pictures;
	thin->recent[i].pictures = thin->picture[k].pictures;
	thin->recent[i].fate = thin->picture[k].kept ? FATE_SENT : FATE_DROPPED;
	return thin->picture[k].kept ? THIN_SEND : THIN_FILL;
}

enum thin_verdict thin_on_packet(struct thin *thin, const struct ring_head *head, struct thin_shift *ret_shift)
{
	if (head->index <= thin->highest)
		return on_late(thin, head, ret_shift);
	if (thin->active)
		return on_next(thin, head, ret_shift);
	thin->highest = head->index;
	if (head->flags & RING_SCALABLE) {
		thin->known = thin->kept = true;
		thin->ended = head->flags & RING_MARKER;
		thin->picture_id = head->picture_id & PICTURE_ID_MASK;
		thin->tl0picidx = head->tl0picidx;
	}
	*ret_shift = (struct thin_shift){ 0 };
	return THIN_SEND;
}
