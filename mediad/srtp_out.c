#include "mediad/srtp.h"

#include "mediad/gcm.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <srtp2/srtp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
	KEY_LEN = GCM_KEY_LEN, /* AES-128 in both profiles */
	SALT_LEN_MAX = 14,     /* AES-CM; 12 with GCM */
	AUTH_KEY_LEN = 20,     /* HMAC-SHA1 */
	AUTH_TAG_LEN = 10,     /* HMAC-SHA1-80 */
	AEAD_TAG_LEN = GCM_TAG_LEN,
	AEAD_IV_LEN = GCM_IV_LEN,
	LABEL_RTCP = 3, /* labels 0-2 are RTP's encryption, authentication and salt; 3-5 RTCP's */
};

static struct {
	bool libsrtp;
	EVP_CIPHER *ctr;
	EVP_MAC *hmac;
} algorithms;

#ifdef PARLEY_CHECK_INDEX
struct last_index {
	uint32_t ssrc;
	bool used;
	uint64_t index;
};
#endif

/* One direction of RTP or of RTCP: keyed contexts and the session salt. */
struct half {
	struct gcm *gcm; /* or the other two: */
	EVP_CIPHER_CTX *ctr;
	EVP_MAC_CTX *mac;
	uint8_t salt[SALT_LEN_MAX];
#ifdef PARLEY_CHECK_INDEX
	struct last_index last[64];
#endif
};

struct srtp_out {
	enum srtp_profile profile;
	struct half rtp, rtcp;
};

int srtp_start(void)
{
	if (!algorithms.libsrtp && srtp_init() != srtp_err_status_ok)
		return -EIO;
	algorithms.libsrtp = true;
	algorithms.ctr = EVP_CIPHER_fetch(NULL, "AES-128-CTR", NULL);
	algorithms.hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	if (gcm_start() < 0 || !algorithms.ctr || !algorithms.hmac) {
		srtp_stop();
		return -EIO;
	}
	return 0;
}

void srtp_stop(void)
{
	gcm_stop();
	EVP_CIPHER_free(algorithms.ctr);
	EVP_MAC_free(algorithms.hmac);
	algorithms.ctr = NULL;
	algorithms.hmac = NULL;
	/* libsrtp stays up until the process ends: over NSS it cannot be started twice. */
}

size_t srtp_key_len(enum srtp_profile profile)
{
	return profile == SRTP_AEAD_AES_128_GCM || profile == SRTP_AES128_CM_SHA1_80 ? KEY_LEN : 0;
}

size_t srtp_salt_len(enum srtp_profile profile)
{
	if (profile == SRTP_AEAD_AES_128_GCM)
		return AEAD_IV_LEN;
	return profile == SRTP_AES128_CM_SHA1_80 ? SALT_LEN_MAX : 0;
}

/* RFC 3711, 4.3: key stream of AES-CM under the master key, from master salt XOR label. */
static int derive(EVP_CIPHER_CTX *prf, const uint8_t master_salt[SALT_LEN_MAX], uint8_t label, uint8_t *ret, size_t len)
{
	uint8_t iv[16] = { 0 };
	int n;

	memcpy(iv, master_salt, SALT_LEN_MAX);
	iv[7] ^= label;
	memset(ret, 0, len);
	if (EVP_EncryptInit_ex(prf, NULL, NULL, NULL, iv) != 1 || EVP_EncryptUpdate(prf, ret, &n, ret, (int)len) != 1)
		return -EIO;
	return 0;
}

static int half_init_ctr(struct half *half, const uint8_t key[KEY_LEN], const uint8_t auth[AUTH_KEY_LEN])
{
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA1", 0),
		OSSL_PARAM_construct_end(),
	};

	half->ctr = EVP_CIPHER_CTX_new();
	half->mac = EVP_MAC_CTX_new(algorithms.hmac);
	if (!half->ctr || !half->mac)
		return -ENOMEM;
	return EVP_EncryptInit_ex(half->ctr, algorithms.ctr, NULL, key, NULL) == 1 &&
			       EVP_MAC_init(half->mac, auth, AUTH_KEY_LEN, params) == 1
		       ? 0
		       : -EIO;
}

static int half_init(struct half *half, enum srtp_profile profile, EVP_CIPHER_CTX *prf,
		     const uint8_t master_salt[SALT_LEN_MAX], uint8_t label)
{
	uint8_t key[KEY_LEN], auth[AUTH_KEY_LEN];
	int err = -EIO;

	if (derive(prf, master_salt, label, key, sizeof(key)) == 0 &&
	    derive(prf, master_salt, label + 1, auth, sizeof(auth)) == 0 &&
	    derive(prf, master_salt, label + 2, half->salt, srtp_salt_len(profile)) == 0)
		err = profile == SRTP_AEAD_AES_128_GCM ? gcm_new(key, &half->gcm) : half_init_ctr(half, key, auth);
	explicit_bzero(key, sizeof(key));
	explicit_bzero(auth, sizeof(auth));
	return err;
}

static void half_fini(struct half *half)
{
	gcm_free(half->gcm);
	EVP_CIPHER_CTX_free(half->ctr);
	EVP_MAC_CTX_free(half->mac);
	explicit_bzero(half->salt, sizeof(half->salt));
}

int srtp_out_new(enum srtp_profile profile, const uint8_t *keying, struct srtp_out **ret_out)
{
	uint8_t master_salt[SALT_LEN_MAX] = { 0 };
	int err = -EIO;

	if (srtp_key_len(profile) == 0)
		return -EINVAL;
	struct srtp_out *out = calloc(1, sizeof(*out));
	EVP_CIPHER_CTX *prf = EVP_CIPHER_CTX_new();
	if (!out || !prf) {
		err = -ENOMEM;
		goto fail;
	}
	out->profile = profile;
	/* A salt of 12 bytes is padded with zeros behind (RFC 7714, 11). */
	memcpy(master_salt, keying + KEY_LEN, srtp_salt_len(profile));
	if (EVP_EncryptInit_ex(prf, algorithms.ctr, NULL, keying, NULL) != 1)
		goto fail;
	err = half_init(&out->rtp, profile, prf, master_salt, 0);
	if (err == 0)
		err = half_init(&out->rtcp, profile, prf, master_salt, LABEL_RTCP);
	if (err < 0)
		goto fail;
	EVP_CIPHER_CTX_free(prf);
	*ret_out = out;
	return 0;
fail:
	EVP_CIPHER_CTX_free(prf);
	srtp_out_free(out);
	return err;
}

struct srtp_out *srtp_out_free(struct srtp_out *out)
{
	if (!out)
		return NULL;
	half_fini(&out->rtp);
	half_fini(&out->rtcp);
	free(out);
	return NULL;
}

static uint32_t read32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void write32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

#ifdef PARLEY_CHECK_INDEX
/* One cipher, one index: a second encryption under it would give away the key stream (and GCM's hash key). */
static void check_index(struct half *half, const char *what, uint32_t ssrc, uint64_t index)
{
	for (unsigned i = 0; i < ARRAY_LEN(half->last); i++) {
		struct last_index *last = &half->last[i];
		if (last->used && last->ssrc != ssrc)
			continue;
		if (last->used && index <= last->index) {
			fprintf(stderr, "srtp: %s index %llu of SSRC %08x is not above %llu, aborting\n", what,
				(unsigned long long)index, ssrc, (unsigned long long)last->index);
			abort();
		}
		*last = (struct last_index){ .ssrc = ssrc, .used = true, .index = index };
		return;
	}
}
#else
#define check_index(half, what, ssrc, index) ((void)0)
#endif

/* index is 48 bits: for SRTCP the 31-bit index. */
static int counter_mode(struct half *half, uint32_t ssrc, uint64_t index, uint8_t *text, size_t len)
{
	uint8_t iv[16] = { 0 };
	uint8_t words[10];
	int n;

	if (len == 0)
		return 0;
	memcpy(iv, half->salt, SALT_LEN_MAX);
	write32(words, ssrc);
	words[4] = (uint8_t)(index >> 40);
	words[5] = (uint8_t)(index >> 32);
	write32(words + 6, (uint32_t)index);
	for (unsigned i = 0; i < sizeof(words); i++)
		iv[4 + i] ^= words[i];
	if (EVP_EncryptInit_ex(half->ctr, NULL, NULL, NULL, iv) != 1 ||
	    EVP_EncryptUpdate(half->ctr, text, &n, text, (int)len) != 1)
		return -EIO;
	return 0;
}

static int authenticate(struct half *half, const uint8_t *data, size_t len, const uint8_t *more, size_t more_len,
			uint8_t ret_tag[AUTH_TAG_LEN])
{
	uint8_t digest[AUTH_KEY_LEN];
	size_t n;

	if (EVP_MAC_init(half->mac, NULL, 0, NULL) != 1 || EVP_MAC_update(half->mac, data, len) != 1)
		return -EIO;
	if (more_len > 0 && EVP_MAC_update(half->mac, more, more_len) != 1)
		return -EIO;
	if (EVP_MAC_final(half->mac, digest, &n, sizeof(digest)) != 1 || n != sizeof(digest))
		return -EIO;
	memcpy(ret_tag, digest, AUTH_TAG_LEN);
	return 0;
}

/* Bytes of header, CSRCs and extensions, which stay in the clear; 0 when malformed. */
static size_t rtp_clear_len(const uint8_t *packet, size_t len)
{
	if (len < 12 || packet[0] >> 6 != 2)
		return 0;
	size_t clear = 12 + 4 * (size_t)(packet[0] & 15);
	if (packet[0] & 0x10) {
		if (clear + 4 > len)
			return 0;
		clear += 4 + 4 * (size_t)(packet[clear + 2] << 8 | packet[clear + 3]);
	}
	return clear <= len ? clear : 0;
}

static int seal_rtp(struct srtp_out *out, uint8_t *packet, size_t len, uint64_t index, size_t *ret_len)
{
	struct half *half = &out->rtp;
	size_t clear = rtp_clear_len(packet, len);
	uint8_t roc[4], iv[AEAD_IV_LEN];
	int err;

	if (clear == 0 || (uint16_t)(packet[2] << 8 | packet[3]) != (uint16_t)index)
		return -EPROTO;
	if (index >> 48 != 0)
		return -EOVERFLOW;
	uint32_t ssrc = read32(packet + 8);
	check_index(half, "SRTP", ssrc, index);
	write32(roc, (uint32_t)(index >> 16));
	if (out->profile == SRTP_AEAD_AES_128_GCM) {
		/* IV: 00 00, SSRC, ROC, SEQ; XOR salt (RFC 7714, 8.1). */
		memcpy(iv, half->salt, sizeof(iv));
		for (unsigned i = 0; i < 4; i++) {
			iv[2 + i] ^= packet[8 + i];
			iv[6 + i] ^= roc[i];
		}
		iv[10] ^= packet[2];
		iv[11] ^= packet[3];
		err = gcm_seal(half->gcm, iv, packet, clear, packet + clear, len - clear);
		if (err < 0)
			return err;
		*ret_len = len + AEAD_TAG_LEN;
		return 0;
	}
	err = counter_mode(half, ssrc, index, packet + clear, len - clear);
	if (err == 0)
		err = authenticate(half, packet, len, roc, sizeof(roc), packet + len);
	if (err < 0)
		return err;
	*ret_len = len + AUTH_TAG_LEN;
	return 0;
}

static struct {
	uint32_t sealed; /* all packets, sampled or not; wraps */
	struct srtp_samples taken;
} samples;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int srtp_out_rtp(struct srtp_out *out, uint8_t *packet, size_t len, uint64_t index, size_t *ret_len)
{
	if (LIKELY(++samples.sealed % SRTP_SAMPLE_EVERY != 0))
		return seal_rtp(out, packet, len, index, ret_len);
	uint64_t from_ns = now_ns();
	int err = seal_rtp(out, packet, len, index, ret_len);
	uint64_t took_ns = now_ns() - from_ns;
	/* No cipher takes that long: somebody else had the core meanwhile. */
	if (err == 0 && took_ns < SRTP_SAMPLE_MAX_NS) {
		samples.taken.packets++;
		samples.taken.ns += took_ns;
	}
	return err;
}

struct srtp_samples srtp_out_samples(void)
{
	return samples.taken;
}

int srtp_out_rtcp(struct srtp_out *out, uint8_t *packet, size_t len, uint32_t index, size_t *ret_len)
{
	struct half *half = &out->rtcp;
	uint8_t word[4], iv[AEAD_IV_LEN], aad[12];
	int err;

	if (len < 8 || len % 4 != 0 || packet[0] >> 6 != 2)
		return -EPROTO;
	if (index > SRTCP_INDEX_MAX)
		return -EOVERFLOW;
	uint32_t ssrc = read32(packet + 4);
	check_index(half, "SRTCP", ssrc, index);
	write32(word, index | 0x80000000u); /* E: encrypted */
	if (out->profile == SRTP_AEAD_AES_128_GCM) {
		/* IV: 00 00, SSRC, 00 00, index; XOR salt (RFC 7714, 9.1). */
		memcpy(iv, half->salt, sizeof(iv));
		for (unsigned i = 0; i < 4; i++)
			iv[2 + i] ^= packet[4 + i];
		iv[8] ^= word[0] & 0x7f;
		for (unsigned i = 1; i < 4; i++)
			iv[8 + i] ^= word[i];
		memcpy(aad, packet, 8);
		memcpy(aad + 8, word, sizeof(word));
		err = gcm_seal(half->gcm, iv, aad, sizeof(aad), packet + 8, len - 8);
		if (err < 0)
			return err;
		memcpy(packet + len + AEAD_TAG_LEN, word, sizeof(word));
		*ret_len = len + AEAD_TAG_LEN + sizeof(word);
		return 0;
	}
	err = counter_mode(half, ssrc, index, packet + 8, len - 8);
	memcpy(packet + len, word, sizeof(word));
	if (err == 0)
		err = authenticate(half, packet, len + sizeof(word), NULL, 0, packet + len + sizeof(word));
	if (err < 0)
		return err;
	*ret_len = len + sizeof(word) + AUTH_TAG_LEN;
	return 0;
}
