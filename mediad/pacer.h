/* mediad/pacer.h - when what goes to one participant may leave: the queue before a narrow path, instead of one in it
 * (draft-ietf-rmcat-gcc-02, section 4: what is sent leaves in groups, one each 5 ms).
 *
 *     seat ──pacer_passes()?──▶ sent at once ──pacer_on_sent()
 *            └─no─▶ pacer_push() … each PACER_SLOT_US: while ((p = pacer_next())) sent, pacer_pop(), pacer_on_sent()
 *
 * Classes:   what is sent again goes before pictures; within a class the order is that of coming. Sound, reports and
 *            padding never wait; what they take is told by pacer_on_sent() and is missing for the others.
 * Budget:    room, in bytes, grows with the rate and shrinks by what leaves. Something leaves while there is any, so it
 *            falls short by one packet at most. While nothing waits no more than one slot's worth is saved up, else
 *            two, for a clock that comes late.
 * Limit:     what has waited for PACER_WAIT_MAX_US leaves whatever the rate; before that the rate is raised so that all
 *            that waits is out by then. Nothing is ever thrown away here: whoever finds it full lets the oldest out.
 * Content:   references. The packet itself stays in the media ring and is read when it leaves; it may be gone by then.
 *
 * Pure: times in, packets out; allocates nothing. Bytes are as on the wire. */
#ifndef PARLEY_MEDIAD_PACER_H
#define PARLEY_MEDIAD_PACER_H

#include "lib/clock.h"
#include "shm/session.h"

#define PACER_SLOT_US	  (5 * USEC_PER_MSEC)
#define PACER_WAIT_MAX_US (2 * USEC_PER_SEC)
#define PACER_PICTURES	  512 /* packets that wait at most, */
#define PACER_AGAINS	  64  /* and those sent again */

struct seat;

enum pacer_class { PACER_AGAIN, PACER_PICTURE, PACER_CLASSES };

struct pacer_packet {
	struct seat *seat; /* NULL: it is gone */
	uint64_t index;	   /* pictures: the out index, spent when it was accepted */
	int64_t since_us;
	struct session_history what;
	uint16_t bytes; /* about */
	uint8_t class;	/* enum pacer_class */
	bool marker;
};

struct pacer {
	double room; /* bytes */
	int64_t at_us;
	uint32_t bytes; /* that wait */
	struct {
		unsigned head, len;
	} queue[PACER_CLASSES];
	struct pacer_packet again[PACER_AGAINS], picture[PACER_PICTURES];
};

/* All but the packets, which are written before they are read. */
void pacer_init(struct pacer *pacer, int64_t now_us);
/* bps, here and below: the rate; 0 = no limit. */
bool pacer_passes(struct pacer *pacer, enum pacer_class class, double bps, int64_t now_us);
bool pacer_is_full(const struct pacer *pacer, enum pacer_class class);
/* Not when it is full. The class is packet's. */
void pacer_push(struct pacer *pacer, const struct pacer_packet *packet);
/* What leaves now; NULL: nothing (yet). */
const struct pacer_packet *pacer_next(struct pacer *pacer, double bps, int64_t now_us);
/* The oldest of a class; NULL: none waits. */
const struct pacer_packet *pacer_oldest(const struct pacer *pacer, enum pacer_class class);
/* Takes the oldest of a class off. */
void pacer_pop(struct pacer *pacer, enum pacer_class class);
/* Anything left for this participant. */
void pacer_on_sent(struct pacer *pacer, unsigned bytes, double bps, int64_t now_us);
unsigned pacer_waits(const struct pacer *pacer);
/* For how long the oldest picture has waited; 0: none does. */
int64_t pacer_wait_us(const struct pacer *pacer, int64_t now_us);
/* The seat is about to be freed. */
void pacer_forget(struct pacer *pacer, const struct seat *seat);

#endif
