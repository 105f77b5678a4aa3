/* mediad/seat.h - what a participant receives on one m-line: one unbroken stream made of changing sources.
 *
 *   EMPTY ──source──▶ WAITING ──first packet of a key frame (audio: first packet) sent──▶ LIVE
 *   LIVE, WAITING ──other source──▶ WAITING      LIVE, WAITING ──its member pauses──▶ PAUSED ──goes on──▶ WAITING
 *   any with a source ──its lowest layer does not fit any more──▶ WEAK ──it does again──▶ WAITING
 *   LIVE, WAITING ──its member's sound comes, and of the camera, which is on, nothing for SEAT_DRY_US──▶ WEAK ──it
 * comes again──▶ LIVE any ──no source──▶ EMPTY
 *
 * Sequence:  out index = out_base + (source index − source_base): what the publisher's network lost leaves a
 *            hole that a late or repeated packet fills, once. A new source begins at the next index.
 * Timestamp: out = source + offset; at a switch the offset is such that the stream goes on by the server time
 *            that passed, so the mapping of timestamps to server time never jumps. A source whose pictures are behind
 *            what was sent runs ahead of its time by what keeps timestamps rising (rec->shift_us), until the next
 * switch. Layers:    layer.h chooses by the tile's height. The layer that flows goes on until a key frame of the target
 * comes, and until its own frame is whole; the target's packets that came meanwhile are read from the ring again. With
 * nothing flowing, the key frame of any layer up to the target is a beginning. Whole:     a picture under way is
 * finished, and what the network let overtake comes, before another layer or another source begins: SEAT_CLOSE_US at
 * most, for what is lost for good. Index:     rec->next is stored past an index before it is encrypted, and the history
 * knows what was sent: no (SSRC, index) goes out twice. Retransmissions have the RTX stream's own indexes. */
#ifndef PARLEY_MEDIAD_SEAT_H
#define PARLEY_MEDIAD_SEAT_H

#include "mediad/codec.h"
#include "mediad/pack.h"
#include "mediad/rate.h"
#include "mediad/thin.h"
#include "mediad/track.h"

#define SEAT_DRY_US   (2 * USEC_PER_SEC)
#define SEAT_ALIVE_US (500 * USEC_PER_MSEC)

struct media_peer;

struct seat {
	struct session_seat *rec;
	struct media_peer *peer;
	struct track *source;
	struct seat *next, **link; /* among the seats of the source */
	bool mapped;		   /* packets flow: rec's offsets hold for (source_ssrc, layer) */
	uint32_t source_ssrc;
	unsigned maps; /* how often a new beginning was made */
	struct layer_choice choice;
	uint16_t tile_height; /* as the client says; LAYER_TALLEST when it does not */
	unsigned limit;	      /* how many of the lowest layers it may have; 0 = nothing, ALLOC_ALL = no limit */
	unsigned left_out;    /* upper temporal layers of the highest of them that it goes without */
	struct thin thin;
	struct seat_meter meter; /* rate.c */
	unsigned padded;	 /* packets of the history that were sent again as padding, from the newest back */
	bool frame_open;	 /* video: the last packet sent was not its frame's last, */
	uint32_t open_timestamp; /* which has this timestamp (source's) */
	unsigned holes;		 /* packets below the last one that have not come (yet) */
	int64_t hole_us;	 /* since when, the newest */
	int64_t leave_us;	 /* another source is to come when all is whole, or at that time; 0 = none */
	bool held;		 /* packets of what flows were held back for one or the other */
	/* A key frame of the target came, and not all is whole. */
	struct {
		bool waits, now;
		bool first;   /* index is known to be its first packet */
		bool refused; /* the last one was not, and what came before it never came */
		uint8_t layer;
		uint32_t timestamp;
		uint64_t index;
		int64_t until_us;
	} begin;
	/* The entry of our m-line for the source's codec; refound when codec_version moves. */
	const struct session_codec *codec;
	unsigned codec_version;
	bool codec_known, mismatch_logged;
	bool hidden;	 /* the client does not show it */
	bool report_due; /* a sender report goes out with this turn */
	/* What the receiver reports. */
	uint8_t fraction_lost;
	uint32_t highest_reported; /* 0 = nothing yet */
	int64_t loss_us;	   /* when; 0 = never */
	int16_t fir_command;	   /* the last one obeyed; -1 = none */
	/* Sound that waits for the packets that carry it again (red.h). */
	struct {
		bool waits;
		unsigned depth, times;
		uint64_t index; /* the first that waits */
		int64_t begun_us;
	} late;
	/* On a path that hardly takes sound (lean.h). */
	struct pack pack;
	bool unheard; /* others speak, and there is no room for more */
	bool lower;   /* who is heard should send fewer bits */
	/* Retransmissions allowed: one more with each packet, so they never cost more than the stream itself. */
	uint32_t resend_budget;
	uint32_t resent_ms[SESSION_HISTORY];  /* when each was retransmitted last; 0 = never */
	uint64_t waits[SESSION_HISTORY / 64]; /* pacing.c: which of them have not left yet */
};

int seat_new(struct media_peer *peer, unsigned mline, struct seat **ret_seat);
struct seat *seat_free(struct seat *seat);
/* The m-line was negotiated again. */
void seat_on_offer(struct seat *seat);
/* NULL: nobody. With a picture under way it stays as it is for a moment, and asks to be seated again. */
void seat_set_source(struct seat *seat, struct track *track, int64_t now_us);
/* Its source goes away: nobody, now. */
void seat_lose_source(struct seat *seat, int64_t now_us);
/* The source's member paused or went on; or our own did. */
void seat_on_pause(struct seat *seat, int64_t now_us);
/* What the client shows has changed. */
void seat_on_view(struct seat *seat, int64_t now_us);
/* Nothing of the source was forwarded for a while: begin again at a key frame. */
void seat_restart(struct seat *seat, int64_t now_us);
enum seat_state seat_state(const struct seat *seat);
/* The layers that it takes or waits for: bit i = layer i. */
unsigned seat_layers(const struct seat *seat);
/* Chooses its layer anew. */
void seat_choose(struct seat *seat, int64_t now_us);
/* For who allocates: it may have so many of the lowest layers. 0: nothing is forwarded once the picture under way is
 * whole, and its state says so. */
void seat_set_limit(struct seat *seat, unsigned limit, int64_t now_us);
/* And of the highest of these not so many upper temporal layers. */
void seat_set_left_out(struct seat *seat, unsigned left_out);
/* Does its member's way take no picture? */
void seat_look(struct seat *seat, int64_t now_us);
/* A key frame waits: may it begin? */
bool seat_begins(const struct seat *seat, int64_t now_us);
/* What flows goes on after all: what was held back follows. */
void seat_release(struct seat *seat, int64_t now_us);

void seat_forward(struct seat *seat, const struct track_packet *packet);
/* Sound: a packet goes out with the stream's next number, whatever its source's is; */
void seat_send_as_next(struct seat *seat, const struct track_packet *packet);
/* and from this one on numbers follow the source's again. */
void seat_go_on_from(struct seat *seat, const struct track_packet *packet);
/* Sound: others speak, and there is no room for it now; or it is heard again. */
void seat_set_unheard(struct seat *seat, bool unheard);
/* The receiver misses seq of our media SSRC. */
void seat_on_nack(struct seat *seat, uint16_t seq, int64_t now_us);
/* What was sent again is sent once more, asked or not. */
void seat_resend_again(struct seat *seat, uint16_t seq, int64_t now_us);
/* One packet to fill a probe with: of the last ones sent, again by RTX. False: there is none. */
bool seat_pad_again(struct seat *seat, int64_t now_us);
/* Or an empty one, of about that many bytes, on the RTX stream. False: nothing was sent yet, or there is no RTX. */
bool seat_pad_empty(struct seat *seat, unsigned bytes, int64_t now_us);
/* The receiver needs a key frame. */
void seat_on_keyframe_request(struct seat *seat, int64_t now_us);
void seat_on_block(struct seat *seat, const struct rtcp_block *block, int64_t now_us);
/* False: nothing was sent yet. */
bool seat_sender_report(const struct seat *seat, int64_t now_us, struct rtcp_sender *ret_sender);

#endif
