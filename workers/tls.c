#include "workers/tls.h"

#include "lib/err.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#define CIPHERS_TLS12                                                                              \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:" \
	"ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"

/* The cheapest first: also what keys are derived with costs less. */
#define CIPHERS_TLS13 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
		   unsigned in_len, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";
	unsigned char *chosen;

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto(&chosen, out_len, ours, sizeof(ours) - 1, in, in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* A passphrase cannot be asked for here. */
static int on_password(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

static int use_chain(SSL_CTX *ctx, BIO *bio)
{
	X509 *leaf = PEM_read_bio_X509(bio, NULL, on_password, NULL);
	X509 *next;
	int ok = leaf && SSL_CTX_use_certificate(ctx, leaf) == 1;

	X509_free(leaf);
	while (ok && (next = PEM_read_bio_X509(bio, NULL, on_password, NULL))) {
		ok = SSL_CTX_add0_chain_cert(ctx, next) == 1;
		if (!ok)
			X509_free(next);
	}
	return ok ? 0 : -EINVAL;
}

static int use_cert(SSL_CTX *ctx, const char *pem, size_t len)
{
	BIO *bio = BIO_new_mem_buf(pem, (int)len);

	if (!bio)
		return -ENOMEM;
	int err = use_chain(ctx, bio);
	BIO_free(bio);
	return err;
}

static int use_key(SSL_CTX *ctx, const char *pem, size_t len)
{
	BIO *bio = BIO_new_mem_buf(pem, (int)len);

	if (!bio)
		return -ENOMEM;
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, on_password, NULL);
	BIO_free(bio);
	int ok = key && SSL_CTX_use_PrivateKey(ctx, key) == 1 && SSL_CTX_check_private_key(ctx) == 1;
	EVP_PKEY_free(key);
	return ok ? 0 : -EINVAL;
}

static int set_parameters(SSL_CTX *ctx)
{
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF |
					 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_cipher_list(ctx, CIPHERS_TLS12) != 1 || SSL_CTX_set_ciphersuites(ctx, CIPHERS_TLS13) != 1 ||
	    SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") != 1)
		return -EINVAL;
	return 0;
}

static int set_tickets(SSL_CTX *ctx, const struct tls_material *m)
{
	uint8_t keys[TLS_TICKET_KEYS_MIN];

	if (!m->tickets)
		return 0;
	if (m->tickets_len < sizeof(keys))
		return -EINVAL;
	memcpy(keys, m->tickets, sizeof(keys));
	int ok = SSL_CTX_set_tlsext_ticket_keys(ctx, keys, sizeof(keys)) == 1;
	OPENSSL_cleanse(keys, sizeof(keys));
	return ok ? 0 : -EINVAL;
}

int tls_context_new(const struct tls_material *m, SSL_CTX **ret_ctx, const char **ret_why)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	int err = -ENOMEM;

	*ret_why = "out of memory";
	if (!ctx)
		return err;
	if ((err = set_parameters(ctx)) < 0) {
		*ret_why = "this OpenSSL does not know the ciphers or groups";
		goto fail;
	}
	if ((err = use_cert(ctx, m->cert, m->cert_len)) < 0) {
		*ret_why = "the certificate cannot be read";
		goto fail;
	}
	if ((err = use_key(ctx, m->key, m->key_len)) < 0) {
		*ret_why = "the private key cannot be read, or does not belong to the certificate";
		goto fail;
	}
	if ((err = set_tickets(ctx, m)) < 0) {
		*ret_why = "the session ticket keys are too short";
		goto fail;
	}
	ERR_clear_error(); /* the end of the chain was one */
	*ret_ctx = ctx;
	return 0;
fail:
	ERR_clear_error();
	tls_context_free(ctx);
	return err;
}

SSL_CTX *tls_context_free(SSL_CTX *ctx)
{
	SSL_CTX_free(ctx);
	return NULL;
}

bool tls_is_self_made(SSL_CTX *ctx)
{
	X509 *cert = SSL_CTX_get0_certificate(ctx);

	return cert && X509_NAME_cmp(X509_get_subject_name(cert), X509_get_issuer_name(cert)) == 0;
}

bool tls_names_host(SSL_CTX *ctx, const char *host)
{
	X509 *cert = SSL_CTX_get0_certificate(ctx);

	if (!cert || !*host)
		return false;
	return X509_check_host(cert, host, 0, 0, NULL) == 1 || X509_check_ip_asc(cert, host, 0) == 1;
}
