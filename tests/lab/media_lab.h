/* tests/lab/media_lab.h - whole calls inside one test: mediads on real rings, links and session tables, a clock
 * that we move, devices that publish and receive, and a network that delays and loses.
 *
 * Stands in for mediad/egress.h, mediad_event() and lib/loop.h: nothing is encrypted, no socket is opened. Every
 * packet that a mediad sends passes the checker: no (transport, SSRC, index) twice, the index fits the header,
 * and the record's next index had been stored past it.
 *
 * A device's video payload: VP8 descriptor (15-bit picture id, TL0PICIDX), then key or delta, the device's number,
 * the frame's number, the packet's place; so a receiver knows what it got. A test may put pictures of its own in their
 * place: camera(), packet() and taken(). */
#ifndef PARLEY_TESTS_LAB_MEDIA_LAB_H
#define PARLEY_TESTS_LAB_MEDIA_LAB_H

#include "lib/rtcp.h"
#include "lib/rtp.h"
#include "mediad/call.h"
#include "mediad/egress.h"
#include "tests/net/wire.h"

#define LAB_MEDIADS	 2
#define LAB_DEVICES	 12
#define LAB_STREAMS	 24
#define LAB_LOG		 16384 /* packets remembered per received stream */
#define LAB_SENT	 1024
#define LAB_FRAME	 3 /* packets of a video frame */
#define LAB_PT_OPUS	 111
#define LAB_PT_VP8	 96
#define LAB_PT_RTX	 97
#define LAB_PT_H264	 102
#define LAB_PT_H264X	 103
#define LAB_PT_RED	 63
#define LAB_RED_NONSENSE 5  /* bytes of the older copy that a device puts into what it sends wrapped */
#define LAB_LEVEL	 30 /* dB below overload: speech */
#define LAB_SILENCE	 90
#define LAB_TOC		 0x78 /* of Opus: hybrid, full band, one frame of 20 ms */
#define LAB_SOUND_HEAD	 7    /* bytes of a packet of sound before those that fill it, with a TOC */

enum {
	LAB_EXT_MID = 4,
	LAB_EXT_LEVEL = 1,
	LAB_EXT_TWCC = 3,
	LAB_EXT_RID = 10,
	LAB_EXT_RRID = 11,
	LAB_EXT_ROTATION = 13
};

/* One packet as it came out of a mediad. */
struct lab_packet {
	int64_t at_us;
	uint64_t index;
	uint32_t timestamp;
	uint16_t picture_id;
	uint8_t tl0picidx, device;
	uint8_t layer; /* of a camera in layers */
	bool keyframe, marker, is_rtx, used;
	uint32_t frame;
	uint8_t place; /* in its frame */
};

/* What a device receives on one SSRC. */
struct lab_stream {
	uint32_t ssrc, rtx_ssrc;
	bool video;
	uint64_t first, highest, packets, repaired, duplicates;
	struct lab_packet log[LAB_LOG]; /* by index − first */
	uint32_t nacked_at_ms[LAB_LOG];
	uint8_t nacks[LAB_LOG];
	struct rtcp_sender report; /* the last sender report */
	unsigned reports, levels;  /* levels: packets with an audio level */
	uint8_t level;		   /* the last one's */
	unsigned reds;		   /* packets that came wrapped, */
	unsigned older, older_max; /* older ones in them, at most in one; */
	unsigned older_known;	   /* of these had come before, and were the same; */
	unsigned older_others;	   /* were another device's than the packet's own */
	int64_t heard_us[LAB_LOG]; /* sound, by frame: when it came, on its own or with another; 0 = it did not */
	unsigned heards;	   /* of them */
	unsigned joined;	   /* packets of several frames (lab->opus) */
	int64_t report_us;
};

struct lab_sender {
	uint32_t ssrc, rtx_ssrc, timestamp;
	uint16_t seq, rtx_seq;
	uint16_t picture_id;
	uint8_t tl0picidx;
	uint32_t frame;
	uint8_t level; /* audio */
	bool temporal; /* three temporal layers: 0 2 1 2 */
	uint32_t key_frame;
	uint16_t bytes; /* that fill a packet */
	bool red;	/* audio: wrapped (RFC 2198), with an older copy that is nonsense */
	uint8_t loss_reported;
	uint8_t layer;	 /* of a camera in layers */
	const char *rid; /* NULL: none */
	bool on, keyframe_due, no_mid;
	bool dry; /* stands still, whatever it was told */
	unsigned plis, firs, nacks, frames, keyframes, rtx;
	int64_t next_us;
	struct {
		uint16_t seq, len;
		uint8_t data[1400];
	} sent[LAB_SENT];
};

struct lab_device {
	struct lab *lab;
	unsigned number, mediad;
	struct transport t;
	struct session_transport *rec;
	bool open;
	struct lab_sender audio, video, screen;
	unsigned simulcast;	       /* layers, 2 or 3; 0 = one stream */
	struct lab_sender low, middle; /* below video; of two layers, the lower is low */
	bool deaf_to_layers;	       /* goes on sending what nobody watches */
	uint8_t layers;		       /* as told: bit i = layer i */
	unsigned layers_told;
	/* What it was told of its sound, which it does. */
	uint32_t sound_bps;
	unsigned sounds_told, sound_bytes; /* bytes: that fill a packet when it may do as it likes */
	uint16_t twcc_seq;
	unsigned twcc_feedbacks, twcc_received, twcc_lost, rembs;
	int64_t ntp_skew_us, report_us, rr_us;
	/* Pictures of the test's own, where set: makes the next one of that sender and says how many packets it has
	 * (0 = none this time); */
	unsigned (*camera)(struct lab_device *d, struct lab_sender *s, bool key);
	/* hands out one of them, a payload; */
	size_t (*packet)(struct lab_device *d, struct lab_sender *s, unsigned place, uint8_t *payload);
	/* and takes what a receiver gets of video, once each, repaired ones too; empty ones that fill a number as well.
	 */
	void (*taken)(struct lab_device *d, const struct lab_packet *packet, const uint8_t *payload, size_t len);
	void *arg;
	int64_t picture_us; /* between two pictures; 0 = 33 ms */
	struct lab_stream *stream[LAB_STREAMS];
	unsigned streams_len;
	/* loss in percent of RTP, both ways */
	unsigned loss_up, loss_down;
	bool deaf;	      /* no NACKs from this device */
	unsigned patience_ms; /* before it asks for a packet again, and ten times only; 0 = 30, and for ever */
	/* A bad network instead of the lab's delay and the loss above; the test's own, NULL = none. */
	struct wire *way_down, *way_up;
	/* The way to it: a bottleneck with a queue in front; 0 = none. It tells by transport-wide feedback what came.
	 */
	double down_bps;
	unsigned down_queue_ms, down_dropped;
	int64_t down_free_us; /* when the bottleneck is idle again */
	bool feedback;
	struct twcc down;
	unsigned paddings;	/* empty packets */
	struct msg_seats seats; /* the last list (its first part) */
	unsigned seats_told;
	uint8_t speaker, speaker_level; /* the last that it was told; 0 = nobody */
	unsigned speakers_told;
	struct msg_quality quality; /* the last */
	unsigned qualities_told;
};

struct lab_mediad {
	struct mediad md;
	int table_fd, ring_fd;
	int64_t timer_us;
	struct loop_timer *timer;
	bool restarted;
};

struct lab {
	int64_t now_us;
	unsigned mediads;
	struct lab_mediad m[LAB_MEDIADS];
	struct lab_device device[LAB_DEVICES];
	unsigned devices_len;
	int64_t delay_us, jitter_us; /* of the network; jitter overtakes */
	uint32_t random;
	bool events_full; /* no worker takes events */
	bool refuse_rtp;  /* egress_rtp says -ENOTCONN */
	uint64_t rtp_out, rtcp_out;
	bool opus; /* packets of sound have a TOC (RFC 6716), and come with several frames, perhaps */
};

struct lab *lab_new(unsigned mediads);
struct lab *lab_free(struct lab *lab);

/* A device of that person in that call, on that mediad. video_slots beyond the first sendrecv one are recvonly. */
struct lab_device *lab_device(struct lab *lab, unsigned mediad, uint8_t call, uint8_t member, unsigned slots);
/* Fills an m-line as the worker would. */
struct session_mline *lab_mline(struct lab_device *d, enum media_kind media, bool receives, bool sends,
				enum track_kind kind);
/* Its camera comes in three layers; before the offer. */
void lab_simulcast(struct lab_device *d);
/* In two or three. */
void lab_layers(struct lab_device *d, unsigned n);
/* The offer, and the connection. */
int lab_offer(struct lab_device *d);
void lab_connect(struct lab_device *d);
void lab_close(struct lab_device *d);

/* Hands a packet to the device's mediad now. */
bool lab_rtp(struct lab_device *d, const uint8_t *data, size_t len);
void lab_rtcp(struct lab_device *d, const uint8_t *data, size_t len);
/* The same for what the device says over its network. */
void lab_say(struct lab_device *d, const uint8_t *data, size_t len);
/* A packet of that sender, as it stands; *ret_len bytes. */
size_t lab_build(struct lab_device *d, struct lab_sender *s, bool video, bool key, unsigned place, uint8_t *p);
/* What goes to a connected device is paced at that rate from now on, as where over-use has shown it; no probe looks for
 * more. */
void lab_pace(struct lab_device *d, uint32_t bps);
/* Time goes by in steps of 1 ms: devices send, the network delivers, mediads turn. */
void lab_run(struct lab *lab, int64_t us);
void lab_turn(struct lab *lab);
/* The stream that a device receives on an m-line; NULL: nothing came. */
struct lab_stream *lab_stream(struct lab_device *d, unsigned mline);
/* Every packet between the first and a while ago is there, frames are whole and in order. */
void lab_check_stream(const struct lab *lab, const struct lab_stream *s, int64_t settled_us);
/* The transport's record and media peer are gone and everything with them. */
struct media_peer *lab_peer(struct lab_device *d);
struct stats_mediad *lab_counters(struct lab *lab, unsigned mediad);

#endif
