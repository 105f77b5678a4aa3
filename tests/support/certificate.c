#include "tests/support/certificate.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

char *certificate_make(size_t *ret_len)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	BIO *text = BIO_new(BIO_s_mem());
	char *pem;

	ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
	X509_gmtime_adj(X509_getm_notBefore(x), -86400);
	X509_gmtime_adj(X509_getm_notAfter(x), 30L * 86400);
	X509_set_pubkey(x, key);
	X509_sign(x, key, EVP_sha256());
	PEM_write_bio_X509(text, x);
	PEM_write_bio_PrivateKey(text, key, NULL, NULL, 0, NULL, NULL);
	long len = BIO_get_mem_data(text, &pem);
	char *copy = len > 0 ? malloc((size_t)len + 1) : NULL;
	if (!copy)
		abort();
	memcpy(copy, pem, (size_t)len);
	copy[len] = 0;
	*ret_len = (size_t)len;
	BIO_free(text);
	X509_free(x);
	EVP_PKEY_free(key);
	return copy;
}
