/* tests/net/reuse.h - sees from outside, without keys, whether an SRTP key encrypts two packets under one index.
 *
 * Whoever does that breaks AES-GCM and AES-CM, and nobody would hear it. In the clear stand SSRC, sequence number and
 * SRTCP index; so: in one DTLS association and direction, a second packet of the same SSRC and index must be a copy of
 * the first, byte for byte. Packets that are late, lost or doubled are no finding.
 *
 *     reuse_see(r, &flow, REUSE_DOWN, data, len, &found)      each datagram, before the network does something to it
 *
 * Two programs look on: impair.c, a proxy, and witness.c, who stands beside the way.
 *
 * Index:        of RTP the 48-bit one that RFC 3711, 3.3.1 guesses from the sequence number; of SRTCP the one that the
 *               packet carries, where the association's profile puts it (RFC 3711, 3.4: before the tag; RFC 7714, 9: at
 *               the end). The profile stands in the ServerHello; without that (the proxy came later) SRTCP is not read.
 * Association:  belongs to all flows of one ICE user name. It ends, and all is forgotten, when the server changes its
 *               cipher after a ServerHello that was not there before, and with nothing less: a server process that
 *               died and goes on with the old keys must go on behind the last index. A flow with a new user name and
 *               without a handshake (an ICE restart) is of the association in which its first RTP SSRC is known.
 * Memory:       of each stream the last 65,536 indexes, which is as far as a guess reaches (an SRTCP index from further
 *               back is a reuse: they rise by one); in all at most REUSE_STREAMS_MAX streams, REUSE_PAGES_MAX pages of
 *               12 KiB. When these are used up, the association that was silent for longest is forgotten; one that is
 *               too large alone is checked as far as there is room, and the rest counted.
 * Callers:      one thread; no clock, no sockets. One struct reuse for one port of the server.
 * Ownership:    flows are the caller's, zeroed before their first packet and not moved until reuse_fini(). */
#ifndef PARLEY_TESTS_NET_REUSE_H
#define PARLEY_TESTS_NET_REUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REUSE_STREAMS_MAX 2048
#define REUSE_PAGES_MAX	  8192

enum reuse_direction { REUSE_UP, REUSE_DOWN }; /* from the client, from the server */

/* Since reuse_init(). */
struct reuse_counts {
	uint64_t checked; /* packets of SRTP and SRTCP that were compared or remembered */
	uint64_t reused;  /* of these: not a copy of what had this index before */
	uint64_t unread;  /* SRTCP of an association whose beginning was not seen */
	uint64_t full;	  /* no memory left for them */
};

struct reuse_association;

struct reuse_flow {
	struct reuse_flow *next;
	struct reuse_association *of;
	uint64_t name; /* of the ICE user name; 0: none yet */
};

struct reuse {
	struct reuse_flow *flows;
	struct reuse_counts counts[2]; /* by enum reuse_direction */
	unsigned streams, pages;
	uint64_t clock; /* packets seen */
};

/* The second use of an index. */
struct reuse_found {
	bool rtcp;
	uint32_t ssrc;
	uint64_t index; /* of RTP by the guess, which begins at a rollover counter of 1 */
};

void reuse_init(struct reuse *r);
void reuse_fini(struct reuse *r);
/* True when this datagram uses an index again; only then *ret_found is set. */
bool reuse_see(struct reuse *r, struct reuse_flow *flow, enum reuse_direction direction, const uint8_t *data,
	       size_t len, struct reuse_found *ret_found);
/* {"up":{…},"down":{…}}, of each direction the struct reuse_counts. As snprintf(): a text that does not fit is cut. */
int reuse_write(const struct reuse *r, char *to, size_t size);
/* Says on standard error that the server's port has seen this. */
void reuse_tell(const struct reuse_found *found, enum reuse_direction direction, unsigned port);

#endif
