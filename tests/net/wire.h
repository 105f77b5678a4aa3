/* tests/net/wire.h - one direction of a bad network, as a function of packets and time.
 *
 *     wire_send ──▶ lost? ──▶ queue ──▶ bottleneck ──▶ delay, jitter, reordering ──▶ wire_receive
 *                    │         │ full
 *                    ▼         ▼
 *                  lost     dropped
 *
 * Loss:      Gilbert and Elliott's two states. In the good one `loss` of the packets are lost, in the bad one
 *            `burst_loss`; `bursts` of all packets meet the bad state, `burst_length` in a row on average.
 * Queue:     before a bottleneck of rate_bps: a packet that would have to wait behind more than queue_us of it is
 * dropped. A rate that changes counts for what already waits, too; a queue that has become too long is not cut. Jitter:
 * normal, jitter_us is the standard deviation, cut off at three of them; never earlier than without delay. With
 * keep_order nothing overtakes (what follows a late packet is late as well). Reorder:   this share of packets is held
 * back reorder_us longer, and what follows overtakes, also with keep_order. Randomness is seeded: the same packets and
 * times give the same fates. Losses are drawn as packets enter, one draw a packet and state, whatever becomes of the
 * others.
 *
 * Callers:   one thread; no sockets, no clock. now_us never goes back.
 * Ownership: wire_send() takes the packet; wire_receive() gives it back: free(). wire_fini() frees what is under way.
 */
#ifndef PARLEY_TESTS_NET_WIRE_H
#define PARLEY_TESTS_NET_WIRE_H

#include "tests/net/dice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_PACKETS_MAX 65536 /* under way at a time; more are dropped */
#define WIRE_OVERHEAD	 28    /* IPv4 and UDP */

struct wire_settings {
	double loss, bursts, burst_length, burst_loss; /* shares 0–1, but for the length: packets, at least 1 */
	double delay_us, jitter_us;
	double reorder, reorder_us;
	double rate_bps, queue_us; /* rate 0: no bottleneck, no queue */
	double overhead;	   /* bytes that each packet takes of the rate beyond its payload */
	double keep_order;	   /* 0 or 1 */
};

struct wire_packet {
	struct wire_packet *next;
	void *owner; /* the caller's */
	int64_t entered_us, started_us, due_us;
	uint64_t serial;
	uint32_t len;
	uint8_t data[];
};

/* Since wire_init() or the last wire_take_counts(). Bytes are payload. */
struct wire_counts {
	uint64_t in_packets, in_bytes, out_packets, out_bytes;
	uint64_t lost, dropped;
	/* Waiting before the bottleneck, of packets that came to be sent; without the time that sending took. */
	uint64_t waited;
	int64_t wait_sum_us, wait_max_us;
};

struct wire {
	struct wire_settings set;
	struct dice losses, delays;
	bool bad; /* the state of the loss */
	struct wire_packet *head, **tail;
	int64_t backlog_bytes;	     /* in the queue, overhead included */
	double head_left;	     /* bits of the head that are not sent yet */
	int64_t at_us;		     /* until when the bottleneck has been worked out */
	struct wire_packet **flight; /* heap by due_us, serial */
	size_t flight_len, flight_cap, queue_len;
	uint64_t serial;
	int64_t last_due_us;
	struct wire_counts counts;
};

enum wire_fate { WIRE_TAKEN, WIRE_LOST, WIRE_DROPPED };

/* A wire that passes everything on at once. */
extern const struct wire_settings wire_clean;

/* NULL when there is no memory. */
struct wire_packet *wire_packet_new(const void *data, size_t len, void *owner);

void wire_init(struct wire *w, uint64_t seed);
void wire_fini(struct wire *w);
/* Chance begins anew, as after wire_init(). */
void wire_seed(struct wire *w, uint64_t seed);
void wire_set(struct wire *w, int64_t now_us, const struct wire_settings *set);
/* Always takes the packet. */
enum wire_fate wire_send(struct wire *w, int64_t now_us, struct wire_packet *packet);
/* The next packet that is due, or NULL. */
struct wire_packet *wire_receive(struct wire *w, int64_t now_us);
/* When wire_receive() may have something, or INT64_MAX. */
int64_t wire_next_us(const struct wire *w);
/* How long a packet that enters now would wait. */
int64_t wire_backlog_us(const struct wire *w);
struct wire_counts wire_take_counts(struct wire *w);

#endif
