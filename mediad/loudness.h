/* mediad/loudness.h - how loud one microphone is, from its packets.
 *
 * Loudness is 127 − the level of RFC 6464: 0 is digital silence, 127 overload; speech lies above 77. It rises within
 * a few packets and falls over about half a second, so that pauses between words do not show. What is not sent
 * (DTX) is silence. Without the level extension only a client that uses DTX tells anything: while it sends more
 * than comfort noise, it speaks. Pure. */
#ifndef PARLEY_MEDIAD_LOUDNESS_H
#define PARLEY_MEDIAD_LOUDNESS_H

#include "lib/clock.h"

#include <stdbool.h>
#include <stddef.h>

#define LOUDNESS_MAX	 127
#define LOUDNESS_SPEECH	 77 /* from here on it is speech … */
#define LOUDNESS_SILENCE 67 /* … until it falls below this */

struct loudness {
	unsigned smooth; /* × 256 */
	int64_t at_us;	 /* of the last packet; 0 = none yet */
	int64_t dtx_us;	 /* when the encoder last showed that it uses DTX; 0 = never */
};

/* A packet with that level (0 loud … 127 silent), or without one and with so many bytes of payload. */
void loudness_on_level(struct loudness *l, unsigned level, int64_t now_us);
void loudness_on_size(struct loudness *l, size_t len, int64_t now_us);
/* 0 … 127 */
unsigned loudness_now(const struct loudness *l, int64_t now_us);

#endif
