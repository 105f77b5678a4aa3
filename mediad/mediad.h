/* mediad/mediad.h - what the parts of one mediad share.
 *
 * One mediad = one process pinned to one core, one thread, one loop. main.c fills this once. The parts, from
 * the wire inwards, each using only what stands before it:
 *
 *   egress     send buffers, runs, SRTP out, sendmmsg     (transport side)
 *   ice dtls   STUN checks, handshake, SRTP in            (transport side)
 *   transport  one participant's device: the above + its record in the session table
 *   rtp rtcp   parsing and building, pure functions       (media side)
 *   media      tracks, seats, calls, relay to other mediads
 *   control    messages from workers: offers, answers, closing, listing
 *   meter      CPU time, queues, budget, once a heartbeat
 *
 * One turn of the loop: datagrams are received by recvmmsg into ring slots and each is finished (decrypted,
 * published, forwarded into egress buffers) before the next batch; descriptors from other mediads are
 * drained; timers run; then the idle hook flushes egress, posts descriptors, rings bells and decides whether
 * to sleep. Nothing on this path allocates, logs per packet or waits. */
#ifndef PARLEY_MEDIAD_MEDIAD_H
#define PARLEY_MEDIAD_MEDIAD_H

#include "lib/conf.h"
#include "lib/fdset.h"
#include "lib/loop.h"
#include "shm/link.h"
#include "shm/ring.h"
#include "shm/session.h"
#include "shm/stats.h"

struct transports; /* transport.h */
struct media;	   /* media.h */
struct egress;	   /* egress.h */
struct udp;	   /* udp.h: sockets and receive batches */
struct tcp;	   /* tcp.h: connections of those that no UDP reaches */
struct control;	   /* control.h: messages from workers */
struct meter;	   /* meter.h: what this core does with its time */

struct mediad {
	unsigned index;
	unsigned workers, mediads;
	uint32_t epoch;
	struct conf conf;
	struct fdset fds;
	struct loop *loop;
	struct stats_map stats;
	struct stats_mediad *counters; /* own slot */
	struct session_table table;
	struct ring ring;			      /* own */
	struct ring_reader reader[SHM_PROCESSES_MAX]; /* of mediad k; own one unused */
	struct link link_worker[SHM_PROCESSES_MAX];
	struct link link_mediad[SHM_PROCESSES_MAX]; /* own one unused */
	int bell_fd;
	struct egress *egress;
	struct transports *transports;
	struct media *media;
	struct udp *udp;
	struct tcp *tcp;
	struct control *control;
	struct meter *meter;
	struct loop_fd bell;
	struct loop_timer heartbeat;
	bool asleep;				/* our links say that we may be in epoll_wait */
	uint32_t peer_epoch[SHM_PROCESSES_MAX]; /* incarnation of mediad k that we talk to; 0 = not seen yet */
	uint64_t full_seen, nonsense_seen;	/* of all links, as far as counted in stats */
};

/* Everything main.c needs. index, workers, mediads, epoch and fds are set; takes descriptors by their names
 * (shm/layout.h), maps, starts all parts, reports what a predecessor lost, and says READY. Logs what is wrong. */
int mediad_open(struct mediad *md);
void mediad_close(struct mediad *md);
/* Clears the sleeping flags after epoll_wait, so that peers do not ring while we work anyway. */
void mediad_awake(struct mediad *md);

/* To the worker that made the transport, or to any that is ready when it is not: events, corr 0.
 * -EAGAIN when no worker can take it (counted; the reconciler heals). */
int mediad_event(struct mediad *md, uint32_t worker, uint16_t type, const void *payload, size_t len);
/* True when worker k is there to read. */
bool mediad_worker_ready(const struct mediad *md, unsigned k);

#endif
