/* shm/stats.h - counters and liveness, one slot per process: written by it alone, read by anyone.
 *
 * All numbers are relaxed atomics: a reader wants each value whole, not a moment in time. Counters only
 * rise and go on over restarts of the process; gauges are set to 0 at its start. Names in comments are the
 * Prometheus names (workers/admin.c). Use stat_add() and stat_set(). */
#ifndef PARLEY_SHM_STATS_H
#define PARLEY_SHM_STATS_H

#include "shm/layout.h"

#include <stdatomic.h>

typedef _Atomic uint64_t stat_t;

enum process_state { PROCESS_ABSENT, PROCESS_STARTING, PROCESS_READY, PROCESS_DRAINING };

/* The master writes pid, epoch, restarts and sets state to STARTING; the process writes the rest. */
struct stats_process {
	stat_t pid;
	stat_t epoch;
	stat_t state;	     /* enum process_state */
	stat_t heartbeat_us; /* CLOCK_MONOTONIC, at least every 500 ms */
	stat_t restarts;     /* parley_process_restarts_total{role} */
	stat_t started_us;
	stat_t gauges; /* how many stat_t right behind this struct are gauges; master writes once */
	stat_t reserved;
};

struct stats_worker {
	struct stats_process process;
	/* gauges */
	stat_t connections; /* parley_worker_connections{worker} */
	stat_t websockets;  /* parley_worker_websockets{worker} */
	stat_t db_up;	    /* connections to PostgreSQL that are ready */
	/* counters */
	stat_t accepted, tls_handshakes, tls_failures;
	stat_t requests; /* parley_worker_requests_total{worker} */
	stat_t responses_4xx, responses_5xx, bad_requests;
	stat_t ws_messages_in, ws_messages_out, ws_cut;
	stat_t events_sent, events_relayed, events_dropped;
	stat_t db_queries, db_errors, db_lost;
	stat_t link_full, link_nonsense;
	stat_t throttled;
	stat_t reconciled; /* orphans that the reconciler freed */
	stat_t hashes;	   /* password hashes computed */
	stat_t unsaid;	   /* 1 while transactions may be under way whose events are this worker's to send */
	stat_t cpu_us;	   /* parley_worker_cpu_seconds_total{worker}, its threads included */
	/* participants who found no mediad within its budget: parley_worker_media_refused_total{worker} */
	stat_t media_refused;
	stat_t reserved[29];
} SHM_ALIGNED;

struct stats_mediad {
	struct stats_process process;
	/* gauges */
	stat_t transports; /* parley_mediad_transports{mediad} */
	stat_t tracks, seats;
	stat_t ring_age_us; /* parley_media_ring_age_seconds: how old the oldest slot is */
	/* counters */
	stat_t packets_received, bytes_received;
	stat_t packets_forwarded; /* parley_mediad_packets_forwarded_total{mediad} */
	stat_t bytes_forwarded;	  /* parley_mediad_bytes_forwarded_total{mediad} */
	stat_t cpu_us;		  /* parley_mediad_cpu_seconds_total{mediad} */
	stat_t stun_ok, stun_bad;
	stat_t dtls_handshakes, dtls_failures, dtls_fingerprint_mismatch;
	stat_t srtp_decrypted, srtp_auth_failures, srtp_replays;
	stat_t rtcp_received, rtcp_bad, rtp_bad, rtp_unknown_ssrc, datagrams_unknown;
	stat_t nacks_received, nacks_sent, rtx_sent, rtx_received, rtx_missing;
	stat_t plis_received, plis_sent, keyframes;
	stat_t twcc_sent, twcc_received, reports_sent;
	stat_t send_batches, send_messages, send_errors, receive_batches;
	stat_t ring_published, ring_given_back, ring_lost;
	stat_t ring_stale;
	stat_t link_full, link_nonsense;
	stat_t wakeups, turns;
	stat_t consent_lost;
	/* parley_media_ring_packets_total{from,to}: descriptors taken from the ring of mediad `from` */
	stat_t ring_packets_from[SHM_PROCESSES_MAX];
	stat_t layer_switches; /* parley_mediad_layer_switches_total{mediad} */
	/* ICE over TCP: parley_mediad_tcp_accepted_total{mediad}, …; accepted - closed = open */
	stat_t tcp_accepted, tcp_closed;
	stat_t tcp_strangers; /* of the closed ones: never proved themselves */
	stat_t tcp_dropped;   /* frames that a full connection did not take */
	stat_t probes;
	/* gauges: seats that get less than their tile shows, and of these those that get nothing */
	stat_t seats_limited, seats_weak;
	/* counters: packets of sound that carried older ones along, and what that added */
	stat_t red_packets, red_bytes;
	stat_t paced_packets;	 /* parley_mediad_paced_packets_total{mediad}: waited for room in a narrow path, */
	stat_t paced_wait_us;	 /* so long in all, */
	stat_t paced_longest_us; /* and so long one of them */
	stat_t paced_dropped;	 /* never left */
	/* parley_mediad_segment_messages_total{mediad}, …: messages of several packets, the packets in them */
	stat_t segment_messages, segments;
	stat_t padding_bytes;	  /* that made packets equally long */
	stat_t segment_fallbacks; /* messages that the kernel took singly only */
	/* What a core does with its time: mediad/mediad.c, at each heartbeat. */
	stat_t busy_us, waited_us; /* the loop worked, or slept in epoll_wait; together all the time there was */
	stat_t sleeps;		   /* turns that were ready to sleep */
	/* of one packet in 256: parley_mediad_cipher_samples_total, parley_mediad_cipher_sampled_seconds_total */
	stat_t cipher_samples, cipher_ns;
	stat_t socket_drops; /* datagrams that found a UDP socket's queue full */
	stat_t ring_laps;    /* times that another mediad was so far ahead that descriptors were lost (ring_lost) */
	/* gauges, set to 0 by the mediad itself */
	stat_t queue_bytes;   /* in the UDP sockets' queues */
	stat_t ring_waiting;  /* packets of other mediads, the most that a turn found since the last heartbeat */
	stat_t core;	      /* it ran on at the last heartbeat */
	stat_t load_permille; /* parley_mediad_load_ratio: CPU time by time, smoothed (mediad/budget.h) */
	stat_t over_budget;   /* 1: takes nobody new */
	stat_t packed_packets;	 /* parley_mediad_packed_packets_total{mediad}: sound, several frames in one */
} SHM_ALIGNED;

struct stats_region {
	struct shm_header header;
	struct {
		stat_t pid, started_us, reloads, restarts_worker, restarts_mediad, workers, mediads;
		stat_t budget_percent; /* media.budget_percent as it is now: a reload needs no new mediads */
	} master SHM_ALIGNED;
	struct stats_worker worker[SHM_PROCESSES_MAX];
	struct stats_mediad mediad[SHM_PROCESSES_MAX];
};

struct stats_map {
	struct shm_map map;
	struct stats_region *shm;
};

static inline void stat_add(stat_t *s, uint64_t n)
{
	/* One writer per counter: a plain load and store are enough and cost no locked instruction. */
	atomic_store_explicit(s, atomic_load_explicit(s, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline void stat_set(stat_t *s, uint64_t value)
{
	atomic_store_explicit(s, value, memory_order_relaxed);
}

static inline uint64_t stat_get(const stat_t *s)
{
	return atomic_load_explicit((stat_t *)s, memory_order_relaxed);
}

int stats_create(int *ret_fd); /* master */
int stats_attach(struct stats_map *map, int fd);
/* The process says that it lives and has reached state; also clears its gauges at PROCESS_STARTING. */
void stats_heartbeat(struct stats_process *process, enum process_state state, int64_t now_us);

#endif
