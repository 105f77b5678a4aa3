/* links: mediad */
#include "mediad/srtp.h"
#include "tests/support/cm.h"

#include <srtp2/srtp.h>
#include <stdlib.h>
#include <string.h>

static const enum srtp_profile profiles[] = { SRTP_AEAD_AES_128_GCM, SRTP_AES128_CM_SHA1_80 };

static uint8_t keying[SRTP_KEYING_MAX];

static int setup(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(keying); i++)
		keying[i] = (uint8_t)(i * 37 + 11);
	return srtp_start();
}

static int teardown(void **state)
{
	(void)state;
	srtp_stop();
	return 0;
}

static srtp_t reference(enum srtp_profile profile, bool outbound)
{
	srtp_policy_t policy = { .ssrc = { .type = outbound ? ssrc_any_outbound : ssrc_any_inbound },
				 .key = keying,
				 .window_size = 1024 };
	srtp_t session;

	if (profile == SRTP_AEAD_AES_128_GCM) {
		srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp);
		srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtcp);
	} else {
		srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtp);
		srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtcp);
	}
	assert_int_equal(srtp_create(&session, &policy), srtp_err_status_ok);
	return session;
}

/* CSRCs, extension and payload vary with n. */
static size_t make_rtp(uint8_t *p, uint32_t ssrc, uint16_t seq, unsigned n)
{
	unsigned csrcs = n % 4, ext_words = n % 3;
	size_t len = 12;

	p[0] = (uint8_t)(0x80 | csrcs | (n % 2 ? 0x10 : 0));
	p[1] = 96;
	p[2] = (uint8_t)(seq >> 8);
	p[3] = (uint8_t)seq;
	memset(p + 4, (int)n, 4);
	p[8] = (uint8_t)(ssrc >> 24);
	p[9] = (uint8_t)(ssrc >> 16);
	p[10] = (uint8_t)(ssrc >> 8);
	p[11] = (uint8_t)ssrc;
	memset(p + len, 0x5a, 4 * csrcs);
	len += 4 * csrcs;
	if (n % 2) {
		p[len] = 0xbe;
		p[len + 1] = 0xde;
		p[len + 2] = 0;
		p[len + 3] = (uint8_t)ext_words;
		memset(p + len + 4, 0x10, 4 * ext_words);
		len += 4 + 4 * ext_words;
	}
	size_t payload = (n * 31) % 1100;
	for (size_t i = 0; i < payload; i++)
		p[len + i] = (uint8_t)(i * n);
	return len + payload;
}

static size_t make_rtcp(uint8_t *p, uint32_t ssrc, unsigned words)
{
	p[0] = 0x80;
	p[1] = 201;
	p[2] = 0;
	p[3] = (uint8_t)(1 + words);
	p[4] = (uint8_t)(ssrc >> 24);
	p[5] = (uint8_t)(ssrc >> 16);
	p[6] = (uint8_t)(ssrc >> 8);
	p[7] = (uint8_t)ssrc;
	memset(p + 8, 0x77, 4 * words);
	return 8 + 4 * words;
}

/* Our bytes are libsrtp's bytes, over a rollover. */
static void test_out_equals_libsrtp(void **state)
{
	uint8_t ours[2048] __attribute__((aligned(16))), theirs[2048] __attribute__((aligned(16)));

	(void)state;
	struct srtp_samples before = srtp_out_samples();
	for (unsigned k = 0; k < ARRAY_LEN(profiles); k++) {
		srtp_t session = reference(profiles[k], true);
		struct srtp_out *out;
		assert_int_equal(srtp_out_new(profiles[k], keying, &out), 0);
		for (uint64_t index = 65300; index < 65300 + 600; index++) {
			size_t len = make_rtp(ours, 0x1234abcd, (uint16_t)index, (unsigned)index), sealed = 0;
			int n = (int)len;
			memcpy(theirs, ours, len);
			assert_int_equal(srtp_protect(session, theirs, &n), srtp_err_status_ok);
			assert_int_equal(srtp_out_rtp(out, ours, len, index, &sealed), 0);
			assert_int_equal(sealed, n);
			assert_memory_equal(ours, theirs, sealed);
		}
		/* libsrtp numbers SRTCP from 1. */
		for (uint32_t index = 1; index < 50; index++) {
			size_t len = make_rtcp(ours, 0x1234abcd, index % 40), sealed = 0;
			int n = (int)len;
			memcpy(theirs, ours, len);
			assert_int_equal(srtp_protect_rtcp(session, theirs, &n), srtp_err_status_ok);
			assert_int_equal(srtp_out_rtcp(out, ours, len, index, &sealed), 0);
			assert_int_equal(sealed, n);
			assert_memory_equal(ours, theirs, sealed);
		}
		srtp_out_free(out);
		srtp_dealloc(session);
	}
	/* Now and then one was timed. */
	uint64_t packets = srtp_out_samples().packets - before.packets, sealed = ARRAY_LEN(profiles) * 600;
	assert_in_range(packets, 1, sealed / SRTP_SAMPLE_EVERY + 1);
	assert_true(srtp_out_samples().ns > before.ns);
	assert_true(srtp_out_samples().ns - before.ns < packets * SRTP_SAMPLE_MAX_NS);
}

static void test_out_refuses(void **state)
{
	uint8_t packet[2048];
	size_t sealed;
	struct srtp_out *out;

	(void)state;
	assert_int_equal(srtp_out_new(SRTP_NONE, keying, &out), -EINVAL);
	assert_int_equal(srtp_out_new(SRTP_AEAD_AES_128_GCM, keying, &out), 0);
	size_t len = make_rtp(packet, 1, 7, 1);
	assert_int_equal(srtp_out_rtp(out, packet, len, 8, &sealed), -EPROTO);
	assert_int_equal(srtp_out_rtp(out, packet, len, UINT64_C(1) << 48 | 7, &sealed), -EOVERFLOW);
	assert_int_equal(srtp_out_rtp(out, packet, 11, 7, &sealed), -EPROTO);
	packet[0] = 0x9f; /* an extension behind 15 CSRCs: beyond the packet */
	assert_int_equal(srtp_out_rtp(out, packet, 40, 7, &sealed), -EPROTO);
	packet[0] = 0x10;
	assert_int_equal(srtp_out_rtp(out, packet, len, 7, &sealed), -EPROTO);
	len = make_rtcp(packet, 1, 1);
	assert_int_equal(srtp_out_rtcp(out, packet, len, SRTCP_INDEX_MAX + 1u, &sealed), -EOVERFLOW);
	assert_int_equal(srtp_out_rtcp(out, packet, 7, 1, &sealed), -EPROTO);
	srtp_out_free(out);
}

static void test_in_follows_rollover(void **state)
{
	uint8_t packet[2048] __attribute__((aligned(16)));

	(void)state;
	for (unsigned k = 0; k < ARRAY_LEN(profiles); k++) {
		struct srtp_out *out;
		struct srtp_in *in;
		assert_int_equal(srtp_out_new(profiles[k], keying, &out), 0);
		assert_int_equal(srtp_in_new(profiles[k], keying, &in), 0);
		/* Steps of 1 and of thousands, three rollovers, and always two late ones. */
		uint64_t index = 40000;
		for (unsigned n = 0; n < 60; n++) {
			size_t len = make_rtp(packet, 5, (uint16_t)index, n), sealed, plain;
			uint64_t got;
			assert_int_equal(srtp_out_rtp(out, packet, len, index, &sealed), 0);
			assert_int_equal(srtp_in_rtp(in, packet, sealed, &plain, &got), 0);
			assert_int_equal(plain, len);
			assert_int_equal(got, index);
			index += n % 3 == 0 ? 1 : 4000;
		}
		assert_true(index > 3 * 65536);
		srtp_in_free(in);
		srtp_out_free(out);
	}
}

static void test_in_late_packets(void **state)
{
	struct {
		uint8_t packet[1500] __attribute__((aligned(16)));
		size_t len;
	} kept[100];
	struct srtp_out *out;
	struct srtp_in *in;
	size_t plain;
	uint64_t got;

	(void)state;
	assert_int_equal(srtp_out_new(SRTP_AEAD_AES_128_GCM, keying, &out), 0);
	assert_int_equal(srtp_in_new(SRTP_AEAD_AES_128_GCM, keying, &in), 0);
	for (unsigned i = 0; i < 100; i++) {
		size_t len = make_rtp(kept[i].packet, 5, (uint16_t)(65500 + i), i);
		assert_int_equal(srtp_out_rtp(out, kept[i].packet, len, 65500 + i, &kept[i].len), 0);
	}
	/* Even ones, then odd ones: those before the rollover come after it. */
	for (unsigned odd = 0; odd < 2; odd++) {
		for (unsigned i = odd; i < 100; i += 2) {
			uint8_t copy[1500] __attribute__((aligned(16)));
			memcpy(copy, kept[i].packet, kept[i].len);
			assert_int_equal(srtp_in_rtp(in, copy, kept[i].len, &plain, &got), 0);
			assert_int_equal(got, 65500 + i);
			memcpy(copy, kept[i].packet, kept[i].len);
			assert_int_equal(srtp_in_rtp(in, copy, kept[i].len, &plain, &got), -EALREADY);
		}
	}
	srtp_in_free(in);
	srtp_out_free(out);
}

static void test_in_refuses(void **state)
{
	uint8_t packet[2048] __attribute__((aligned(16))), copy[2048] __attribute__((aligned(16)));
	struct srtp_out *out;
	struct srtp_in *in;
	size_t sealed, plain;
	uint64_t got;

	(void)state;
	for (unsigned k = 0; k < ARRAY_LEN(profiles); k++) {
		assert_int_equal(srtp_out_new(profiles[k], keying, &out), 0);
		assert_int_equal(srtp_in_new(profiles[k], keying, &in), 0);
		size_t len = make_rtp(packet, 5, 100, 9);
		assert_int_equal(srtp_out_rtp(out, packet, len, 100, &sealed), 0);
		for (size_t i = 0; i < sealed; i += 7) {
			memcpy(copy, packet, sealed);
			copy[i] ^= 0x40;
			assert_true(srtp_in_rtp(in, copy, sealed, &plain, &got) < 0);
		}
		for (size_t n = 0; n < sealed; n += 5) {
			memcpy(copy, packet, n);
			assert_true(srtp_in_rtp(in, copy, n, &plain, &got) < 0);
		}
		assert_int_equal(srtp_in_rtp(in, packet, sealed, &plain, &got), 0);
		len = make_rtcp(packet, 5, 6);
		assert_int_equal(srtp_out_rtcp(out, packet, len, 3, &sealed), 0);
		memcpy(copy, packet, sealed);
		copy[sealed - 1] ^= 1;
		assert_true(srtp_in_rtcp(in, copy, sealed, &plain) < 0);
		memcpy(copy, packet, sealed);
		assert_int_equal(srtp_in_rtcp(in, copy, sealed, &plain), 0);
		assert_int_equal(plain, len);
		assert_int_equal(srtp_in_rtcp(in, packet, sealed, &plain), -EALREADY);
		assert_int_equal(srtp_in_rtcp(in, packet, 4, &plain), -EPROTO);
		srtp_in_free(in);
		srtp_out_free(out);
	}
}

static void test_in_ssrcs_are_limited(void **state)
{
	uint8_t packet[2048] __attribute__((aligned(16)));
	struct srtp_out *out;
	struct srtp_in *in;
	size_t sealed, plain;
	uint64_t got;

	(void)state;
	assert_int_equal(srtp_out_new(SRTP_AES128_CM_SHA1_80, keying, &out), 0);
	assert_int_equal(srtp_in_new(SRTP_AES128_CM_SHA1_80, keying, &in), 0);
	for (uint32_t ssrc = 1; ssrc <= SRTP_SSRCS_MAX + 5; ssrc++) {
		size_t len = make_rtp(packet, ssrc, 1, 8);
		assert_int_equal(srtp_out_rtp(out, packet, len, 1, &sealed), 0);
		assert_int_equal(srtp_in_rtp(in, packet, sealed, &plain, &got), ssrc <= SRTP_SSRCS_MAX ? 0 : -ENOSPC);
	}
	/* Those that are known go on. */
	size_t len = make_rtp(packet, 1, 2, 8);
	assert_int_equal(srtp_out_rtp(out, packet, len, 2, &sealed), 0);
	assert_int_equal(srtp_in_rtp(in, packet, sealed, &plain, &got), 0);
	srtp_in_free(in);
	srtp_out_free(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_out_equals_libsrtp),  cmocka_unit_test(test_out_refuses),
		cmocka_unit_test(test_in_follows_rollover), cmocka_unit_test(test_in_late_packets),
		cmocka_unit_test(test_in_refuses),	    cmocka_unit_test(test_in_ssrcs_are_limited),
	};

	return cmocka_run_group_tests_name("srtp", tests, setup, teardown);
}
