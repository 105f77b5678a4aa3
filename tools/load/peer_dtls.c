#include "tools/load/peer_internal.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string.h>

enum { KEYING_GCM = 16 + 12, KEYING_SHA1 = 16 + 14 };

/* ---- identity: one certificate for all ---- */

static struct {
	SSL_CTX *ssl;
	BIO_METHOD *wire;
	uint8_t fingerprint[32];
} shared;

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

/* ---- wire ---- */

static int wire_write(BIO *bio, const char *data, int len)
{
	struct peer *peer = BIO_get_data(bio);

	peer_send_datagram(peer, peer->nominated, (const uint8_t *)data, (size_t)len);
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

int peer_dtls_new(struct peer *peer)
{
	const struct peer_config *config = &peer->config;
	const char *profiles = config->profiles;
	BIO *wire = BIO_new(shared.wire);

	peer->ssl = SSL_new(shared.ssl);
	if (!peer->ssl || !wire) {
		BIO_free(wire);
		SSL_free(peer->ssl);
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
	return 0;
}

void peer_dtls_free(struct peer *peer)
{
	loop_timer_stop(&peer->dtls_timer);
	SSL_free(peer->ssl);
	if (peer->in)
		srtp_dealloc(peer->in);
	if (peer->out)
		srtp_dealloc(peer->out);
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
	peer_move(peer, PEER_FAILED);
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
		peer_move(peer, PEER_CONNECTED);
	}
	while ((n = SSL_read(peer->ssl, unwanted, sizeof(unwanted))) > 0)
		;
	int why = SSL_get_error(peer->ssl, n);
	if (why == SSL_ERROR_ZERO_RETURN)
		peer_move(peer, PEER_CLOSED);
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
		peer_move(peer, PEER_HANDSHAKE);
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
	peer_move(peer, PEER_CLOSED);
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
	peer_send_datagram(peer, peer->nominated, sealed, (size_t)n);
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

void peer_on_media(struct peer *peer, unsigned socket, uint8_t *data, size_t len)
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

void peer_on_dtls(struct peer *peer, const uint8_t *data, size_t len)
{
	peer->datagram = data;
	peer->datagram_len = len;
	dtls_go_on(peer);
	peer->datagram = NULL;
}

uint64_t peer_replayed(const struct peer *peer)
{
	return peer->replayed;
}
