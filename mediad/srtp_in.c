#include "mediad/srtp.h"

#include <srtp2/srtp.h>
#include <stdlib.h>

struct in_stream {
	uint32_t ssrc;
	bool has_rtp;	  /* an RTP packet of it was authentic: highest is set */
	uint64_t highest; /* index */
};

struct srtp_in {
	srtp_t session;
	unsigned streams_len;
	unsigned recent; /* the stream of the last packet: the next one is often of the same */
	struct in_stream stream[SRTP_SSRCS_MAX];
};

int srtp_in_new(enum srtp_profile profile, const uint8_t *keying, struct srtp_in **ret_in)
{
	uint8_t key[SRTP_KEYING_MAX];
	srtp_policy_t policy = {
		.ssrc = { .type = ssrc_any_inbound },
		.key = key,
		.window_size = SRTP_REPLAY_WINDOW,
	};

	if (profile == SRTP_AEAD_AES_128_GCM) {
		srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp);
		srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtcp);
	} else if (profile == SRTP_AES128_CM_SHA1_80) {
		srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtp);
		srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtcp);
	} else {
		return -EINVAL;
	}
	struct srtp_in *in = calloc(1, sizeof(*in));
	if (!in)
		return -ENOMEM;
	memcpy(key, keying, srtp_key_len(profile) + srtp_salt_len(profile));
	srtp_err_status_t status = srtp_create(&in->session, &policy);
	explicit_bzero(key, sizeof(key));
	if (status != srtp_err_status_ok) {
		free(in);
		return status == srtp_err_status_alloc_fail ? -ENOMEM : -EINVAL;
	}
	*ret_in = in;
	return 0;
}

struct srtp_in *srtp_in_free(struct srtp_in *in)
{
	if (!in)
		return NULL;
	srtp_dealloc(in->session);
	free(in);
	return NULL;
}

static uint32_t read32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static struct in_stream *stream_find(struct srtp_in *in, uint32_t ssrc)
{
	if (in->recent < in->streams_len && in->stream[in->recent].ssrc == ssrc)
		return &in->stream[in->recent];
	for (unsigned i = 0; i < in->streams_len; i++) {
		if (in->stream[i].ssrc == ssrc) {
			in->recent = i;
			return &in->stream[i];
		}
	}
	return NULL;
}

/* The stream that just proved authentic; a new one is added (there is room: the caller looked). */
static struct in_stream *stream_get(struct srtp_in *in, struct in_stream *found, uint32_t ssrc)
{
	if (found)
		return found;
	in->recent = in->streams_len;
	in->stream[in->streams_len] = (struct in_stream){ .ssrc = ssrc };
	return &in->stream[in->streams_len++];
}

static int error_of(srtp_err_status_t status)
{
	switch (status) {
	case srtp_err_status_ok:
		return 0;
	case srtp_err_status_replay_fail:
	case srtp_err_status_replay_old:
	case srtp_err_status_pkt_idx_old:
		return -EALREADY;
	case srtp_err_status_auth_fail:
	case srtp_err_status_cipher_fail:
		return -EBADMSG;
	case srtp_err_status_alloc_fail:
		return -ENOMEM;
	default:
		return -EPROTO;
	}
}

/* The index of seq nearest to the highest one seen (RFC 3711, appendix A), exactly as libsrtp takes it: below
 * 2^15 it never guesses a rollover counter of -1. */
static uint64_t index_guess(const struct in_stream *stream, uint16_t seq)
{
	if (!stream || !stream->has_rtp || stream->highest <= 0x8000)
		return seq;
	uint32_t roc = (uint32_t)(stream->highest >> 16);
	uint16_t highest_seq = (uint16_t)stream->highest;
	if (highest_seq < 0x8000) {
		if ((int)seq - highest_seq > 0x8000)
			roc--;
	} else if ((int)highest_seq - 0x8000 > seq) {
		roc++;
	}
	return (uint64_t)roc << 16 | seq;
}

int srtp_in_rtp(struct srtp_in *in, uint8_t *packet, size_t len, size_t *ret_len, uint64_t *ret_index)
{
	int plain_len = (int)len;

	if (len < 12 || len > UINT16_MAX || packet[0] >> 6 != 2)
		return -EPROTO;
	uint32_t ssrc = read32(packet + 8);
	uint16_t seq = (uint16_t)(packet[2] << 8 | packet[3]);
	struct in_stream *stream = stream_find(in, ssrc);
	if (!stream && in->streams_len == SRTP_SSRCS_MAX)
		return -ENOSPC;
	int err = error_of(srtp_unprotect(in->session, packet, &plain_len));
	if (err < 0)
		return err;
	uint64_t index = index_guess(stream, seq);
	stream = stream_get(in, stream, ssrc);
	if (!stream->has_rtp || index > stream->highest)
		stream->highest = index;
	stream->has_rtp = true;
	*ret_len = (size_t)plain_len;
	*ret_index = index;
	return 0;
}

int srtp_in_rtcp(struct srtp_in *in, uint8_t *packet, size_t len, size_t *ret_len)
{
	int plain_len = (int)len;

	if (len < 8 || len > UINT16_MAX || packet[0] >> 6 != 2)
		return -EPROTO;
	uint32_t ssrc = read32(packet + 4);
	struct in_stream *stream = stream_find(in, ssrc);
	if (!stream && in->streams_len == SRTP_SSRCS_MAX)
		return -ENOSPC;
	int err = error_of(srtp_unprotect_rtcp(in->session, packet, &plain_len));
	if (err < 0)
		return err;
	stream_get(in, stream, ssrc);
	*ret_len = (size_t)plain_len;
	return 0;
}
