/* tools/load/peer.h - a small real WebRTC client: full ICE agent's checks, DTLS client, SRTP both ways.
 *
 * It shares no code with the server: checks are built by libnice, DTLS is OpenSSL's client, SRTP is libsrtp.
 * For tests and for generating load: one peer costs a socket, two timers and its cipher contexts.
 *
 *   NEW ──peer_connect()──▶ CHECKING ──a check was answered──▶ HANDSHAKE ──keys──▶ CONNECTED
 *   any ──close_notify from the server──▶ CLOSED     any ──DTLS fails──▶ FAILED
 *
 * Without config.send the peer does ICE itself, over sockets of its own (peer_socket_add() for more than one
 * address), as the controlling side. With config.send somebody else does (peer_nice.h: libnice's NiceAgent): it hands
 * in what arrives by peer_on_datagram() and says when to begin by peer_begin_dtls().
 *
 * Callers:   one thread, on the loop given. Callbacks may call anything here but peer_free().
 * Ownership: the loop must outlive the peer. */
#ifndef PARLEY_LOAD_PEER_H
#define PARLEY_LOAD_PEER_H

#include "lib/loop.h"

#include <netinet/in.h>
#include <sys/socket.h>

#define PEER_SOCKETS_MAX  16
#define PEER_DATAGRAM_MAX 2048

enum peer_state { PEER_NEW, PEER_CHECKING, PEER_HANDSHAKE, PEER_CONNECTED, PEER_CLOSED, PEER_FAILED };

struct peer;

struct peer_ops {
	void (*on_state)(struct peer *peer, enum peer_state state, void *arg);
	/* Decrypted. socket: which of ours it came to. */
	void (*on_rtp)(struct peer *peer, unsigned socket, const uint8_t *packet, size_t len, void *arg);
	void (*on_rtcp)(struct peer *peer, unsigned socket, const uint8_t *packet, size_t len, void *arg);
	/* Every datagram as it came, before anything else; false: as if it were lost. */
	bool (*on_receive)(struct peer *peer, unsigned socket, const uint8_t *data, size_t len, void *arg);
	/* Every datagram before it goes; false: it is not sent (lost, or kept for peer_send_raw()). */
	bool (*on_send)(struct peer *peer, unsigned socket, const uint8_t *data, size_t len, void *arg);
};

struct peer_config {
	struct loop *loop;
	const struct peer_ops *ops; /* any of them NULL */
	void *arg;
	const char *profiles; /* use_srtp; NULL = GCM, then SHA1_80 */
	unsigned dtls_mtu;    /* 0 = 1200; small ones cut flights into fragments */
	unsigned hello_bytes; /* about so many more in the ClientHello, as browsers' post-quantum keys make it */
	bool anonymous;	      /* shows no certificate */
	bool gro; /* datagrams come many at a time (UDP_GRO), or the receiver costs more than what it measures */
	/* Instead of own ICE. */
	void (*send)(void *arg, const uint8_t *data, size_t len);
	void *send_arg;
};

struct peer_remote {
	const char *ufrag, *pwd;
	uint8_t fingerprint[32];
	struct sockaddr_storage address;
	socklen_t address_len;
};

/* Once a process (more often does no harm); after mediad_open() where both share a process. */
int peer_start(void);

int peer_new(const struct peer_config *config, struct peer **ret_peer);
struct peer *peer_free(struct peer *peer);

/* For the offer. All peers of a process show one certificate. */
const char *peer_ufrag(const struct peer *peer);
const char *peer_pwd(const struct peer *peer);
const uint8_t *peer_fingerprint(void);

enum peer_state peer_state(const struct peer *peer);
const char *peer_error(const struct peer *peer);
/* Name of the SRTP profile in use; "" before CONNECTED. */
const char *peer_profile(const struct peer *peer);

/* Begins to check; opens socket 0 on the remote's loopback or any address if none was added. */
int peer_connect(struct peer *peer, const struct peer_remote *remote);
/* New credentials on both sides, same DTLS association. peer_restart() makes ours, peer_remote_set() takes theirs. */
void peer_restart(struct peer *peer);
int peer_remote_set(struct peer *peer, const struct peer_remote *remote);
/* Another local socket; bind may be NULL (any port). Returns its number or -errno. */
int peer_socket_add(struct peer *peer, const struct sockaddr *bind_to, socklen_t len);
/* A connection to that address, already made: packets go over it framed by RFC 4571. */
int peer_socket_add_tcp(struct peer *peer, const struct sockaddr *to, socklen_t len);
/* The server has ended that connection. */
bool peer_socket_ended(const struct peer *peer, unsigned socket);
/* false: what comes is left with the kernel. */
void peer_reading_set(struct peer *peer, unsigned socket, bool reading);
/* The descriptor, for a test that writes or reads past us. */
int peer_socket_fd(const struct peer *peer, unsigned socket);
int peer_socket_name(const struct peer *peer, unsigned socket, struct sockaddr_storage *ret, socklen_t *ret_len);
/* The socket that checks nominate and that media goes out of. */
void peer_nominate(struct peer *peer, unsigned socket);
/* Sockets that check by themselves: bit k; 0 = silence. All at first. */
void peer_checks_set(struct peer *peer, uint32_t sockets);
/* One check now. controlled: claim the other role (the server must answer 487). */
int peer_check(struct peer *peer, unsigned socket, bool use_candidate, bool controlled);
/* Successful answers to checks on that socket, and error answers (the last code). */
unsigned peer_checks_answered(const struct peer *peer, unsigned socket);
int peer_check_error(const struct peer *peer, unsigned socket);

/* Encrypts and sends over the nominated socket. -ENOTCONN. */
int peer_send_rtp(struct peer *peer, const uint8_t *packet, size_t len);
int peer_send_rtcp(struct peer *peer, const uint8_t *packet, size_t len);
/* As it is. */
int peer_send_raw(struct peer *peer, unsigned socket, const void *data, size_t len);
/* How many packets came under an index that their key had used already. A network that doubles packets makes such ones;
 * where none does, the server has encrypted two packets alike, which breaks both. */
uint64_t peer_replayed(const struct peer *peer);
/* close_notify. */
void peer_close(struct peer *peer);

/* With config.send: */
int peer_begin_dtls(struct peer *peer);
void peer_on_datagram(struct peer *peer, unsigned socket, uint8_t *data, size_t len);

#endif
