/* mediad/call.h - calls: whose transports are here, what everybody sends, and who sits where.
 *
 *   struct media         one per mediad: calls, tracks by handle, transports in one dense array
 *     struct call        exists while a transport of it is here
 *       struct member    a person: the tracks of all his transports, here or on other mediads
 *       struct media_peer   a transport that is here: tracks (mline → track), seats (mline → seat), places
 *
 * Places:    place i is the i-th audio slot with the i-th video slot; who sits there is heard and seen there
 *            (seating.h).
 * Ownership: media owns calls, calls own members and peers; members list the tracks that peers (here) and
 *            relay (elsewhere) own. All is heap and made by offers and messages, never by packets.
 * Callers:   the parts of the media side. */
#ifndef PARLEY_MEDIAD_CALL_H
#define PARLEY_MEDIAD_CALL_H

#include "lib/rtcp.h"
#include "lib/twcc.h"
#include "mediad/bwe.h"
#include "mediad/lean.h"
#include "mediad/media.h"
#include "mediad/pacing.h"
#include "mediad/rate.h"
#include "mediad/red.h"
#include "mediad/seat.h"
#include "mediad/track.h"

#define CALL_BUCKETS	      1024
#define MEDIA_NEVER_DUE	      INT64_MAX
#define PEER_SOURCES	      256 /* places in the table of SSRCs; at most 6 for each m-line are used */
#define PEER_LEARN_PER_SECOND 64  /* new SSRCs that are looked at */
/* bit/s */
#define PEER_RATE_START	    300000
#define PEER_RATE_MIN	    20000 /* less than one voice */
#define PEER_RATE_MAX	    50000000
#define PEER_RTT_DEFAULT_US (100 * USEC_PER_MSEC)

enum member_part { MEMBER_MAIN, MEMBER_SCREEN, MEMBER_PARTS };

struct member {
	struct call *call;
	struct id id;
	int64_t joined_us;
	int64_t spoke_us; /* when he was last heard speaking; 0 = never */
	bool paused, muted_audio, muted_video;
	bool speaking;
	uint8_t loudness;
	struct member *next;  /* in order of joining */
	struct track *tracks; /* newest first */
	unsigned peers, tracks_len;
};

struct place {
	uint8_t audio, video; /* m-lines; SESSION_MLINES_MAX = none */
	const struct member *member;
	enum member_part part;
};

/* An SSRC that the peer sends with. */
struct peer_source {
	uint32_t ssrc;
	uint8_t used, mline, layer, is_rtx;
};

/* Since the last MSG_QUALITY; in: to the client. */
struct peer_quality {
	int64_t since_us; /* 0: not begun */
	uint64_t bytes_in, bytes_out;
	uint64_t in, in_lost_256, out, out_lost; /* packets */
};

/* Whether he has heard anything since the last look (report.c). */
struct peer_sign {
	int64_t due_us, active_us;
	uint64_t in, out; /* struct peer_quality's bytes then */
	bool told;
};

struct media_peer {
	struct media *media;
	struct transport *t;
	struct call *call;
	struct member *member;
	struct media_peer *next; /* in the call */
	unsigned slot;		 /* in media->peer */
	bool connected, suspended;
	bool uses_twcc, uses_remb;
	uint8_t ext_mid, ext_rid, ext_repaired_rid, ext_twcc;
	struct track *track[SESSION_MLINES_MAX];
	struct seat *seat[SESSION_MLINES_MAX];
	struct place place[SESSION_MLINES_MAX];
	unsigned places_len;
	struct peer_source source[PEER_SOURCES];
	unsigned learnt; /* in this second */
	int64_t learnt_us;
	struct twcc *twcc; /* NULL: no m-line receives with it */
	struct bwe *bwe;   /* what the path to him takes; NULL: no m-line sends with transport-wide numbers */
	struct peer_rate rate;
	struct red red;		     /* is sound sent twice */
	struct lean lean;	     /* does it fit at all */
	struct pacing *pacing;	     /* NULL: the path takes everything, nothing waits */
	uint32_t twcc_media;	     /* SSRC named in feedback: the last that spoke */
	struct rtp_clock_peer clock; /* the publisher's NTP clock against ours */
	bool rtt_known;
	int64_t rtt_us;
	struct peer_quality quality;
	int64_t report_due_us;
	struct peer_sign sign;
	/* MSG_VIEW */
	unsigned view_len;
	struct msg_view_item view[MSG_VIEW_MAX];
	/* MSG_SEATS */
	bool seats_due;
	uint32_t seats_version;
};

struct call {
	struct media *media;
	struct id id;
	struct call *next; /* in the bucket */
	struct member *members;
	struct media_peer *peers;
	uint64_t here;	   /* mediads that have members of it */
	uint64_t here_due; /* mediads to be told that we have */
	uint64_t gone_due; /* mediads to be told that we have no longer */
	bool reseat_due;   /* seating_flush() */
	bool crowded;	   /* somebody here has fewer places than there are people */
	struct {
		struct call *next; /* in media->talking */
		bool listed;
		bool due; /* listeners are to be told */
		bool heard;
		const struct member *speaker, *rival;
		unsigned rival_ticks;
	} talk; /* speaker.c */
};

struct media {
	struct mediad *md;
	struct call *bucket[CALL_BUCKETS];
	struct media_peer **peer; /* dense; max_transports places */
	int64_t *due_us;	  /* when peer[i] wants to be run */
	uint32_t peers_len;
	struct track **local;			  /* by index in the session table */
	struct track **remote[SHM_PROCESSES_MAX]; /* by index in that mediad's table; NULL until used */
	struct track *remotes;			  /* list of all remote tracks */
	struct track *layered;			  /* list of the tracks that demand.c looks after */
	int64_t layers_due_us;
	bool demand_due; /* what somebody watches has changed */
	int64_t rate_due_us, rate_tick_us;
	struct media_peer *probed; /* list of the peers to whom a probe is under way (rate.c) */
	bool rate_due;		   /* what some peer receives has changed */
	struct media_peer *paced;  /* list of the peers for whom packets wait (pacing.c) */
	struct relay *relay;
	int64_t ntp_offset_us; /* NTP time (us since 1900) = CLOCK_MONOTONIC + offset */
	struct call *talking;  /* calls in which somebody is heard (speaker.c) */
	int64_t talking_due_us;
	struct loop_timer timer;
	int64_t timer_at_us;
	bool stopping;
	bool reseat_due;	/* some call, now */
	int64_t reseat_at_us;	/* or at that time; MEDIA_NEVER_DUE */
	bool seats_due;		/* some peer has a list to send */
	int64_t seats_retry_us; /* when no worker took one: not before */
};

/* ---- calls and members ---- */
struct call *call_find(struct media *media, const struct id *id);
int call_join(struct media_peer *peer);
void call_leave(struct media_peer *peer);
/* The member of a remote track, made when it is new. NULL: memory. */
struct member *call_member(struct call *call, const struct id *id, int64_t joined_us);
/* Lists a track with its member; takes it off again and frees a member without tracks and transports. */
void member_add_track(struct member *member, struct track *track);
void member_remove_track(struct member *member, struct track *track);
/* Is that kind of track muted? */
bool member_mutes(const struct member *member, unsigned kind);
void member_set_paused(struct member *member, bool paused, int64_t now_us);
/* Drops a call without transports once every mediad was told. */
void call_free_if_done(struct call *call);

/* ---- peers ---- */
/* The list of seats changed: it goes to the worker at the end of the turn, or before the first packet. */
void peer_seats_changed(struct media_peer *peer);
/* Sends a changed list. False: no worker takes it now. */
bool peer_tell_seats(struct media_peer *peer);
/* The peer wants to be run at that time, or earlier. */
void peer_due(struct media_peer *peer, int64_t at_us);
/* A buffer for RTCP, and its sending; peer_rtcp_end() returns 0 or why not. */
struct rtcp_out peer_rtcp_begin(struct media_peer *peer);
int peer_rtcp_end(struct media_peer *peer, struct rtcp_out *out);
bool peer_can_send(const struct media_peer *peer);
uint32_t peer_own_ssrc(const struct media_peer *peer);

/* Runs what is due by now (timers of all peers, relay); for the loop's timer and for tests. Returns when to
 * come again. */
int64_t media_run(struct media *media, int64_t now_us);
/* media_run() is wanted at that time, or earlier; on a grid of 5 ms. */
void media_wake_at(struct media *media, int64_t at_us);
/* 64-bit NTP timestamp of a time of ours. */
uint64_t media_ntp(const struct media *media, int64_t at_us);

#endif
