/* shm/msg.h - every message on the links: worker ↔ mediad, mediad ↔ mediad, worker ↔ worker.
 *
 * Layout:    a struct link_msg (type, len, epoch, corr) and one of the structs below, all fixed-width and
 *            padded by name; len must equal the struct's size (msg_check()). Received structs are copies;
 *            strings in them are NUL-terminated by msg_check(), numbers are checked against their range.
 * Answers:   repeat corr. corr = sender's epoch << 32 | counter, so that an answer to a dead predecessor
 *            finds no question.
 * Sequences: what does not fit into one message is several with the same corr: *_BEGIN, parts, *_END; the
 *            sender asks link_room() first and sends all or nothing; a new BEGIN drops an unfinished one.
 */
#ifndef PARLEY_SHM_MSG_H
#define PARLEY_SHM_MSG_H

#include "shm/link.h"
#include "shm/session.h"

enum msg_type {
	MSG_NONE,

	/* worker → mediad */
	MSG_OFFER_BEGIN,     /* struct msg_offer: a new transport, or a re-offer of one */
	MSG_OFFER_MLINE,     /* struct msg_mline, in order */
	MSG_OFFER_END,	     /* nothing; answered by MSG_ANSWER_* or MSG_ERROR */
	MSG_TRANSPORT_CLOSE, /* struct msg_handle; answered by MSG_OK (also when it is gone) */
	MSG_CALL_CLOSE,	     /* struct msg_call: every transport of that call */
	MSG_MEMBER_CLOSE,    /* struct msg_member: that member's transport, except the handle given */
	MSG_MEMBER_STATE,    /* struct msg_member_state: paused, muted */
	MSG_LIST,	     /* nothing; answered by MSG_LIST_ITEM … MSG_LIST_END */
	MSG_VIEW,	     /* struct msg_view: what this client shows */
	MSG_TRANSPORT_LEAVE, /* struct msg_leave: close it if it is that member's; MSG_OK, or MSG_ERROR with
				MSG_ERR_GONE */
	MSG_SEATS_ASK,	     /* struct msg_member, without except: MSG_SEATS once more, events may have been lost */

	/* mediad → worker */
	MSG_ANSWER_BEGIN = 64, /* struct msg_answer */
	MSG_ANSWER_CANDIDATE,  /* struct msg_candidate */
	MSG_ANSWER_SEAT,       /* struct msg_answer_seat: SSRCs of the seat on that m-line */
	MSG_ANSWER_END,
	MSG_OK,
	MSG_ERROR,     /* struct msg_error */
	MSG_LIST_ITEM, /* struct msg_transport_state */
	MSG_LIST_END,
	MSG_TRANSPORT_STATE, /* struct msg_transport_state: event, corr 0 */
	MSG_SEATS,	     /* struct msg_seats: event, corr 0; several when there are many seats */
	MSG_MEDIA_LOST,	     /* struct msg_transport_state: the transport died with its mediad: event */
	MSG_SPEAKER,	     /* struct msg_speaker: event, corr 0; several when there are many listeners */
	MSG_QUALITY,	     /* struct msg_quality: event, corr 0 */
	MSG_LAYERS,	     /* struct msg_layers: event, corr 0 */
	MSG_SOUND,	     /* struct msg_sound: event, corr 0 */

	/* mediad ↔ mediad */
	MSG_CALL_HERE = 128,   /* struct msg_call: I have members of this call; tell me your tracks */
	MSG_CALL_GONE,	       /* struct msg_call: I have none any more */
	MSG_TRACK_ADD,	       /* struct msg_track; also when something about it changed */
	MSG_TRACK_REMOVE,      /* struct msg_handle */
	MSG_TRACK_SUBSCRIBE,   /* struct msg_subscribe: post the packets of these layers to me, and of no other */
	MSG_TRACK_UNSUBSCRIBE, /* struct msg_handle */
	MSG_TRACK_KEYFRAME,    /* struct msg_keyframe: PLI for its publisher */
	MSG_TRACK_NACK,	       /* struct msg_nack: missing in the ring, ask the publisher */
	MSG_TRACK_CLOCK,       /* struct msg_clock: the publisher's last sender report */
	MSG_TRACK_LOSS,	       /* struct msg_loss: worst subscriber's loss here, for the report to the publisher */
	MSG_TRACK_LEVELS,      /* struct msg_levels: how loud my members are; what has changed */

	/* worker ↔ worker */
	MSG_EVENT = 192, /* struct msg_fragment + bytes: a payload for events_on_peer() */
};

enum msg_error_code { MSG_ERR_NONE, MSG_ERR_FULL, MSG_ERR_GONE, MSG_ERR_BAD };

struct msg_offer {
	uint64_t transport; /* handle; 0 = new */
	struct id call, member, sign_in;
	char ufrag[SESSION_UFRAG_MAX + 1];
	char pwd[SESSION_PWD_MAX + 1];
	uint8_t fingerprint[32];
	uint8_t mlines_len; /* 0 in a re-offer: new ICE credentials and nothing else */
	uint8_t paused;
	uint8_t reserved[4];
	int64_t joined_us; /* server time (CLOCK_REALTIME us) at which the member joined: order of seats. In a re-offer
			    * joined_us = 0 and paused = 0 mean: as it was. */
};

struct msg_mline {
	uint32_t index;
	uint32_t reserved;
	struct session_mline mline;
};

struct msg_answer {
	uint64_t transport; /* handle, on the mediad that answers */
	char ufrag[16 + 1];
	char pwd[32 + 1];
	uint8_t fingerprint[32]; /* SHA-256 of the mediad's certificate */
	char cname[24 + 1];
	uint8_t reserved[5];
};

struct msg_candidate {
	struct session_address address; /* as advertised; only the TCP bit of socket has a meaning */
};

struct msg_answer_seat {
	uint32_t mline;
	uint32_t ssrc, rtx_ssrc; /* rtx 0 = none */
	uint32_t reserved;
};

struct msg_handle {
	uint64_t handle;
};

/* A close on a stranger's word: the handle came from a client and is checked against the member. */
struct msg_leave {
	uint64_t transport;
	struct id call, member;
};

struct msg_call {
	struct id call;
};

struct msg_member {
	struct id call, member;
	uint64_t except; /* handle; 0 = none */
};

struct msg_member_state {
	struct id call, member;
	uint8_t paused, muted_audio, muted_video;
	uint8_t reserved[5];
};

/* Of one track of one member: this replaces all that the client said before. */
struct msg_view_item {
	struct id member;
	uint8_t kind; /* enum track_kind */
	uint8_t reserved;
	uint16_t height; /* pixels; 0 = hidden */
};

#define MSG_VIEW_MAX 48

struct msg_view {
	struct id call, member; /* who looks */
	uint32_t count;
	uint32_t reserved;
	struct msg_view_item item[MSG_VIEW_MAX];
};

struct msg_error {
	uint32_t code;	/* enum msg_error_code */
	char text[124]; /* one sentence for the log */
};

struct msg_transport_state {
	uint64_t transport;
	struct id call, member, sign_in;
	uint32_t state; /* enum transport_state; TRANSPORT_FREE = it has ended */
	uint32_t reserved;
	int64_t made_us;
};

struct msg_seat {
	char mid[SESSION_MID_MAX + 1];
	uint8_t track_kind; /* enum track_kind */
	uint8_t state;	    /* enum seat_state */
	uint8_t reserved[5];
	struct id member; /* none: empty */
};

#define MSG_SEATS_MAX 16

struct msg_seats {
	uint64_t transport;
	struct id call, member;	      /* whose seats these are */
	uint32_t version;	      /* rises with each change; all parts of one list share it */
	uint16_t first, count, total; /* this part: seats first … first + count - 1 of total */
	uint16_t reserved;
	uint32_t reserved2;
	struct msg_seat seat[MSG_SEATS_MAX];
};

#define MSG_SPEAKER_MAX 48

/* Who speaks, as this mediad hears it, for those of its members that are listed. */
struct msg_speaker {
	struct id call, speaker; /* none: nobody */
	uint8_t level;		 /* RFC 6464: 0 (loud) … 127 */
	uint8_t count;
	uint8_t reserved[6];
	struct id listener[MSG_SPEAKER_MAX];
};

/* One participant's connection over the last seconds, as that participant sees it: in = to the client. */
struct msg_quality {
	uint64_t transport;
	struct id call, member;
	uint32_t loss_in, loss_out; /* lost packets in 65536 */
	uint32_t rtt_us;	    /* 0 = not known yet */
	uint32_t reserved;
	uint64_t bps_in, bps_out;
	uint64_t bps_room; /* what the path to the client takes, as estimated; 0 = not known */
};

/* Which layers of a track of that member's somebody watches; the others need not be sent. */
struct msg_layers {
	uint64_t transport;
	struct id call, member;
	char mid[SESSION_MID_MAX + 1];
	uint8_t count;
	uint8_t reserved[6];
	struct {
		char rid[SESSION_RID_MAX + 1];
		uint8_t active;
		uint8_t reserved[6];
	} layer[SESSION_LAYERS_MAX];
};

/* How many bits a second that member's microphone should take at most, for the sake of who hears it. */
struct msg_sound {
	uint64_t transport;
	struct id call, member;
	char mid[SESSION_MID_MAX + 1];
	uint8_t reserved[3];
	uint32_t bps; /* of Opus, headers not counted; 0 = as it likes */
};

struct msg_track {
	uint64_t handle; /* on the sender's mediad */
	struct id call, member;
	int64_t joined_us;
	uint8_t track_kind, media, codec, layers_len;
	uint8_t muted, paused, packetization_mode, pt;
	uint32_t profile;
	uint32_t clock_rate;
	struct {
		uint32_t bps;	   /* measured; 0 = not known */
		uint16_t height;   /* of its pictures; 0 = not known */
		uint8_t sent;	   /* packets of it come */
		uint8_t temporals; /* layers of which some can be left out; 0, 1 = none can */
		uint8_t less[2];   /* of bps, in 255ths, without the uppermost one, two */
		uint8_t reserved[2];
	} layer[SESSION_LAYERS_MAX];
};

struct msg_subscribe {
	uint64_t handle;
	uint32_t layers; /* bit i = layer i; not 0 */
	uint32_t lower;	 /* sound: 1 = it should take fewer bits */
};

struct msg_keyframe {
	uint64_t handle;
	uint32_t layer;
	uint32_t reserved;
};

struct msg_nack {
	uint64_t handle;
	uint32_t layer;
	uint32_t count;	    /* ≤ 64 */
	uint64_t index[64]; /* source indexes */
};

struct msg_clock {
	uint64_t handle;
	uint64_t ntp; /* of the publisher's sender report */
	int64_t arrival_us;
	uint32_t rtp;
	uint32_t layer;
};

struct msg_loss {
	uint64_t handle;
	uint32_t fraction_lost; /* 0 … 255, RFC 3550 */
	uint32_t reserved;
};

#define MSG_LEVELS_MAX 60

struct msg_levels {
	uint32_t count;
	uint32_t reserved;
	struct {
		uint64_t handle;   /* of a microphone's track on the sender's mediad */
		uint32_t loudness; /* 127 - RFC 6464 level, smoothed; 0 = silent */
		uint32_t reserved;
	} item[MSG_LEVELS_MAX];
};

struct msg_fragment {
	uint32_t total;	 /* bytes of the whole payload */
	uint32_t offset; /* where this part begins; parts come in order */
};
#define MSG_EVENT_MAX (256 * 1024)

_Static_assert(sizeof(struct msg_offer) <= LINK_PAYLOAD_MAX, "fits");
_Static_assert(sizeof(struct msg_mline) <= LINK_PAYLOAD_MAX, "fits");
_Static_assert(sizeof(struct msg_seats) <= LINK_PAYLOAD_MAX, "fits");
_Static_assert(sizeof(struct msg_nack) <= LINK_PAYLOAD_MAX, "fits");
_Static_assert(sizeof(struct msg_view) <= LINK_PAYLOAD_MAX, "fits");
_Static_assert(sizeof(struct msg_speaker) <= LINK_PAYLOAD_MAX, "fits");
_Static_assert(sizeof(struct msg_layers) <= LINK_PAYLOAD_MAX, "fits");
_Static_assert(sizeof(struct msg_sound) <= LINK_PAYLOAD_MAX, "fits");
_Static_assert(sizeof(struct msg_levels) <= LINK_PAYLOAD_MAX, "fits");

/* Checks a received message: known type, exact length, strings ended, counts and enums in range (strings
 * are cut in place). 0 or -EPROTO. Also a fuzz target. */
int msg_check(const struct link_msg *msg, void *payload);
const char *msg_type_name(uint16_t type);

#endif
