/* shm/session.h - the session table of a mediad: transports, tracks and seats as plain structs.
 *
 * The table is the truth; a mediad's heap holds only what can be rebuilt from it (cipher contexts, hash
 * indexes, timers). One region per mediad, written by that mediad alone; no other process maps it (it
 * holds media keys), the master keeps it open.
 *
 * Handle:    generation << 32 | index + 1; 0 = none. A freed record keeps its generation, so an old handle
 *            never finds a new record.
 * Liveness:  state (release) is stored last when a record is made and first when it is freed; a record
 *            found after a death in state 0 is free, whatever else stands in it.
 * Units:     *_us are CLOCK_MONOTONIC; SRTP indexes are ROC << 16 | sequence number (RFC 3711). */
#ifndef PARLEY_SHM_SESSION_H
#define PARLEY_SHM_SESSION_H

#include "lib/ids.h"
#include "shm/layout.h"

#include <stdatomic.h>

#define SESSION_MLINES_MAX	     32
#define SESSION_CODECS_MAX	     12
#define SESSION_LAYERS_MAX	     3
#define SESSION_MID_MAX		     16
#define SESSION_RID_MAX		     16
#define SESSION_HISTORY		     256
#define SESSION_UFRAG_MAX	     256 /* RFC 8839: 4 to 256 characters */
#define SESSION_PWD_MAX		     256
#define SESSION_SEATS_PER_TRANSPORT  8 /* on average, for the size of the seats array */
#define SESSION_TRACKS_PER_TRANSPORT 4

enum codec { CODEC_NONE, CODEC_OPUS, CODEC_RED, CODEC_VP8, CODEC_VP9, CODEC_H264, CODEC_AV1, CODEC_COUNT };
enum media_kind { MEDIA_AUDIO, MEDIA_VIDEO };
/* What a track is; the order is the priority of a sender's m-lines. */
enum track_kind { TRACK_MICROPHONE, TRACK_CAMERA, TRACK_SCREEN, TRACK_SCREEN_AUDIO, TRACK_KIND_COUNT };
enum seat_state { SEAT_EMPTY, SEAT_WAITING, SEAT_LIVE, SEAT_WEAK, SEAT_PAUSED };

enum feedback_flags { FB_NACK = 1, FB_PLI = 2, FB_FIR = 4, FB_TWCC = 8, FB_REMB = 16 };

/* One payload type of an m-line, with its RTX partner. */
struct session_codec {
	uint8_t codec; /* enum codec */
	uint8_t pt;
	uint8_t rtx_pt;		    /* 0 = none */
	uint8_t packetization_mode; /* H.264 */
	uint32_t profile;	    /* H.264 profile-level-id, VP9 profile-id, AV1 profile */
	uint32_t clock_rate;
	uint8_t feedback; /* enum feedback_flags */
	uint8_t channels;
	uint8_t reserved[2];
};
_Static_assert(sizeof(struct session_codec) == 16, "also in messages");

/* Header extension ids as that peer negotiated; 0 = not negotiated. */
struct session_extensions {
	uint8_t mid, rid, repaired_rid, audio_level, twcc, orientation, abs_send_time, dependency_descriptor;
};

struct session_layer {
	char rid[SESSION_RID_MAX + 1]; /* "" without simulcast */
	uint8_t reserved[3];
	uint32_t ssrc, rtx_ssrc; /* 0 = not known yet */
};
_Static_assert(sizeof(struct session_layer) == 28, "also in messages");

/* One m-line as negotiated: it may carry a track of the peer, a seat for it, or both. */
struct session_mline {
	char mid[SESSION_MID_MAX + 1];
	uint8_t media;	    /* enum media_kind */
	uint8_t receives;   /* 1: the peer sends here, we receive: a track */
	uint8_t sends;	    /* 1: we send here: a seat */
	uint8_t track_kind; /* enum track_kind, when receives */
	uint8_t rejected;   /* port 0 in the answer */
	uint8_t codecs_len;
	uint8_t layers_len; /* simulcast rids, lowest first, or 1 */
	uint8_t reserved[4];
	struct session_extensions ext;
	struct session_layer layer[SESSION_LAYERS_MAX];
	struct session_codec codec[SESSION_CODECS_MAX];
};

enum transport_state {
	TRANSPORT_FREE,		/* the record is not in use */
	TRANSPORT_NEW,		/* answered; waiting for the first authenticated check */
	TRANSPORT_HANDSHAKE,	/* ICE works, DTLS under way */
	TRANSPORT_CONNECTED,	/* keys are in place, media flows */
	TRANSPORT_DISCONNECTED, /* no check for a while (RFC 7675); may come back */
};

/* In session_address.socket: not that UDP socket but a TCP connection to the same address of ours. */
#define SESSION_SOCKET_TCP 0x80

struct session_address {
	uint8_t family; /* 4, 6; 0 = none */
	uint8_t socket; /* which of our sockets it talks to; with SESSION_SOCKET_TCP: over which way */
	uint16_t port;	/* host order */
	uint8_t ip[16];
};

enum srtp_profile { SRTP_NONE, SRTP_AES128_CM_SHA1_80 = 1, SRTP_AEAD_AES_128_GCM = 7, SRTP_AEAD_AES_256_GCM = 8 };

struct session_transport {
	_Atomic uint32_t state; /* enum transport_state */
	uint32_t generation;
	struct id call, member, sign_in;
	uint32_t worker;	    /* who made it; events go there while it lives */
	int64_t made_us, joined_us; /* joined_us orders members in a call */
	int64_t consent_us;	    /* last authenticated check, or RTCP */
	/* ICE */
	char local_ufrag[16 + 1], local_pwd[32 + 1];
	char remote_ufrag[SESSION_UFRAG_MAX + 1], remote_pwd[SESSION_PWD_MAX + 1];
	struct session_address send_to; /* moves on a nominated check only */
	uint8_t nominated;
	/* DTLS-SRTP */
	uint8_t fingerprint[32];		  /* SHA-256 from the offer */
	uint8_t srtp_profile;			  /* enum srtp_profile; SRTP_NONE before the handshake */
	uint8_t rx_key[32 + 14], tx_key[32 + 14]; /* master key, then salt */
	_Atomic uint32_t srtcp_tx_index;	  /* next SRTCP index; stored past before use */
	_Atomic uint32_t srtcp_tx_ssrc;		  /* sender SSRC of our own RTCP on this transport */
	uint16_t twcc_tx_seq;			  /* next transport-wide sequence number we send */
	char cname[24 + 1];			  /* of all our seats on this transport */
	uint8_t paused;				  /* the member paused the call */
	uint8_t mlines_len;
	struct session_mline mline[SESSION_MLINES_MAX];
};

struct session_track {
	_Atomic uint32_t state; /* 0 = free, 1 = in use */
	uint32_t generation;
	uint64_t transport; /* handle */
	uint8_t mline, track_kind, codec, muted;
	uint8_t layers_len, reserved[3];
	struct {
		_Atomic uint64_t interested; /* mediads with a subscriber of this layer */
		uint32_t ssrc, rtx_ssrc;
		_Atomic uint64_t highest; /* SRTP index received */
		_Atomic uint64_t rtx_highest;
	} layer[SESSION_LAYERS_MAX];
	/* Sender report of the base layer: the publisher's clock against ours. */
	uint32_t sr_rtp;
	int64_t sr_arrival_us;
	uint64_t sr_ntp;
};

/* One sent packet, so that a NACK is answered as it was sent. */
struct session_history {
	uint64_t generation; /* of the slot; 0 = none */
	uint32_t slot;
	uint16_t mediad;     /* whose ring */
	uint16_t seq;	     /* out sequence number */
	uint32_t timestamp;  /* out */
	uint16_t picture_id; /* out */
	uint8_t tl0picidx;   /* out */
	uint8_t pt;	     /* out */
};
_Static_assert(sizeof(struct session_history) == 24, "four in 96 bytes");

struct session_seat {
	_Atomic uint32_t state; /* 0 = free record, else 1 + enum seat_state */
	uint32_t generation;
	uint64_t transport; /* handle */
	uint8_t mline;
	uint8_t media; /* enum media_kind */
	uint8_t codec; /* of the present source */
	uint8_t pt, rtx_pt;
	uint8_t layer;
	uint16_t source_mediad;
	uint64_t source;	 /* track handle on source_mediad; 0 = nobody */
	uint32_t ssrc, rtx_ssrc; /* fixed for the seat's life */
	_Atomic uint64_t next;	 /* next SRTP index to send: stored past before encryption */
	_Atomic uint64_t rtx_next;
	/* Rewriting: what was sent last, and how the present source maps to it. */
	uint64_t source_base; /* source index that maps to out_base */
	uint64_t out_base;
	uint32_t timestamp_offset; /* out = source + offset */
	uint32_t timestamp_last;
	int64_t timestamp_last_us; /* server time of timestamp_last */
	int64_t shift_us;	   /* out timestamps run ahead of the present source's time by this */
	uint16_t picture_id_offset, picture_id_last;
	uint8_t tl0picidx_offset, tl0picidx_last;
	uint8_t reserved[2];
	uint32_t packets, octets;			 /* for sender reports */
	struct session_history history[SESSION_HISTORY]; /* by out sequence number mod 256 */
};

struct session_region {
	struct shm_header header;
	uint32_t max_transports, max_tracks, max_seats; /* master writes once */
	uint32_t reserved;
	uint64_t transports_offset, tracks_offset, seats_offset; /* master writes once */
	/* Records at and above these have never been used and are not touched, so that they cost no memory.
	 * The owner raises one before it first uses the record. */
	uint32_t transports_top, tracks_top, seats_top, reserved2;
};

struct session_table {
	struct shm_map map;
	struct session_region *shm;
	struct session_transport *transport;
	struct session_track *track;
	struct session_seat *seat;
	uint32_t max_transports, max_tracks, max_seats;
	uint32_t *free_transports, *free_tracks, *free_seats; /* private stacks of indexes */
	uint32_t free_transports_len, free_tracks_len, free_seats_len;
};

/* master */
size_t session_region_size(uint32_t max_transports);
int session_create(const char *name, uint32_t max_transports, int *ret_fd);

/* Attaches and rebuilds the free lists from the states found. */
int session_attach(struct session_table *table, int fd, uint32_t epoch);
void session_detach(struct session_table *table);

/* Zeroed record with the next generation and state still free: fill it, then store the state.
 * -ENOSPC when the table is full. */
int session_transport_new(struct session_table *table, struct session_transport **ret_transport);
int session_track_new(struct session_table *table, struct session_track **ret_track);
int session_seat_new(struct session_table *table, struct session_seat **ret_seat);
void session_transport_free(struct session_table *table, struct session_transport *transport);
void session_track_free(struct session_table *table, struct session_track *track);
void session_seat_free(struct session_table *table, struct session_seat *seat);

uint64_t session_transport_handle(const struct session_table *table, const struct session_transport *transport);
uint64_t session_track_handle(const struct session_table *table, const struct session_track *track);
uint64_t session_seat_handle(const struct session_table *table, const struct session_seat *seat);
/* NULL when the handle is old or nonsense. */
struct session_transport *session_transport_find(const struct session_table *table, uint64_t handle);
struct session_track *session_track_find(const struct session_table *table, uint64_t handle);
struct session_seat *session_seat_find(const struct session_table *table, uint64_t handle);

/* Where a walk over all records ends: at and above it none was ever used, and looking would cost memory. */
static inline uint32_t session_transports_top(const struct session_table *table)
{
	return MIN(table->shm->transports_top, table->max_transports);
}

static inline uint32_t session_tracks_top(const struct session_table *table)
{
	return MIN(table->shm->tracks_top, table->max_tracks);
}

static inline uint32_t session_seats_top(const struct session_table *table)
{
	return MIN(table->shm->seats_top, table->max_seats);
}

static inline uint32_t session_handle_index(uint64_t handle)
{
	return (uint32_t)handle - 1;
}

#endif
