/* tests/support/one_mediad.h - a mediad with everything the master would give it; the test plays its one worker,
 * and mediad 1 where it wants to (peer).
 *
 * In this process (one_mediad_open: mediad_open() on our own loop, so a test sees inside), or as the real program
 * (one_mediad_spawn). Sockets are on loopback, any port: udp.0 and tcp.0 IPv4, udp.1 and tcp.1 IPv6 where there is any.
 */
#ifndef PARLEY_TESTS_ONE_MEDIAD_H
#define PARLEY_TESTS_ONE_MEDIAD_H

#include "mediad/mediad.h"
#include "shm/msg.h"
#include "tools/load/peer.h"

#include <sys/types.h>

#define ONE_MEDIAD_EVENTS 64

struct one_event {
	uint16_t type;
	struct msg_transport_state state; /* of MSG_TRANSPORT_STATE and MSG_MEDIA_LOST */
};

struct one_mediad {
	struct mediad md; /* in this process */
	bool here;
	pid_t pid; /* the real program */
	struct loop *loop;
	struct stats_map stats;
	struct link link; /* the worker's end */
	struct link peer; /* mediad 1's end */
	int stats_fd, table_fd, ring_fd, out_fd, in_fd, bell_fd, worker_bell_fd, conf_fd, advertise_fd, dtls_fd;
	int peer_out_fd, peer_in_fd, peer_ring_fd, peer_bell_fd;
	int udp_fd[2];
	unsigned sockets_len;
	struct sockaddr_storage address[2];
	socklen_t address_len[2];
	int tcp_fd[2];
	struct sockaddr_storage tcp[2];
	socklen_t tcp_len[2];
	uint32_t epoch, corr;
	unsigned events_len;
	struct one_event event[ONE_MEDIAD_EVENTS];
};

struct one_answer {
	uint16_t type; /* MSG_ANSWER_END, MSG_ERROR, MSG_OK, MSG_LIST_END; 0: no answer came */
	struct msg_error error;
	struct msg_answer head;
	unsigned candidates_len, seats_len, items_len;
	struct msg_candidate candidate[32];
	struct msg_answer_seat seat[SESSION_MLINES_MAX];
	struct msg_transport_state item[64];
};

/* Regions, sockets, descriptors. */
int one_mediad_init(struct one_mediad *one);
void one_mediad_fini(struct one_mediad *one);
/* Each may be called again after the other's end: the next incarnation on the same memory. */
int one_mediad_open(struct one_mediad *one);
void one_mediad_close(struct one_mediad *one);
int one_mediad_spawn(struct one_mediad *one, const char *program);
/* Sends the signal and waits; the wait status. */
int one_mediad_end(struct one_mediad *one, int signal);

/* For cmocka, around each test: open in this process, with what peers need. */
#define ONE_MEDIAD_TEST(name, one) \
	cmocka_unit_test_prestate_setup_teardown(name, one_mediad_set_up, one_mediad_tear_down, one)
int one_mediad_set_up(void **one);
int one_mediad_tear_down(void **one);

/* Turns the loop until done(arg) or for at most that long; what done() said last. */
bool one_mediad_until(struct one_mediad *one, bool (*done)(void *arg), void *arg, int64_t at_most_us);
void one_mediad_run(struct one_mediad *one, int64_t us);

/* Sends an offer and waits for its answer. */
void one_mediad_offer(struct one_mediad *one, const struct msg_offer *offer, const struct session_mline *mlines,
		      struct one_answer *ret);
/* Sends any one message and waits for its answer. */
void one_mediad_ask(struct one_mediad *one, uint16_t type, const void *payload, size_t len, struct one_answer *ret);
/* Without waiting. */
void one_mediad_tell(struct one_mediad *one, uint16_t type, uint64_t corr, const void *payload, size_t len);
/* An offer with that peer's credentials and the certificate of all peers. */
struct msg_offer one_mediad_offer_of(const char *ufrag, const char *pwd);
struct peer_remote one_mediad_remote(const struct one_mediad *one, const struct one_answer *answer, unsigned socket);
/* The last event about that transport; NULL. */
const struct one_event *one_mediad_event(const struct one_mediad *one, uint64_t transport);

#endif
