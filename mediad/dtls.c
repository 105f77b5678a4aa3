#include "mediad/dtls.h"

#include "lib/clock.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdlib.h>

enum {
	FIRST_TIMEOUT_US = 200 * 1000,
	LAST_TIMEOUT_US = 3 * 1000 * 1000,
	CERTIFICATES_MAX = 16 * 1024, /* bytes of the client's chain */
};

static const char srtp_label[] = "EXTRACTOR-dtls_srtp";

struct dtls_context {
	SSL_CTX *ssl;
	BIO_METHOD *wire;
	uint8_t fingerprint[32];
};

struct dtls {
	SSL *ssl;
	dtls_send *send;
	void *arg;
	const uint8_t *datagram; /* the one being read; NULL when it is */
	size_t datagram_len;
	enum dtls_state state;
	uint8_t fingerprint[32];
	char error[128];
};

/* The wire: a read gives the one datagram at hand, a write sends one. */
static int wire_write(BIO *bio, const char *data, int len)
{
	struct dtls *dtls = BIO_get_data(bio);

	dtls->send(dtls->arg, (const uint8_t *)data, (size_t)len);
	return len;
}

static int wire_read(BIO *bio, char *buf, int len)
{
	struct dtls *dtls = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (!dtls->datagram || len <= 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	size_t n = MIN((size_t)len, dtls->datagram_len);
	memcpy(buf, dtls->datagram, n);
	dtls->datagram = NULL;
	return (int)n;
}

static long wire_ctrl(BIO *bio, int cmd, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	switch (cmd) {
	case BIO_CTRL_FLUSH:
		return 1;
	case BIO_CTRL_DGRAM_QUERY_MTU:
	case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
		return DTLS_MTU;
	default:
		return 0;
	}
}

static BIO_METHOD *wire_method(void)
{
	BIO_METHOD *wire = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "dtls wire");

	if (!wire)
		return NULL;
	BIO_meth_set_write(wire, wire_write);
	BIO_meth_set_read(wire, wire_read);
	BIO_meth_set_ctrl(wire, wire_ctrl);
	return wire;
}

/* Instead of chain building: browsers' certificates are self-signed, the offer's fingerprint vouches for them.
 * That the client holds the key is proved by CertificateVerify, which OpenSSL checks. */
static int on_certificate(X509_STORE_CTX *store, void *arg)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct dtls *dtls = SSL_get_app_data(ssl);
	X509 *certificate = X509_STORE_CTX_get0_cert(store);
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	(void)arg;
	if (certificate && X509_digest(certificate, EVP_sha256(), digest, &len) == 1 &&
	    len == sizeof(dtls->fingerprint) && memcmp(digest, dtls->fingerprint, len) == 0)
		return 1;
	dtls->state = DTLS_REFUSED;
	X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
	return 0;
}

static unsigned on_repeat(SSL *ssl, unsigned previous_us)
{
	(void)ssl;
	return previous_us == 0 ? FIRST_TIMEOUT_US : MIN(previous_us * 2, (unsigned)LAST_TIMEOUT_US);
}

static int load_identity(struct dtls_context *context, const char *pem, size_t len)
{
	BIO *text = BIO_new_mem_buf(pem, (int)len);
	X509 *certificate = text ? PEM_read_bio_X509(text, NULL, NULL, NULL) : NULL;
	EVP_PKEY *key = NULL;
	unsigned digest_len = 0;
	int err = -EINVAL;

	BIO_free(text);
	/* From the start again: the key may stand before the certificate. */
	text = BIO_new_mem_buf(pem, (int)len);
	if (text)
		key = PEM_read_bio_PrivateKey(text, NULL, NULL, NULL);
	if (certificate && key && SSL_CTX_use_certificate(context->ssl, certificate) == 1 &&
	    SSL_CTX_use_PrivateKey(context->ssl, key) == 1 && SSL_CTX_check_private_key(context->ssl) == 1 &&
	    X509_digest(certificate, EVP_sha256(), context->fingerprint, &digest_len) == 1)
		err = 0;
	X509_free(certificate);
	EVP_PKEY_free(key);
	BIO_free(text);
	return err;
}

int dtls_context_new(const char *pem, size_t len, struct dtls_context **ret_context)
{
	struct dtls_context *context = calloc(1, sizeof(*context));
	int err = -ENOMEM;

	if (!context)
		return -ENOMEM;
	context->wire = wire_method();
	context->ssl = SSL_CTX_new(DTLS_server_method());
	if (!context->ssl || !context->wire)
		goto fail;
	err = load_identity(context, pem, len);
	if (err < 0)
		goto fail;
	err = -EINVAL;
	SSL_CTX_set_options(context->ssl, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
						  SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(context->ssl, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(context->ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_max_cert_list(context->ssl, CERTIFICATES_MAX);
	SSL_CTX_set_read_ahead(context->ssl, 1);
	SSL_CTX_set_verify(context->ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(context->ssl, on_certificate, NULL);
	if (SSL_CTX_set_min_proto_version(context->ssl, DTLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_cipher_list(context->ssl, "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL") != 1 ||
	    SSL_CTX_set1_groups_list(context->ssl, "X25519:P-256:P-384") != 1 ||
	    SSL_CTX_set_tlsext_use_srtp(context->ssl, "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80") != 0)
		goto fail;
	*ret_context = context;
	return 0;
fail:
	ERR_clear_error();
	dtls_context_free(context);
	return err;
}

struct dtls_context *dtls_context_free(struct dtls_context *context)
{
	if (!context)
		return NULL;
	SSL_CTX_free(context->ssl);
	BIO_meth_free(context->wire);
	free(context);
	return NULL;
}

const uint8_t *dtls_context_fingerprint(const struct dtls_context *context)
{
	return context->fingerprint;
}

int dtls_new(struct dtls_context *context, const uint8_t peer_fingerprint[32], dtls_send *send, void *arg,
	     struct dtls **ret_dtls)
{
	struct dtls *dtls = calloc(1, sizeof(*dtls));
	BIO *wire = NULL;

	if (!dtls)
		return -ENOMEM;
	dtls->send = send;
	dtls->arg = arg;
	memcpy(dtls->fingerprint, peer_fingerprint, sizeof(dtls->fingerprint));
	dtls->ssl = SSL_new(context->ssl);
	wire = BIO_new(context->wire);
	if (!dtls->ssl || !wire) {
		BIO_free(wire);
		dtls_free(dtls);
		return -ENOMEM;
	}
	BIO_set_data(wire, dtls);
	BIO_set_init(wire, 1);
	SSL_set_bio(dtls->ssl, wire, wire);
	SSL_set_app_data(dtls->ssl, dtls);
	SSL_set_mtu(dtls->ssl, DTLS_MTU);
	DTLS_set_timer_cb(dtls->ssl, on_repeat);
	SSL_set_accept_state(dtls->ssl);
	*ret_dtls = dtls;
	return 0;
}

struct dtls *dtls_free(struct dtls *dtls)
{
	if (!dtls)
		return NULL;
	SSL_free(dtls->ssl);
	free(dtls);
	return NULL;
}

static void fail(struct dtls *dtls)
{
	unsigned long code = ERR_peek_last_error();

	if (code != 0)
		ERR_error_string_n(code, dtls->error, sizeof(dtls->error));
	if (dtls->state != DTLS_REFUSED)
		dtls->state = DTLS_FAILED;
	ERR_clear_error();
}

/* After the handshake only alerts and repeated flights come; application data is nobody's. */
static void read_rest(struct dtls *dtls)
{
	uint8_t unwanted[2048];
	int n;

	do {
		ERR_clear_error();
		n = SSL_read(dtls->ssl, unwanted, sizeof(unwanted));
	} while (n > 0);
	int why = SSL_get_error(dtls->ssl, n);
	if (why == SSL_ERROR_ZERO_RETURN)
		dtls->state = DTLS_CLOSED;
	else if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
		fail(dtls);
}

static void go_on(struct dtls *dtls)
{
	if (dtls->state == DTLS_HANDSHAKE) {
		ERR_clear_error();
		int n = SSL_do_handshake(dtls->ssl);
		if (n == 1) {
			dtls->state = DTLS_DONE;
		} else {
			int why = SSL_get_error(dtls->ssl, n);
			if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
				fail(dtls);
		}
	}
	if (dtls->state == DTLS_DONE)
		read_rest(dtls);
}

enum dtls_state dtls_on_datagram(struct dtls *dtls, const uint8_t *data, size_t len)
{
	/* Not even a record's header: to OpenSSL an empty read would be the end of the wire. */
	if (len < DTLS1_RT_HEADER_LENGTH || (dtls->state != DTLS_HANDSHAKE && dtls->state != DTLS_DONE))
		return dtls->state;
	dtls->datagram = data;
	dtls->datagram_len = len;
	go_on(dtls);
	dtls->datagram = NULL;
	return dtls->state;
}

int64_t dtls_timeout_us(const struct dtls *dtls)
{
	struct timeval left;

	if (dtls->state != DTLS_HANDSHAKE || DTLSv1_get_timeout(dtls->ssl, &left) != 1)
		return -1;
	return left.tv_sec * USEC_PER_SEC + left.tv_usec;
}

enum dtls_state dtls_on_timer(struct dtls *dtls)
{
	if (dtls->state != DTLS_HANDSHAKE)
		return dtls->state;
	ERR_clear_error();
	if (DTLSv1_handle_timeout(dtls->ssl) < 0)
		fail(dtls);
	return dtls->state;
}

int dtls_keys(struct dtls *dtls, struct dtls_keys *ret_keys)
{
	uint8_t material[2 * SRTP_KEYING_MAX];
	const SRTP_PROTECTION_PROFILE *selected = SSL_get_selected_srtp_profile(dtls->ssl);

	if (dtls->state != DTLS_DONE || !selected)
		return -EPROTO;
	enum srtp_profile profile = (enum srtp_profile)selected->id;
	size_t key_len = srtp_key_len(profile), salt_len = srtp_salt_len(profile);
	if (key_len == 0 || SSL_export_keying_material(dtls->ssl, material, 2 * (key_len + salt_len), srtp_label,
						       sizeof(srtp_label) - 1, NULL, 0, 0) != 1)
		return -EPROTO;
	/* Client key, server key, client salt, server salt (RFC 5764, 4.2). */
	ret_keys->profile = profile;
	memset(ret_keys->rx, 0, sizeof(ret_keys->rx));
	memset(ret_keys->tx, 0, sizeof(ret_keys->tx));
	memcpy(ret_keys->rx, material, key_len);
	memcpy(ret_keys->tx, material + key_len, key_len);
	memcpy(ret_keys->rx + key_len, material + 2 * key_len, salt_len);
	memcpy(ret_keys->tx + key_len, material + 2 * key_len + salt_len, salt_len);
	explicit_bzero(material, sizeof(material));
	return 0;
}

void dtls_close(struct dtls *dtls)
{
	if (dtls->state != DTLS_DONE && dtls->state != DTLS_CLOSED)
		return;
	ERR_clear_error();
	SSL_shutdown(dtls->ssl);
	ERR_clear_error();
}

const char *dtls_error(const struct dtls *dtls)
{
	return dtls->error;
}
