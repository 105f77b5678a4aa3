/* links: master */
#include "master/certificate.h"

#include "lib/cleanup.h"
#include "lib/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

/* A fresh pair of files in a folder of its own. */
struct pair {
	char dir[32], cert[64], key[64];
};

static void write_file(const char *path, const void *data, size_t len)
{
	auto_fclose FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
}

static void pair_make(struct pair *pair)
{
	struct buf pem = { 0 };

	strcpy(pair->dir, "/tmp/parley-cert-XXXXXX");
	assert_non_null(mkdtemp(pair->dir));
	snprintf(pair->cert, sizeof(pair->cert), "%s/cert.pem", pair->dir);
	snprintf(pair->key, sizeof(pair->key), "%s/key.pem", pair->dir);
	assert_int_equal(certificate_make_dtls(&pem), 0);
	buf_append(&pem, "", 1);
	const char *text = (const char *)pem.data, *key = strstr(text, "-----BEGIN PRIVATE KEY");
	assert_non_null(key);
	write_file(pair->cert, text, (size_t)(key - text));
	write_file(pair->key, key, strlen(key));
	buf_fini(&pem);
}

static void pair_remove(struct pair *pair)
{
	unlink(pair->cert);
	unlink(pair->key);
	rmdir(pair->dir);
}

static void expect_refusal(const char *cert, const char *key, const char *what)
{
	struct certificate c;
	struct conf_error error = { "" };

	assert_true(certificate_load(cert, key, &c, &error) < 0);
	if (!strstr(error.text, what))
		fail_msg("'%s' lacks '%s'", error.text, what);
}

static void a_good_pair_is_loaded(void **state)
{
	struct pair pair;
	struct certificate c;
	struct conf_error error = { "" };
	int64_t now_s = clock_realtime_us() / USEC_PER_SEC;

	(void)state;
	pair_make(&pair);
	assert_int_equal(certificate_load(pair.cert, pair.key, &c, &error), 0);
	assert_true(c.not_before_s < now_s && c.not_after_s > now_s + 700 * INT64_C(86400));
	assert_memory_equal(c.cert.data, "-----BEGIN CERTIFICATE", 22);
	assert_memory_equal(c.key.data, "-----BEGIN PRIVATE KEY", 22);
	certificate_fini(&c);
	pair_remove(&pair);
}

static void bad_pairs_are_refused(void **state)
{
	struct pair a, b;

	(void)state;
	pair_make(&a);
	pair_make(&b);
	expect_refusal(a.cert, b.key, "the key does not belong to the certificate");
	expect_refusal(a.key, a.key, "no certificate in PEM form");
	expect_refusal(a.cert, a.cert, "no private key in PEM form");
	expect_refusal("/nonexistent", a.key, "server.tls_cert: /nonexistent: No such file or directory");
	expect_refusal(a.cert, "/nonexistent", "server.tls_key: /nonexistent: No such file or directory");
	expect_refusal(a.dir, a.key, "Is a directory");
	write_file(b.cert, "", 0);
	expect_refusal(b.cert, a.key, "no certificate in PEM form");
	pair_remove(&a);
	pair_remove(&b);
}

static void each_dtls_certificate_is_new(void **state)
{
	struct buf a = { 0 }, b = { 0 };

	(void)state;
	assert_int_equal(certificate_make_dtls(&a), 0);
	assert_int_equal(certificate_make_dtls(&b), 0);
	assert_true(a.len != b.len || memcmp(a.data, b.data, a.len) != 0);
	buf_fini(&a);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_pair_is_loaded),
		cmocka_unit_test(bad_pairs_are_refused),
		cmocka_unit_test(each_dtls_certificate_is_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
