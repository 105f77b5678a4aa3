/* mediad/pack.h - sound on a path that hardly takes it: several frames in one packet.
 *
 *     20 ms │ 20 ms │ 20 ms ──▶ one packet of 60 ms (opus.h), a third of the headers
 *
 * For who has a thin path (lean.h), and for nobody else: the others get every packet as it came. What is packed has one
 * number of the seat's stream, the next one, and the first frame's timestamp; NACK and RED know nothing of it. What the
 * publisher's network lost leaves a hole in timestamps and none in numbers.
 *
 * Waits:     not a copy but a place in a ring, read when the packet leaves; PACK_WAIT_US at most.
 * Alone:     what cannot be joined: several frames already, silence (DTX), other codecs. It leaves behind what waited.
 * Late:      what the network let be overtaken is left out.
 *
 * Caller:    seat.c with each packet; sound.c, now and then. */
#ifndef PARLEY_MEDIAD_PACK_H
#define PARLEY_MEDIAD_PACK_H

#include "lib/clock.h"
#include "mediad/opus.h"
#include "shm/session.h"

#include <stdbool.h>

#define PACK_LENGTH    (60 * OPUS_CLOCK / 1000)
#define PACK_FRAMES    OPUS_JOIN_MAX
#define PACK_BYTES_MAX 1000
#define PACK_WAIT_US   (100 * USEC_PER_MSEC)

struct seat;
struct track_packet;

/* Of one seat. All 0: nothing is packed. */
struct pack {
	bool on;
	unsigned maps;	/* the seat's, when it began; */
	uint64_t index; /* and the source's newest packet that was taken */
	/* What waits. */
	unsigned n;
	uint32_t length, last_length, timestamp; /* of all, of the last; of the first, source's */
	size_t bytes;
	int64_t since_us, time_us;
	bool marker;
	struct session_history part[PACK_FRAMES];
	uint8_t toc;
};

/* A packet that the seat accepts. False: it goes by the seat's own numbers, as ever. */
bool pack_takes(struct seat *seat, const struct track_packet *packet);
/* What has waited for too long leaves. */
void pack_run(struct seat *seat, int64_t now_us);

#endif
