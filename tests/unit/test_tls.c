/* links: workers master */
/* A page that comes back is not asked for a whole handshake, whichever worker it meets. */
#include "tests/support/cm.h"

#include "lib/err.h"
#include "master/certificate.h"
#include "workers/tls.h"

#include <openssl/err.h>
#include <string.h>

static struct buf pem;
static SSL_SESSION *session;

static SSL_CTX *worker_new(uint8_t key)
{
	uint8_t tickets[TLS_TICKET_KEYS_MIN];
	const struct tls_material m = {
		.cert = (const char *)pem.data,
		.cert_len = pem.len,
		.key = (const char *)pem.data,
		.key_len = pem.len,
		.tickets = tickets,
		.tickets_len = sizeof(tickets),
	};
	const char *why;
	SSL_CTX *ctx;

	memset(tickets, key, sizeof(tickets));
	assert_int_equal(tls_context_new(&m, &ctx, &why), 0);
	return ctx;
}

static int on_session(SSL *ssl, SSL_SESSION *s)
{
	(void)ssl;
	SSL_SESSION_free(session);
	session = s;
	return 1;
}

static SSL_CTX *browser_new(int version)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	assert_non_null(ctx);
	assert_int_equal(SSL_CTX_set_max_proto_version(ctx, version), 1);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, on_session);
	return ctx;
}

/* Shakes hands, and lets the client hear its tickets. Was a session resumed? */
static bool connects(SSL_CTX *worker, SSL_CTX *browser, int version, const char *cipher)
{
	SSL *server = SSL_new(worker), *client = SSL_new(browser);
	BIO *a, *b;
	char byte = 'x';

	assert_int_equal(BIO_new_bio_pair(&a, 0, &b, 0), 1);
	SSL_set_bio(server, a, a);
	SSL_set_bio(client, b, b);
	SSL_set_accept_state(server);
	SSL_set_connect_state(client);
	if (session)
		assert_int_equal(SSL_set_session(client, session), 1);
	for (int i = 0; i < 10 && !(SSL_is_init_finished(server) && SSL_is_init_finished(client)); i++) {
		SSL_do_handshake(client);
		SSL_do_handshake(server);
	}
	ERR_clear_error();
	assert_true(SSL_is_init_finished(server) && SSL_is_init_finished(client));
	assert_int_equal(SSL_version(client), version);
	assert_string_equal(SSL_get_cipher(client), cipher);
	assert_int_equal(SSL_write(server, &byte, 1), 1);
	assert_int_equal(SSL_read(client, &byte, 1), 1);
	bool resumed = SSL_session_reused(client);
	assert_int_equal(SSL_session_reused(server), resumed);
	SSL_set_shutdown(client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(server);
	SSL_free(client);
	return resumed;
}

static void a_session_goes_on_at_any_worker(void **state)
{
	static const struct {
		int version;
		const char *cipher;
	} kinds[] = { { TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256" },
		      { TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256" } };

	(void)state;
	assert_int_equal(certificate_make_dtls(&pem), 0);
	SSL_CTX *one = worker_new(1), *two = worker_new(1), *stranger = worker_new(2);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		SSL_CTX *browser = browser_new(kinds[i].version);
		assert_false(connects(one, browser, kinds[i].version, kinds[i].cipher));
		assert_non_null(session);
		assert_true(connects(two, browser, kinds[i].version, kinds[i].cipher));
		assert_true(connects(one, browser, kinds[i].version, kinds[i].cipher));
		/* Of another installation: a whole handshake, no failure. */
		assert_false(connects(stranger, browser, kinds[i].version, kinds[i].cipher));
		SSL_SESSION_free(session);
		session = NULL;
		SSL_CTX_free(browser);
	}
	tls_context_free(one);
	tls_context_free(two);
	tls_context_free(stranger);
	buf_fini(&pem);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_session_goes_on_at_any_worker) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
