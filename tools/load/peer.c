#include "tools/load/peer.h"

#include "lib/ids.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <srtp2/srtp.h>
#include <stdio.h>
#include <stdlib.h>
#include <stun/stunagent.h>
#include <stun/usages/ice.h>
#include <unistd.h>

enum {
	CHECK_FAST_US = 50 * 1000,   /* before the first answer */
	CHECK_SLOW_US = 2500 * 1000, /* as browsers do on a working pair */
	KEYING_GCM = 16 + 12,
	KEYING_SHA1 = 16 + 14,
	RECEIVE_BYTES = 1 << 20,
};

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
	const char *profile;
	uint64_t replayed;
};

/* ---- identity: one certificate for all ---- */

static struct {
	SSL_CTX *ssl;
	BIO_METHOD *wire;
	uint8_t fingerprint[32];
} shared;

static const uint16_t known_attributes[] = { STUN_ATTRIBUTE_USERNAME,	    STUN_ATTRIBUTE_MESSAGE_INTEGRITY,
					     STUN_ATTRIBUTE_ERROR_CODE,	    STUN_ATTRIBUTE_XOR_MAPPED_ADDRESS,
					     STUN_ATTRIBUTE_PRIORITY,	    STUN_ATTRIBUTE_USE_CANDIDATE,
					     STUN_ATTRIBUTE_MAPPED_ADDRESS, 0 };

static X509 *make_certificate(EVP_PKEY *key)
{
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);

	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -86400);
	X509_gmtime_adj(X509_getm_notAfter(x), 30L * 86400);
	X509_set_version(x, 2);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"peer", -1, -1, 0);
	X509_set_issuer_name(x, name);
	X509_sign(x, key, EVP_sha256());
	return x;
}

/* ---- DTLS wire ---- */

static void send_datagram(struct peer *peer, unsigned socket, const uint8_t *data, size_t len)
{
	if (peer->ops.on_send && !peer->ops.on_send(peer, socket, data, len, peer->config.arg))
		return;
	(void)peer_send_raw(peer, socket, data, len);
}

static int wire_write(BIO *bio, const char *data, int len)
{
	struct peer *peer = BIO_get_data(bio);

	send_datagram(peer, peer->nominated, (const uint8_t *)data, (size_t)len);
	return len;
}

static int wire_read(BIO *bio, char *buf, int len)
{
	struct peer *peer = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (!peer->datagram) {
		BIO_set_retry_read(bio);
		return -1;
	}
	size_t n = MIN((size_t)len, peer->datagram_len);
	memcpy(buf, peer->datagram, n);
	peer->datagram = NULL;
	return (int)n;
}

static long wire_ctrl(BIO *bio, int cmd, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return cmd == BIO_CTRL_FLUSH ? 1 : 0;
}

static int accept_any(X509_STORE_CTX *store, void *arg)
{
	(void)store;
	(void)arg;
	return 1;
}

static unsigned on_repeat(SSL *ssl, unsigned previous_us)
{
	(void)ssl;
	return previous_us == 0 ? 50 * 1000 : MIN(previous_us * 2, 1000u * 1000);
}

int peer_start(void)
{
	unsigned len;

	if (shared.ssl)
		return 0;
	/* Fails when a mediad in this process was first, and then it is not needed. */
	(void)srtp_init();
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = key ? make_certificate(key) : NULL;
	shared.ssl = SSL_CTX_new(DTLS_client_method());
	shared.wire = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "peer wire");
	if (!certificate || !shared.ssl || !shared.wire)
		return -ENOMEM;
	BIO_meth_set_write(shared.wire, wire_write);
	BIO_meth_set_read(shared.wire, wire_read);
	BIO_meth_set_ctrl(shared.wire, wire_ctrl);
	X509_digest(certificate, EVP_sha256(), shared.fingerprint, &len);
	SSL_CTX_use_certificate(shared.ssl, certificate);
	SSL_CTX_use_PrivateKey(shared.ssl, key);
	SSL_CTX_set_verify(shared.ssl, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(shared.ssl, accept_any, NULL);
	SSL_CTX_set_options(shared.ssl, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_TICKET);
	SSL_CTX_set_read_ahead(shared.ssl, 1);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return 0;
}

const uint8_t *peer_fingerprint(void)
{
	return shared.fingerprint;
}

/* ---- one peer ---- */

static void random_text(char *ret, size_t len)
{
	static const char chars[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint8_t chance[32];

	random_bytes(chance, sizeof(chance));
	for (size_t i = 0; i < len; i++)
		ret[i] = chars[chance[i] & 63];
	ret[len] = 0;
}

static void stun_start(struct peer *peer)
{
	stun_agent_init(&peer->stun, known_attributes, STUN_COMPATIBILITY_RFC5389,
			STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS | STUN_AGENT_USAGE_USE_FINGERPRINT);
}

/* Protocol names that nobody knows: the server passes over them. */
static void enlarge_hello(struct peer *peer, unsigned bytes)
{
	uint8_t names[4096];

	bytes = MIN(bytes, (unsigned)sizeof(names)) / 32 * 32;
	memset(names, 'x', sizeof(names));
	for (unsigned i = 0; i < bytes; i += 32)
		names[i] = 31;
	if (bytes > 0)
		SSL_set_alpn_protos(peer->ssl, names, bytes);
}

int peer_new(const struct peer_config *config, struct peer **ret_peer)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	const char *profiles = config->profiles;

	if (!peer)
		return -ENOMEM;
	peer->config = *config;
	if (config->ops)
		peer->ops = *config->ops;
	peer->checking = UINT32_MAX;
	peer->profile = "";
	peer_restart(peer);
	random_bytes(&peer->tie, sizeof(peer->tie));
	stun_start(peer);
	peer->ssl = SSL_new(shared.ssl);
	BIO *wire = BIO_new(shared.wire);
	if (!peer->ssl || !wire) {
		BIO_free(wire);
		peer_free(peer);
		return -ENOMEM;
	}
	BIO_set_data(wire, peer);
	BIO_set_init(wire, 1);
	SSL_set_bio(peer->ssl, wire, wire);
	SSL_set_mtu(peer->ssl, config->dtls_mtu ? config->dtls_mtu : 1200);
	SSL_set_tlsext_use_srtp(peer->ssl, profiles ? profiles : "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80");
	DTLS_set_timer_cb(peer->ssl, on_repeat);
	enlarge_hello(peer, config->hello_bytes);
	if (config->anonymous)
		SSL_certs_clear(peer->ssl);
	SSL_set_connect_state(peer->ssl);
	*ret_peer = peer;
	return 0;
}

struct peer *peer_free(struct peer *peer)
{
	if (!peer)
		return NULL;
	loop_timer_stop(&peer->check_timer);
	loop_timer_stop(&peer->dtls_timer);
	for (unsigned i = 0; i < peer->sockets_len; i++) {
		loop_fd_del(&peer->socket[i].io);
		close(peer->socket[i].fd);
	}
	SSL_free(peer->ssl);
	if (peer->in)
		srtp_dealloc(peer->in);
	if (peer->out)
		srtp_dealloc(peer->out);
	free(peer);
	return NULL;
}

const char *peer_ufrag(const struct peer *peer)
{
	return peer->ufrag;
}

const char *peer_pwd(const struct peer *peer)
{
	return peer->pwd;
}

enum peer_state peer_state(const struct peer *peer)
{
	return peer->state;
}

const char *peer_error(const struct peer *peer)
{
	return peer->error;
}

const char *peer_profile(const struct peer *peer)
{
	return peer->profile;
}

void peer_restart(struct peer *peer)
{
	random_text(peer->ufrag, sizeof(peer->ufrag) - 1);
	random_text(peer->pwd, sizeof(peer->pwd) - 1);
}

static void move(struct peer *peer, enum peer_state state)
{
	if (peer->state == state)
		return;
	peer->state = state;
	if (peer->ops.on_state)
		peer->ops.on_state(peer, state, peer->config.arg);
}

/* ---- sockets ---- */

/* Blocks until all of it has gone, so that no packet is cut. */
static int send_framed(struct peer_socket *s, const void *data, size_t len)
{
	uint8_t framed[2 + PEER_DATAGRAM_MAX];

	if (len > PEER_DATAGRAM_MAX)
		return -EMSGSIZE;
	framed[0] = (uint8_t)(len >> 8);
	framed[1] = (uint8_t)len;
	memcpy(framed + 2, data, len);
	return send(s->fd, framed, len + 2, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int peer_send_raw(struct peer *peer, unsigned socket, const void *data, size_t len)
{
	if (peer->config.send) {
		peer->config.send(peer->config.send_arg, data, len);
		return 0;
	}
	if (socket >= peer->sockets_len)
		return -EINVAL;
	if (peer->socket[socket].tcp)
		return send_framed(&peer->socket[socket], data, len);
	ssize_t n = sendto(peer->socket[socket].fd, data, len, 0, (const struct sockaddr *)&peer->remote.address,
			   peer->remote.address_len);
	return n < 0 ? -errno : 0;
}

static void on_readable(struct loop_fd *io, uint32_t events, void *arg)
{
	struct peer_socket *s = arg;
	uint8_t data[PEER_DATAGRAM_MAX] __attribute__((aligned(16)));

	(void)events;
	for (unsigned i = 0; i < 64; i++) {
		ssize_t n = recv(io->fd, data, sizeof(data), MSG_DONTWAIT);
		if (n <= 0)
			return;
		peer_on_datagram(s->peer, s->index, data, (size_t)n);
	}
}

/* What came in one go is cut again. */
static void on_many_readable(struct loop_fd *io, uint32_t events, void *arg)
{
	struct peer_socket *s = arg;
	static uint8_t lump[UINT16_MAX];
	uint8_t data[PEER_DATAGRAM_MAX] __attribute__((aligned(16)));
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;

	(void)events;
	for (unsigned i = 0; i < 16; i++) {
		struct iovec iov = { lump, sizeof(lump) };
		struct msghdr msg = {
			.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
		};
		ssize_t n = recvmsg(io->fd, &msg, MSG_DONTWAIT);
		if (n <= 0)
			return;
		int size = (int)n;
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
			if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO)
				memcpy(&size, CMSG_DATA(c), sizeof(size));
		}
		for (size_t at = 0; at < (size_t)n && size > 0; at += (size_t)size) {
			size_t len = MIN((size_t)size, (size_t)n - at);
			if (len > sizeof(data))
				continue;
			memcpy(data, lump + at, len);
			peer_on_datagram(s->peer, s->index, data, len);
		}
	}
}

static void on_stream(struct loop_fd *io, uint32_t events, void *arg)
{
	struct peer_socket *s = arg;
	uint8_t packet[PEER_DATAGRAM_MAX] __attribute__((aligned(16)));
	ssize_t n = recv(io->fd, s->stream + s->have, sizeof(s->stream) - s->have, MSG_DONTWAIT);

	(void)events;
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		s->ended = true;
		loop_fd_del(io);
		return;
	}
	s->have += (size_t)n;
	for (;;) {
		size_t len = s->have < 2 ? 0 : (size_t)s->stream[0] << 8 | s->stream[1];
		if (s->have < 2 || s->have < 2 + len)
			return;
		bool fits = len <= sizeof(packet);
		memcpy(packet, s->stream + 2, fits ? len : 0);
		s->have -= 2 + len;
		memmove(s->stream, s->stream + 2 + len, s->have);
		if (fits)
			peer_on_datagram(s->peer, s->index, packet, len);
	}
}

int peer_socket_add_tcp(struct peer *peer, const struct sockaddr *to, socklen_t len)
{
	struct peer_socket *s = &peer->socket[peer->sockets_len];

	if (peer->sockets_len == PEER_SOCKETS_MAX)
		return -ENOSPC;
	int fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int err = fd < 0 || connect(fd, to, len) < 0 ? -errno : 0;
	if (err == 0) {
		*s = (struct peer_socket){ .peer = peer, .fd = fd, .index = peer->sockets_len, .tcp = true };
		err = loop_fd_add(peer->config.loop, &s->io, fd, EPOLLIN, on_stream, s);
	}
	if (err < 0) {
		if (fd >= 0)
			close(fd);
		return err;
	}
	return (int)peer->sockets_len++;
}

bool peer_socket_ended(const struct peer *peer, unsigned socket)
{
	return peer->socket[socket].ended;
}

void peer_reading_set(struct peer *peer, unsigned socket, bool reading)
{
	(void)loop_fd_mod(&peer->socket[socket].io, reading ? EPOLLIN : 0);
}

int peer_socket_fd(const struct peer *peer, unsigned socket)
{
	return peer->socket[socket].fd;
}

int peer_socket_add(struct peer *peer, const struct sockaddr *bind_to, socklen_t len)
{
	struct peer_socket *s = &peer->socket[peer->sockets_len];
	int family = bind_to ? bind_to->sa_family : peer->remote.address.ss_family;

	if (peer->sockets_len == PEER_SOCKETS_MAX)
		return -ENOSPC;
	int fd = socket(family ? family : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (bind_to && bind(fd, bind_to, len) < 0) {
		int err = -errno;
		close(fd);
		return err;
	}
	*s = (struct peer_socket){ .peer = peer, .fd = fd, .index = peer->sockets_len };
	const int on = 1;
	bool many = peer->config.gro && setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof(on)) == 0;
	if (many && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &(int){ RECEIVE_BYTES }, sizeof(int)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){ RECEIVE_BYTES }, sizeof(int));
	int err = loop_fd_add(peer->config.loop, &s->io, fd, EPOLLIN, many ? on_many_readable : on_readable, s);
	if (err < 0) {
		close(fd);
		return err;
	}
	return (int)peer->sockets_len++;
}

int peer_socket_name(const struct peer *peer, unsigned socket, struct sockaddr_storage *ret, socklen_t *ret_len)
{
	*ret_len = sizeof(*ret);
	return getsockname(peer->socket[socket].fd, (struct sockaddr *)ret, ret_len) < 0 ? -errno : 0;
}

/* ---- ICE ---- */

int peer_check(struct peer *peer, unsigned socket, bool use_candidate, bool controlled)
{
	uint8_t buf[1024];
	StunMessage msg;
	char username[520];

	int n = snprintf(username, sizeof(username), "%s:%s", peer->remote_ufrag, peer->ufrag);
	size_t len = stun_usage_ice_conncheck_create(&peer->stun, &msg, buf, sizeof(buf), (uint8_t *)username,
						     (size_t)n, (uint8_t *)peer->remote_pwd, strlen(peer->remote_pwd),
						     use_candidate, !controlled, 0x6e001effu - socket, peer->tie, NULL,
						     STUN_USAGE_ICE_COMPATIBILITY_RFC5245);
	if (len == 0) {
		/* Its memory is full of requests that were never answered. */
		stun_start(peer);
		return -EAGAIN;
	}
	send_datagram(peer, socket, buf, len);
	return 0;
}

static void on_check_timer(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct peer *peer = arg;
	bool all = true;

	for (unsigned i = 0; i < peer->sockets_len; i++) {
		if (!(peer->checking >> i & 1))
			continue;
		(void)peer_check(peer, i, i == peer->nominated, false);
		all &= peer->socket[i].answered > 0;
	}
	if (peer->state != PEER_CLOSED && peer->state != PEER_FAILED)
		loop_timer_start(peer->config.loop, timer, now_us + (all ? CHECK_SLOW_US : CHECK_FAST_US),
				 on_check_timer, peer);
}

int peer_remote_set(struct peer *peer, const struct peer_remote *remote)
{
	if (strlen(remote->ufrag) >= sizeof(peer->remote_ufrag) || strlen(remote->pwd) >= sizeof(peer->remote_pwd))
		return -EINVAL;
	strcpy(peer->remote_ufrag, remote->ufrag);
	strcpy(peer->remote_pwd, remote->pwd);
	peer->remote = *remote;
	return 0;
}

int peer_connect(struct peer *peer, const struct peer_remote *remote)
{
	int err = peer_remote_set(peer, remote);
	if (err < 0)
		return err;
	if (peer->sockets_len == 0) {
		err = peer_socket_add(peer, NULL, 0);
		if (err < 0)
			return err;
	}
	move(peer, PEER_CHECKING);
	on_check_timer(&peer->check_timer, clock_now_us(), peer);
	return 0;
}

void peer_nominate(struct peer *peer, unsigned socket)
{
	peer->nominated = socket;
}

void peer_checks_set(struct peer *peer, uint32_t sockets)
{
	peer->checking = sockets;
}

unsigned peer_checks_answered(const struct peer *peer, unsigned socket)
{
	return peer->socket[socket].answered;
}

int peer_check_error(const struct peer *peer, unsigned socket)
{
	return peer->socket[socket].error;
}

static void on_stun(struct peer *peer, unsigned socket, const uint8_t *data, size_t len)
{
	struct peer_socket *s = &peer->socket[socket];
	StunMessage msg = { .agent = &peer->stun, .buffer = (uint8_t *)data, .buffer_len = len };
	int code;

	if (len < 20 || stun_message_validate_buffer_length(data, len, true) != (int)len)
		return;
	if (stun_message_get_class(&msg) == STUN_ERROR) {
		if (stun_message_find_error(&msg, &code) == STUN_MESSAGE_RETURN_SUCCESS)
			s->error = code;
		return;
	}
	/* Of a request of ours, and under their password. */
	if (stun_agent_validate(&peer->stun, &msg, data, len, NULL, NULL) != STUN_VALIDATION_SUCCESS ||
	    stun_message_get_class(&msg) != STUN_RESPONSE)
		return;
	s->answered++;
	if (peer->state == PEER_CHECKING && socket == peer->nominated)
		(void)peer_begin_dtls(peer);
}

/* ---- DTLS ---- */

static int srtp_session(const uint8_t *keying, bool gcm, bool outbound, srtp_t *ret)
{
	uint8_t key[SRTP_MAX_KEY_LEN] = { 0 };
	srtp_policy_t policy = { .ssrc = { .type = outbound ? ssrc_any_outbound : ssrc_any_inbound },
				 .key = key,
				 .window_size = 1024 };

	memcpy(key, keying, gcm ? KEYING_GCM : KEYING_SHA1);
	if (gcm) {
		srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp);
		srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtcp);
	} else {
		srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtp);
		srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtcp);
	}
	return srtp_create(ret, &policy) == srtp_err_status_ok ? 0 : -EIO;
}

static int take_keys(struct peer *peer)
{
	uint8_t material[2 * KEYING_SHA1], client[KEYING_SHA1], server[KEYING_SHA1];
	SRTP_PROTECTION_PROFILE *selected = SSL_get_selected_srtp_profile(peer->ssl);

	if (!selected)
		return -EPROTO;
	bool gcm = selected->id == SRTP_AEAD_AES_128_GCM;
	size_t salt_len = gcm ? 12 : 14;
	if (SSL_export_keying_material(peer->ssl, material, 2 * (16 + salt_len), "EXTRACTOR-dtls_srtp", 19, NULL, 0,
				       0) != 1)
		return -EPROTO;
	memcpy(client, material, 16);
	memcpy(client + 16, material + 32, salt_len);
	memcpy(server, material + 16, 16);
	memcpy(server + 16, material + 32 + salt_len, salt_len);
	peer->profile = selected->name;
	int err = srtp_session(client, gcm, true, &peer->out);
	return err < 0 ? err : srtp_session(server, gcm, false, &peer->in);
}

static void on_dtls_timer(struct loop_timer *timer, int64_t now_us, void *arg);

static void arm_dtls(struct peer *peer)
{
	struct timeval left;

	if (DTLSv1_get_timeout(peer->ssl, &left) != 1) {
		loop_timer_stop(&peer->dtls_timer);
		return;
	}
	int64_t left_us = left.tv_sec * USEC_PER_SEC + left.tv_usec;
	loop_timer_start(peer->config.loop, &peer->dtls_timer, clock_now_us() + MAX(left_us, (int64_t)USEC_PER_MSEC),
			 on_dtls_timer, peer);
}

static void dtls_failed(struct peer *peer)
{
	ERR_error_string_n(ERR_peek_last_error(), peer->error, sizeof(peer->error));
	ERR_clear_error();
	loop_timer_stop(&peer->dtls_timer);
	move(peer, PEER_FAILED);
}

static void dtls_go_on(struct peer *peer)
{
	uint8_t unwanted[2048];
	int n;

	ERR_clear_error();
	if (!SSL_is_init_finished(peer->ssl)) {
		n = SSL_do_handshake(peer->ssl);
		if (n != 1) {
			if (SSL_get_error(peer->ssl, n) != SSL_ERROR_WANT_READ)
				dtls_failed(peer);
			else
				arm_dtls(peer);
			return;
		}
	}
	if (!peer->in) {
		loop_timer_stop(&peer->dtls_timer);
		if (take_keys(peer) < 0) {
			dtls_failed(peer);
			return;
		}
		move(peer, PEER_CONNECTED);
	}
	while ((n = SSL_read(peer->ssl, unwanted, sizeof(unwanted))) > 0)
		;
	int why = SSL_get_error(peer->ssl, n);
	if (why == SSL_ERROR_ZERO_RETURN)
		move(peer, PEER_CLOSED);
	else if (why != SSL_ERROR_WANT_READ)
		dtls_failed(peer);
}

static void on_dtls_timer(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct peer *peer = arg;

	(void)timer;
	(void)now_us;
	if (DTLSv1_handle_timeout(peer->ssl) < 0)
		dtls_failed(peer);
	else
		arm_dtls(peer);
}

int peer_begin_dtls(struct peer *peer)
{
	if (peer->state == PEER_NEW || peer->state == PEER_CHECKING) {
		move(peer, PEER_HANDSHAKE);
		dtls_go_on(peer);
	}
	return peer->state == PEER_FAILED ? -EPROTO : 0;
}

void peer_close(struct peer *peer)
{
	if (SSL_is_init_finished(peer->ssl))
		SSL_shutdown(peer->ssl);
	ERR_clear_error();
	loop_timer_stop(&peer->check_timer);
	move(peer, PEER_CLOSED);
}

/* ---- media ---- */

static int send_protected(struct peer *peer, const uint8_t *packet, size_t len,
			  srtp_err_status_t (*protect)(srtp_t, void *, int *))
{
	uint8_t sealed[PEER_DATAGRAM_MAX + SRTP_MAX_TRAILER_LEN + 4] __attribute__((aligned(16)));
	int n = (int)len;

	if (!peer->out)
		return -ENOTCONN;
	if (len > PEER_DATAGRAM_MAX)
		return -EMSGSIZE;
	memcpy(sealed, packet, len);
	if (protect(peer->out, sealed, &n) != srtp_err_status_ok)
		return -EPROTO;
	send_datagram(peer, peer->nominated, sealed, (size_t)n);
	return 0;
}

int peer_send_rtp(struct peer *peer, const uint8_t *packet, size_t len)
{
	return send_protected(peer, packet, len, srtp_protect);
}

int peer_send_rtcp(struct peer *peer, const uint8_t *packet, size_t len)
{
	return send_protected(peer, packet, len, srtp_protect_rtcp);
}

static void on_media(struct peer *peer, unsigned socket, uint8_t *data, size_t len)
{
	bool rtcp = len > 1 && data[1] >= 192 && data[1] <= 223;
	int n = (int)len;

	if (!peer->in)
		return;
	srtp_err_status_t status = rtcp ? srtp_unprotect_rtcp(peer->in, data, &n) : srtp_unprotect(peer->in, data, &n);
	/* The second one is from further back than libsrtp remembers. */
	peer->replayed += status == srtp_err_status_replay_fail || status == srtp_err_status_replay_old;
	if (status != srtp_err_status_ok)
		return;
	if (rtcp && peer->ops.on_rtcp)
		peer->ops.on_rtcp(peer, socket, data, (size_t)n, peer->config.arg);
	else if (!rtcp && peer->ops.on_rtp)
		peer->ops.on_rtp(peer, socket, data, (size_t)n, peer->config.arg);
}

uint64_t peer_replayed(const struct peer *peer)
{
	return peer->replayed;
}

void peer_on_datagram(struct peer *peer, unsigned socket, uint8_t *data, size_t len)
{
	if (peer->ops.on_receive && !peer->ops.on_receive(peer, socket, data, len, peer->config.arg))
		return;
	if (len == 0)
		return;
	if (data[0] <= 3) {
		on_stun(peer, socket, data, len);
	} else if (data[0] >= 20 && data[0] <= 63) {
		if (peer->state != PEER_HANDSHAKE && peer->state != PEER_CONNECTED)
			return;
		peer->datagram = data;
		peer->datagram_len = len;
		dtls_go_on(peer);
		peer->datagram = NULL;
	} else if (data[0] >= 128 && data[0] <= 191) {
		on_media(peer, socket, data, len);
	}
}
