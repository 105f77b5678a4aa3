/* workers/media_link.h - the worker's side of the talk with the mediads.
 *
 * Questions: an offer, a close by handle and a list are answered through a callback, exactly once and never
 *            from inside the call: by the mediad, or with -ETIMEDOUT after MEDIA_LINK_TIMEOUT_US. An answer
 *            that comes too late closes the transport that it made.
 * Orders:    close_member, close_call, member_state, view and ask_seats go to every mediad and are not answered;
 *            what a full ring does not take is kept (MEDIA_LINK_PENDING_MAX a mediad) and sent later, in order.
 *            What is lost for good (a mediad that dies with it) the reconciler frees.
 * Events:    MSG_TRANSPORT_STATE → statement media_state and its notify; MSG_SEATS → event `seats` to that
 *            member; MSG_MEDIA_LOST → event `media.lost` to that member; MSG_SPEAKER → event
 *            `speaker` to those that the mediad lists; MSG_QUALITY → event `quality`, MSG_LAYERS → event `layers`,
 *            MSG_SOUND → event `sound` to that member.
 * Callers:   the worker's only thread. Everything is copied.
 * Errors:    -EAGAIN (ring full: nothing was sent, 503), -ENOENT (MSG_ERR_GONE: that transport is not there,
 *            or is another member's), -ENOSPC (MSG_ERR_FULL), -EBADMSG (MSG_ERR_BAD), -ETIMEDOUT, -ENOMEM,
 *            -ENODEV (there is no such mediad), -ECONNRESET (the worker stops). */
#ifndef PARLEY_WORKERS_MEDIA_LINK_H
#define PARLEY_WORKERS_MEDIA_LINK_H

#include "lib/clock.h"
#include "lib/ids.h"
#include "shm/msg.h"

#include <stdbool.h>

#define MEDIA_LINK_TIMEOUT_US	 (5 * USEC_PER_SEC)
#define MEDIA_LINK_QUESTIONS_MAX 4096
#define MEDIA_LINK_PENDING_MAX	 1024
#define MEDIA_CANDIDATES_MAX	 32

struct media_link;
struct worker;

/* What a mediad answered to an offer. Strings are checked: nothing in them can break a line of SDP. */
struct media_answer {
	unsigned mediad;
	uint64_t handle; /* of the transport, on that mediad */
	char ufrag[16 + 1], pwd[32 + 1];
	uint8_t fingerprint[32]; /* SHA-256 of the mediad's certificate */
	char cname[24 + 1];
	size_t candidates_len, seats_len;
	struct session_address candidate[MEDIA_CANDIDATES_MAX]; /* best first */
	struct msg_answer_seat seat[SESSION_MLINES_MAX];
};

typedef void media_answer_cb(int error, const struct media_answer *answer, void *arg);
typedef void media_done_cb(int error, void *arg);
typedef void media_list_cb(int error, const struct msg_transport_state *items, size_t len, void *arg);

/* Also starts the reconciler. */
int media_link_start(struct worker *worker, struct media_link **ret_media);
struct media_link *media_link_stop(struct media_link *media);

/* Every message that a mediad sent; peers.c calls this. payload is the copy that link_pop() made
 * (LINK_PAYLOAD_MAX bytes); it is checked here. */
void media_link_on_msg(struct media_link *media, unsigned mediad, const struct link_msg *msg, void *payload);

/* offer->transport 0: a new transport; else a re-offer of that one. */
int media_link_offer(struct media_link *media, unsigned mediad, const struct msg_offer *offer,
		     const struct session_mline *mlines, media_answer_cb *callback, void *arg);
/* For a close that a client asked for: -ENOENT when that transport is not this member's. */
int media_link_leave(struct media_link *media, unsigned mediad, uint64_t handle, const struct id *call,
		     const struct id *member, media_done_cb *callback, void *arg);
int media_link_list(struct media_link *media, unsigned mediad, media_list_cb *callback, void *arg);

void media_link_close_transport(struct media_link *media, unsigned mediad, uint64_t handle);
void media_link_close_member(struct media_link *media, const struct id *call, const struct id *member);
/* That member's transports but the one with this handle on this mediad. */
void media_link_close_others(struct media_link *media, const struct id *call, const struct id *member, unsigned mediad,
			     uint64_t handle);
void media_link_close_call(struct media_link *media, const struct id *call);
void media_link_member_state(struct media_link *media, const struct id *call, const struct id *member, bool paused,
			     bool muted_audio, bool muted_video);

/* What that member's page shows (event `view`): replaces what it said before. height 0: hidden, not sent; what is
 * not listed is the mediads' decision. At most MSG_VIEW_MAX items count. The caller sees to it that member is in
 * the call; a stranger's view finds no transport and does nothing. */
void media_link_view(struct media_link *media, const struct id *call, const struct id *member,
		     const struct msg_view_item *items, size_t len);

/* What that member was told of seats may be lost: the mediad that has a transport of his tells it again. */
void media_link_ask_seats(struct media_link *media, const struct id *call, const struct id *member);

/* A transport's name for clients and the database: mediad and handle in hex. */
#define MEDIA_ID_LEN 18
const char *media_id_format(unsigned mediad, uint64_t handle, char buf[MEDIA_ID_LEN + 1]);
int media_id_parse(const char *text, unsigned *ret_mediad, uint64_t *ret_handle); /* -EINVAL */

#endif
