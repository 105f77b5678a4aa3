/* links: mediad */
#include "mediad/dtls.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Datagrams, each behind its length in two bytes, into a fresh server. */

static struct dtls_context *make_context(void)
{
	struct dtls_context *context;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	BIO *text = BIO_new(BIO_s_mem());
	char *pem;

	X509_gmtime_adj(X509_getm_notBefore(x), -86400);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_set_pubkey(x, key);
	X509_sign(x, key, EVP_sha256());
	PEM_write_bio_X509(text, x);
	PEM_write_bio_PrivateKey(text, key, NULL, NULL, 0, NULL, NULL);
	long len = BIO_get_mem_data(text, &pem);
	if (dtls_context_new(pem, (size_t)len, &context) < 0)
		abort();
	BIO_free(text);
	X509_free(x);
	EVP_PKEY_free(key);
	return context;
}

static void on_send(void *arg, const uint8_t *data, size_t len)
{
	unsigned *sum = arg;

	if (len == 0 || len > DTLS_MTU)
		abort();
	for (size_t i = 0; i < len; i++)
		*sum += data[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct dtls_context *context;
	static const uint8_t fingerprint[32];
	struct dtls_keys keys;
	struct dtls *dtls;
	unsigned sum = 0;

	if (!context)
		context = make_context();
	if (dtls_new(context, fingerprint, on_send, &sum, &dtls) < 0)
		return 0;
	while (len >= 2) {
		size_t n = MIN((size_t)(data[0] << 8 | data[1]), len - 2);
		/* Exactly as long as it says, so that a sanitizer sees one byte too far. */
		uint8_t *datagram = malloc(n ? n : 1);
		if (!datagram)
			break;
		memcpy(datagram, data + 2, n);
		/* Nobody can show the certificate of that fingerprint. */
		if (dtls_on_datagram(dtls, datagram, n) == DTLS_DONE)
			abort();
		free(datagram);
		data += 2 + n;
		len -= 2 + n;
		(void)dtls_timeout_us(dtls);
	}
	if (dtls_keys(dtls, &keys) == 0)
		abort();
	dtls_close(dtls);
	dtls_free(dtls);
	return 0;
}
