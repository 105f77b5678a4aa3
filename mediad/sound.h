/* mediad/sound.h - a seat's sound where packets are lost: what goes along with a packet, and what is held back; and
 * where the path hardly takes it: whose is heard.
 *
 * red.h decides how often sound goes twice, and how it is written; here is what it needs to know of the peer and the
 * seat's history. A jitter buffer that never saw a packet late does not wait for copies. So now and then one or two
 * packets are held back until the one that carries them too leaves (struct seat, late).
 *
 * Where sound alone is too much, lean.h says what to do: packets are packed (pack.h), those who are silent are left out
 * when not all fit, and who is heard is asked for fewer bits (demand.h).
 *
 * Callers:   seat_out.c; rate.c, ten times a second. */
#ifndef PARLEY_MEDIAD_SOUND_H
#define PARLEY_MEDIAD_SOUND_H

#include "mediad/red.h"
#include "mediad/seat_out.h"

/* What goes along with a packet, oldest first. */
struct sound_older {
	struct red_block block[RED_DEPTH_MAX];
	unsigned n;
	uint8_t red_pt, opus_pt;
	uint8_t packet[RED_DEPTH_MAX][RING_PACKET_MAX];
};

/* n = 0: the packet goes as it is. */
void sound_collect(struct seat *seat, const struct seat_write *write, struct sound_older *older, int64_t now_us);
/* The payload of both; its length, 0 when it does not fit. */
size_t sound_write(struct seat *seat, uint8_t *p, size_t room, const struct seat_write *write,
		   const struct sound_older *older);
/* May this packet leave now? What waited for it leaves before it. */
bool sound_leaves(struct seat *seat, const struct seat_write *write, int64_t now_us);
/* What the peer's path takes of sound; for who has an estimate, ten times a second. */
void sound_look(struct media_peer *peer, int64_t now_us);

#endif
