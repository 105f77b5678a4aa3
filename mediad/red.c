#include "mediad/red.h"

#include "lib/err.h"
#include "lib/rtp.h"

#include <string.h>

bool red_is_due(const struct red *red, int64_t now_us)
{
	return red->looked_us == 0 || now_us - red->looked_us >= RED_LOOK_US;
}

static bool decide(struct red *red, int64_t now_us)
{
	if (red->loss >= (red->on ? RED_LOSS_OFF : RED_LOSS_ON)) {
		red->lossy_us = now_us;
		return true;
	}
	return red->on && now_us - red->lossy_us < RED_HOLD_US;
}

unsigned red_look(struct red *red, double loss, uint32_t room_bps, unsigned streams, int64_t now_us)
{
	double passed_us = red->looked_us ? (double)(now_us - red->looked_us) : 0;
	uint32_t each_bps = room_bps / MAX(streams, 1);
	unsigned room = each_bps >= RED_ALL_BPS ? RED_DEPTH_MAX : each_bps >= RED_ONE_BPS;

	red->loss += (loss - red->loss) * MIN(1, passed_us / RED_SMOOTH_US);
	red->looked_us = now_us;
	red->on = decide(red, now_us);
	/* Until it is needed nobody asks for room. */
	if (!red->on) {
		red->depth = 0;
		red->thin_us = 0;
	} else if (room <= red->depth) {
		red->depth = room;
		red->thin_us = room < RED_DEPTH_MAX ? now_us : 0;
	} else if (!red->thin_us || now_us - red->thin_us >= RED_ROOM_US) {
		red->depth = room;
	}
	return red->depth;
}

bool red_takes(const struct red_block *older)
{
	return older->len > RED_SILENCE_MAX && older->len <= RED_BLOCK_MAX && older->age > 0 &&
	       older->age <= RED_AGE_MAX;
}

size_t red_write(uint8_t *p, size_t room, uint8_t payload_type, const struct red_block *older, unsigned n,
		 const uint8_t *data, size_t len)
{
	size_t total = 1 + len, at = 0;

	for (unsigned i = 0; i < n; i++)
		total += RED_HEADER_LEN + older[i].len;
	if (total > room)
		return 0;
	for (unsigned i = 0; i < n; i++) {
		p[at] = 0x80 | payload_type;
		rtp_put24(p + at + 1, older[i].age << 10 | (uint32_t)older[i].len);
		at += RED_HEADER_LEN;
	}
	p[at++] = payload_type;
	for (unsigned i = 0; i < n; i++) {
		memcpy(p + at, older[i].data, older[i].len);
		at += older[i].len;
	}
	memcpy(p + at, data, len);
	return total;
}
