/* mediad/track.h - what a participant sends on one m-line, here or on another mediad.
 *
 * A local track has a record in the session table and a peer; its layers receive: statistics (RFC 3550),
 * what is missing (nack.h), key frames (keyframe.h), the publisher's clock. A remote one is known from
 * MSG_TRACK_ADD and reads the other mediad's ring (relay.h); its layers keep the same books on what comes
 * through the ring.
 *
 * Layers:    each rid is a layer with an SSRC of its own. `set` is what is known of them here: measured by the mediad
 *            that receives them (demand.h), told to the others. `watched` is what the seats here take. A layer that
 *            neither a seat here nor another mediad takes is received and dropped. */
#ifndef PARLEY_MEDIAD_TRACK_H
#define PARLEY_MEDIAD_TRACK_H

#include "lib/nack.h"
#include "lib/rtcp.h"
#include "lib/rtp.h"
#include "mediad/keyframe.h"
#include "mediad/layer.h"
#include "mediad/loudness.h"
#include "mediad/rtp_clock.h"
#include "shm/msg.h"
#include "shm/ring.h"

struct media;
struct media_peer;
struct member;
struct seat;
struct transport;

#define TRACK_RECENT	256 /* packets per layer that can be posted to a mediad again */
#define TRACK_SILENT_US (5 * USEC_PER_SEC)

struct track_layer {
	uint32_t ssrc, rtx_ssrc;
	bool started, rtx_started;
	uint64_t highest, rtx_highest; /* SRTP indexes */
	int64_t last_packet_us;	       /* 0 = never */
	uint16_t height;	       /* as the last key frame said; 0 = not known */
	uint32_t octets;	       /* since it was last measured */
	uint32_t temporal_octets[LAYER_TEMPORALS_MAX];
	bool sent;	     /* when it was last measured */
	uint32_t bps_before; /* as it was measured then; 0 = it was not */
	uint64_t unwatched;  /* local: packets below came while nobody took the layer, and are gone */
	uint32_t key_timestamp;
	bool parameters;	       /* H.264: parameter sets came, */
	uint32_t parameters_timestamp; /* last with this picture */
	struct nack nack;
	struct keyframe keyframe;
	uint8_t fir_command;
	struct rtp_clock clock;
	/* RFC 3550 A.3, A.8 */
	uint64_t base;
	uint32_t received, expected_prior, received_prior;
	uint32_t transit, jitter; /* jitter × 16 */
	uint32_t lsr;		  /* middle of the last sender report's NTP time */
	int64_t lsr_us;
	struct {
		uint64_t index, generation;
		uint32_t slot;
	} recent[TRACK_RECENT]; /* local: where the last packets are, by index */
};

struct track {
	struct media *media;
	struct session_track *rec; /* NULL: remote */
	uint64_t handle;
	unsigned mediad;
	struct media_peer *peer; /* NULL: remote */
	struct member *member;
	struct track *member_next;
	uint8_t mline, kind, media_kind, layers_len;
	bool muted;
	struct loudness loudness;   /* local microphones */
	uint8_t level;		    /* local: loudness as told to other mediads; remote: as told to us */
	bool present;		    /* a screen: is being sent; others: always */
	struct session_codec codec; /* of the present packets */
	unsigned codec_version;	    /* rises when codec changes */
	struct seat *seats;	    /* who watches, here */
	uint8_t watched;	    /* layers that they take: bit i = layer i */
	bool lower;		    /* sound: some of them need fewer bits of it */
	struct layer_set set;
	struct track *layered_next, **layered_link; /* in media->layered: demand.c looks after it */
	struct track_layer *layer[SESSION_LAYERS_MAX];
	uint8_t loss[SHM_PROCESSES_MAX]; /* local: worst subscriber's on other mediads */
	/* local: mediads that were told, that must be told */
	uint64_t announced, announce_due;
	/* local, demand.c: what the publisher was told to send, and what is wanted */
	struct {
		uint8_t told; /* layers */
		bool due;     /* it is to be told */
		bool watched; /* somebody watches, or did */
		bool lower_told;
		uint64_t lower_elsewhere; /* mediads that need fewer bits of it */
		unsigned tries;
		int64_t since_us, told_us, measured_us;
		int64_t wanted_us[SESSION_LAYERS_MAX]; /* when somebody last wanted it */
	} demand;
	/* remote */
	struct track *next, **link; /* in media->remotes */
	uint8_t subscribed;	    /* layers */
	bool lower_asked;
	uint8_t loss_told;
};

/* A packet on its way to the seats. */
struct track_packet {
	const struct ring_head *head;
	const uint8_t *data;
	struct track *track;
	uint64_t generation;
	uint32_t slot;
	unsigned mediad;
	int64_t time_us; /* server time at which the publisher's clock stood at its timestamp */
	int64_t now_us;
};

int track_new(struct media_peer *peer, unsigned mline, struct track **ret_track);
int track_new_remote(struct media *media, unsigned mediad, uint64_t handle, unsigned layers_len,
		     struct track **ret_track);
/* Unseats it everywhere and frees it. Returns NULL. */
struct track *track_free(struct track *track);
/* It has that many layers now; books that are there stay. -ENOMEM: as before. */
int track_set_layers(struct track *track, unsigned n);
/* The m-line was negotiated again: SSRCs, codecs. */
void track_on_offer(struct track *track);

/* The layer speaks with another SSRC now: its books begin again. */
void track_set_ssrc(struct track *track, unsigned layer, bool is_rtx, uint32_t ssrc);
/* An RTX packet came: its index is kept for a successor of this process. */
void track_note_rtx(struct track *track, unsigned layer, uint16_t seq);

/* Takes a parsed packet of a layer, plain or unwrapped from RTX: books, codec, ret_head without generation.
 * False: a duplicate or a payload type that is not negotiated; nothing is to be forwarded. */
bool track_on_rtp(struct track *track, unsigned layer, const struct rtp *rtp, const uint8_t *data, bool from_rtx,
		  int64_t now_us, struct ring_head *ret_head);
/* A packet of a remote track from the ring: the same books. False: a duplicate. */
bool track_on_ring(struct track *track, const struct ring_head *head, int64_t now_us);
/* Nobody takes the packet that track_on_rtp() has just taken: it goes no further. */
void track_drop(struct track *track, const struct ring_head *head);
/* To every seat here. */
void track_forward(struct track *track, const struct ring_head *head, const uint8_t *data, uint32_t slot,
		   uint64_t generation, int64_t now_us);
/* A packet of that layer is there to be sent. */
bool track_has(const struct track *track, unsigned layer, uint64_t index);
/* What came of the layer that a seat shows, behind the last packet it sent. */
void track_catch_up(struct seat *seat, int64_t now_us);
/* What the seats here take has changed, perhaps. */
void track_seats_changed(struct track *track);
/* Something about its layers has changed: its seats choose anew. */
void track_layers_changed(struct track *track, int64_t now_us);
/* Layers that somebody here or on another mediad takes. */
unsigned track_demand(const struct track *track);
/* Somebody here or on another mediad needs that layer's packets. */
bool track_has_audience(const struct track *track, unsigned layer);
/* A muted microphone is not forwarded, whatever its client sends; a camera that is off is its client's affair. */
void track_set_muted(struct track *track, bool muted);
bool track_is_silenced(const struct track *track);
void track_set_present(struct track *track, bool present);
/* When a packet of any layer last came; 0 = never. */
int64_t track_last_packet_us(const struct track *track);

void track_want_keyframe(struct track *track, unsigned layer, int64_t now_us);
/* Packets were lost on the way to all seats here. */
void track_want_keyframes(struct track *track, int64_t now_us);
/* Sends what is due towards the publisher (NACK, PLI, FIR) into out; returns when to come again. */
int64_t track_feedback(struct track *track, struct rtcp_out *out, int64_t now_us);

/* A sender report of that layer's SSRC. */
void track_on_sender_report(struct track *track, unsigned layer, const struct rtcp_sender *sender, int64_t now_us);
/* Server time of an RTP timestamp, and back. */
int64_t track_time_us(struct track *track, unsigned layer, uint32_t timestamp, int64_t arrival_us);
uint32_t track_timestamp(const struct track *track, unsigned layer, int64_t at_us);
/* The report block about a layer; false when nothing came of it yet. */
bool track_report(struct track *track, unsigned layer, int64_t now_us, struct rtcp_block *ret_block);
void track_describe(const struct track *track, struct msg_track *ret_msg);

#endif
