/* mediad/runs.h - which of the packets that wait for one peer leave together as one message.
 *
 * What a message costs the kernel hardly depends on its length. With UDP_SEGMENT (udp(7)) it cuts one message into
 * datagrams of one size, of which the last may be shorter. So the packets are put in runs of one size, and where one
 * differs from its neighbours by a little it is padded (RFC 3550, 5.1): browsers cut a picture into packets that differ
 * by a byte, the longer ones last.
 *
 * Order:     that of an SSRC's packets never changes; those of different SSRCs may pass each other.
 * Padding:   by RUN_PADDING(size) bytes at most, and never the last of a run: it may be shorter anyway.
 * Limits:    RUN_PACKETS and RUN_BYTES to a run.
 *
 * Pure: lengths in, an order out. */
#ifndef PARLEY_MEDIAD_RUNS_H
#define PARLEY_MEDIAD_RUNS_H

#include <stdint.h>

#define RUN_PACKETS 64
#define RUN_BYTES   64000
/* A hundred bytes cost no more as a hundred and eight; where they are many, less than two in a hundred. */
#define RUN_PADDING(size) ((size) / 64 > 8 ? (size) / 64 : 8)

struct run_packet {
	uint32_t ssrc;
	uint16_t len; /* as it leaves, with what encryption adds */
	uint8_t room; /* bytes of padding that it can take; 0 = none */
};

struct runs {
	uint8_t runs_len;
	uint8_t len[RUN_PACKETS];     /* packets of each run */
	uint8_t order[RUN_PACKETS];   /* the runs' packets, one run behind the other */
	uint8_t padding[RUN_PACKETS]; /* by packet: bytes to add */
};

/* n packets, RUN_PACKETS at most, in the order in which they were written. */
void runs_form(const struct run_packet *packet, unsigned n, struct runs *ret);
/* Each by itself. */
void runs_single(unsigned n, struct runs *ret);

#endif
