/* mediad/srtp.h - SRTP and SRTCP of one transport (RFC 3711, RFC 7714), both ways.
 *
 * srtp_in    what the peer sends: libsrtp authenticates, checks replays and follows rollovers, one context per
 *            SSRC, made when its first packet proved authentic; at most SRTP_SSRCS_MAX of them.
 * srtp_out   what we send: own cipher path (gcm.h, OpenSSL EVP). The caller names the index of each packet; nothing
 *            here counts or guesses, so (key, index) repeats only if the caller repeats it. Built with
 *            -DPARLEY_CHECK_INDEX it aborts when an index of an SSRC is not above the one before.
 *
 * Keys:      master key, then master salt, as DTLS exports them; lengths by profile.
 * Callers:   one thread; nothing allocates per packet (srtp_in: per new SSRC).
 * Errors:    0; -EBADMSG (not authentic); -EALREADY (replayed, or too old to tell); -EPROTO (malformed); -ENOSPC
 *            (too many SSRCs); -EOVERFLOW (index used up); -EINVAL (profile). */
#ifndef PARLEY_MEDIAD_SRTP_H
#define PARLEY_MEDIAD_SRTP_H

#include "shm/session.h"

#define SRTP_KEYING_MAX	   46 /* master key + salt, as in struct session_transport */
#define SRTP_TRAILER_MAX   20 /* SRTP: tag of 16; SRTCP: tag of 16 and 4 bytes of index */
#define SRTP_REPLAY_WINDOW 2048
#define SRTP_SSRCS_MAX	   128
#define SRTCP_INDEX_MAX	   0x7fffffffu

/* Loads ciphers and libsrtp; once a process, before anything else here. */
int srtp_start(void);
void srtp_stop(void);

/* Bytes of master key and salt; 0 for a profile we do not speak. */
size_t srtp_key_len(enum srtp_profile profile);
size_t srtp_salt_len(enum srtp_profile profile);

struct srtp_in;
struct srtp_out;

int srtp_in_new(enum srtp_profile profile, const uint8_t *keying, struct srtp_in **ret_in);
struct srtp_in *srtp_in_free(struct srtp_in *in);
/* In place; packet is 4-byte aligned. *ret_len: of the plain packet. *ret_index: ROC << 16 | sequence number. */
int srtp_in_rtp(struct srtp_in *in, uint8_t *packet, size_t len, size_t *ret_len, uint64_t *ret_index);
int srtp_in_rtcp(struct srtp_in *in, uint8_t *packet, size_t len, size_t *ret_len);

int srtp_out_new(enum srtp_profile profile, const uint8_t *keying, struct srtp_out **ret_out);
struct srtp_out *srtp_out_free(struct srtp_out *out);
/* In place, with SRTP_TRAILER_MAX bytes of room behind len. -EPROTO: header malformed, or its sequence number is
 * not the low 16 bits of index. */
int srtp_out_rtp(struct srtp_out *out, uint8_t *packet, size_t len, uint64_t index, size_t *ret_len);
/* What sealing costs: one RTP packet in SRTP_SAMPLE_EVERY is timed, reading the clock included. Since the process
 * began. */
#define SRTP_SAMPLE_EVERY  256
#define SRTP_SAMPLE_MAX_NS 50000 /* what took longer was interrupted, and does not count */
struct srtp_samples {
	uint64_t packets, ns;
};
struct srtp_samples srtp_out_samples(void);
int srtp_out_rtcp(struct srtp_out *out, uint8_t *packet, size_t len, uint32_t index, size_t *ret_len);

#endif
