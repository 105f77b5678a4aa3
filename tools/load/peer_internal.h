/* tools/load/peer_internal.h - what peer.c (life, ICE), peer_socket.c (datagrams in and out) and peer_dtls.c (keys and
 * ciphers) share. Nobody else includes it. */
#ifndef PARLEY_LOAD_PEER_INTERNAL_H
#define PARLEY_LOAD_PEER_INTERNAL_H

#include "tools/load/peer.h"

#include <openssl/ssl.h>
#include <srtp2/srtp.h>
#include <stun/stunagent.h>

struct peer_socket {
	struct peer *peer;
	struct loop_fd io;
	int fd;
	unsigned index, answered;
	int error;
	/* Over TCP: what has come of a packet that is not whole yet. */
	bool tcp, ended;
	size_t have;
	uint8_t stream[2 + UINT16_MAX];
};

struct peer {
	struct peer_config config;
	struct peer_ops ops;
	enum peer_state state;
	char ufrag[9], pwd[25], error[160];
	/* ICE */
	struct peer_remote remote;
	char remote_ufrag[257], remote_pwd[257];
	StunAgent stun;
	uint64_t tie;
	struct loop_timer check_timer, dtls_timer;
	unsigned sockets_len, nominated;
	uint32_t checking;
	struct peer_socket socket[PEER_SOCKETS_MAX];
	/* DTLS and SRTP */
	SSL *ssl;
	const uint8_t *datagram;
	size_t datagram_len;
	srtp_t in, out;
	uint64_t replayed;
	const char *profile;
};

/* peer.c */
void peer_move(struct peer *peer, enum peer_state state);

/* peer_socket.c */
void peer_send_datagram(struct peer *peer, unsigned socket, const uint8_t *data, size_t len);
void peer_sockets_close(struct peer *peer);

/* peer_dtls.c; -ENOMEM: nothing is left behind. */
int peer_dtls_new(struct peer *peer);
void peer_dtls_free(struct peer *peer);
void peer_on_dtls(struct peer *peer, const uint8_t *data, size_t len);
void peer_on_media(struct peer *peer, unsigned socket, uint8_t *data, size_t len);

#endif
