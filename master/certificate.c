#include "master/certificate.h"

#include "lib/cleanup.h"
#include "lib/ids.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define PEM_MAX		(256 * 1024)
#define DTLS_VALID_DAYS 730

/* One of the two files. */
struct file {
	const char *key, *path;
};

static int fail(struct conf_error *ret_error, int err, const struct file *file, const char *what)
{
	snprintf(ret_error->text, sizeof(ret_error->text), "%s: %.300s: %s", file->key, file->path, what);
	return err;
}

static int read_file(const struct file *file, struct buf *ret_text, struct conf_error *ret_error)
{
	auto_close int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0) {
		int err = -errno;
		return fail(ret_error, err, file, strerror(-err));
	}
	for (;;) {
		uint8_t *room = buf_reserve(ret_text, 4096);
		ssize_t n = room ? read(fd, room, 4096) : -1;
		if (n < 0) {
			int err = room ? -errno : -ENOMEM;
			return fail(ret_error, err, file, strerror(-err));
		}
		if (n == 0)
			return 0;
		ret_text->len += (size_t)n;
		if (ret_text->len > PEM_MAX)
			return fail(ret_error, -EFBIG, file, "too large for a PEM file");
	}
}

/* A key with a pass phrase is an error, never a question on the terminal. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	*(bool *)arg = true;
	return -1;
}

static X509 *parse_cert(const struct buf *pem)
{
	BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

	BIO_free(bio);
	return cert;
}

static EVP_PKEY *parse_key(const struct buf *pem, bool *ret_encrypted)
{
	BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, ret_encrypted) : NULL;

	BIO_free(bio);
	return key;
}

static int64_t time_of(const ASN1_TIME *t)
{
	struct tm tm = { 0 };

	return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static int check_pair(const struct file *cert_file, const struct file *key_file, struct certificate *c,
		      struct conf_error *ret_error)
{
	bool encrypted = false;
	X509 *cert = parse_cert(&c->cert);
	EVP_PKEY *key = parse_key(&c->key, &encrypted);
	int err = 0;

	if (!cert)
		err = fail(ret_error, -EINVAL, cert_file, "no certificate in PEM form in this file");
	else if (!key && encrypted)
		err = fail(ret_error, -EINVAL, key_file, "the key has a pass phrase; store it without one");
	else if (!key)
		err = fail(ret_error, -EINVAL, key_file, "no private key in PEM form in this file");
	else if (X509_check_private_key(cert, key) != 1)
		err = fail(ret_error, -EINVAL, key_file, "the key does not belong to the certificate");
	if (err == 0) {
		c->not_after_s = time_of(X509_get0_notAfter(cert));
		c->not_before_s = time_of(X509_get0_notBefore(cert));
	}
	X509_free(cert);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return err;
}

int certificate_load(const char *cert_path, const char *key_path, struct certificate *ret_certificate,
		     struct conf_error *ret_error)
{
	const struct file cert_file = { "server.tls_cert", cert_path }, key_file = { "server.tls_key", key_path };
	struct certificate c = { 0 };
	int err = read_file(&cert_file, &c.cert, ret_error);

	if (err == 0)
		err = read_file(&key_file, &c.key, ret_error);
	if (err == 0)
		err = check_pair(&cert_file, &key_file, &c, ret_error);
	if (err < 0) {
		certificate_fini(&c);
		return err;
	}
	*ret_certificate = c;
	return 0;
}

void certificate_fini(struct certificate *certificate)
{
	if (certificate->key.data)
		OPENSSL_cleanse(certificate->key.data, certificate->key.cap);
	buf_fini(&certificate->cert);
	buf_fini(&certificate->key);
}

static bool fill(X509 *cert, EVP_PKEY *key)
{
	uint64_t serial;
	X509_NAME *name = X509_get_subject_name(cert);

	random_bytes(&serial, sizeof(serial));
	return X509_set_version(cert, X509_VERSION_3) &&
	       ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial >> 1 | 1) &&
	       X509_gmtime_adj(X509_getm_notBefore(cert), -24L * 3600) &&
	       X509_gmtime_adj(X509_getm_notAfter(cert), DTLS_VALID_DAYS * 24L * 3600) &&
	       X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"parley", -1, -1, 0) &&
	       X509_set_issuer_name(cert, name) && X509_set_pubkey(cert, key) && X509_sign(cert, key, EVP_sha256());
}

int certificate_make_dtls(struct buf *ret_pem)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	BIO *bio = BIO_new(BIO_s_mem());
	char *data;
	int err = -ENOMEM;

	if (key && cert && bio && fill(cert, key) && PEM_write_bio_X509(bio, cert) &&
	    PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)) {
		long len = BIO_get_mem_data(bio, &data);
		buf_append(ret_pem, data, (size_t)len);
		err = ret_pem->failed ? -ENOMEM : 0;
	}
	BIO_free(bio);
	X509_free(cert);
	EVP_PKEY_free(key);
	return err;
}
