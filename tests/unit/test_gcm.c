/* links: mediad */
#include "mediad/gcm.h"
#include "tests/support/cm.h"

#include <stdlib.h>
#include <string.h>

static uint8_t key[GCM_KEY_LEN];

static int setup(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(i * 29 + 5);
	return gcm_start();
}

static int teardown(void **state)
{
	(void)state;
	gcm_stop();
	return 0;
}

/* NIST SP 800-38D's validation vectors (gcmEncryptExtIV128): no text, and a block of zeros. */
static void encrypts_as_the_standard_says(void **state)
{
	(void)state;
	static const uint8_t zero[GCM_KEY_LEN];
	static const uint8_t tag_of_nothing[] = { 0x58, 0xe2, 0xfc, 0xce, 0xfa, 0x7e, 0x30, 0x61,
						  0x36, 0x7f, 0x1d, 0x57, 0xa4, 0xe7, 0x45, 0x5a };
	static const uint8_t block[] = { 0x03, 0x88, 0xda, 0xce, 0x60, 0xb6, 0xa3, 0x92, 0xf3, 0x28, 0xc2,
					 0xb9, 0x71, 0xb2, 0xfe, 0x78, 0xab, 0x6e, 0x47, 0xd4, 0x2c, 0xec,
					 0x13, 0xbd, 0xf5, 0x3a, 0x67, 0xb2, 0x12, 0x57, 0xbd, 0xdf };
	uint8_t text[32];
	struct gcm *gcm[2];

	assert_int_equal(gcm_new(zero, &gcm[0]), 0);
	assert_int_equal(gcm_new_evp(zero, &gcm[1]), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(gcm_seal(gcm[i], zero, zero, 0, text, 0), 0);
		assert_memory_equal(text, tag_of_nothing, sizeof(tag_of_nothing));
		memset(text, 0, 16);
		assert_int_equal(gcm_seal(gcm[i], zero, zero, 0, text, 16), 0);
		assert_memory_equal(text, block, sizeof(block));
		gcm_free(gcm[i]);
	}
}

static void writes_the_same_bytes_either_way(void **state)
{
	(void)state;
	uint8_t iv[GCM_IV_LEN], aad[80], one[1600 + GCM_TAG_LEN], other[sizeof(one)];
	struct gcm *best, *evp;

	print_message("the best way here: %s\n", gcm_name());
	assert_int_equal(gcm_new(key, &best), 0);
	assert_int_equal(gcm_new_evp(key, &evp), 0);
	srandom(41);
	for (unsigned round = 0; round < 4000; round++) {
		size_t len = round < 1600 ? round : (size_t)random() % 1600, aad_len = 12 + (size_t)random() % 68;
		size_t at = (size_t)random() % 16 % (1600 - len + 1); /* wherever the text begins */
		for (unsigned i = 0; i < sizeof(iv); i++)
			iv[i] = (uint8_t)random();
		for (unsigned i = 0; i < sizeof(aad); i++)
			aad[i] = (uint8_t)random();
		for (unsigned i = 0; i < sizeof(one); i++)
			one[i] = (uint8_t)random();
		memcpy(other, one, sizeof(one));
		assert_int_equal(gcm_seal(best, iv, aad, aad_len, one + at, len), 0);
		assert_int_equal(gcm_seal(evp, iv, aad, aad_len, other + at, len), 0);
		assert_memory_equal(one, other, sizeof(one));
	}
	gcm_free(best);
	gcm_free(evp);
}

static void starts_twice_and_frees_nothing(void **state)
{
	(void)state;
	assert_null(gcm_free(NULL));
	assert_int_equal(gcm_start(), 0);
	assert_true(strcmp(gcm_name(), "ipsec-mb") == 0 || strcmp(gcm_name(), "OpenSSL") == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encrypts_as_the_standard_says),
		cmocka_unit_test(writes_the_same_bytes_either_way),
		cmocka_unit_test(starts_twice_and_frees_nothing),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
