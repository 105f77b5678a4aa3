/* tools/load/person.h - one participant: an account, a sign-in, a WebSocket, a place in a call, a transport.
 *
 *   NEW ──person_start()──▶ SIGNING ──hello──▶ READY ──person_join()──▶ JOINING ──keys──▶ CONNECTED ──person_leave()──▶
 * READY any ──a request fails──▶ FAILED (person->error says why)
 *
 * Does what the page does: signs up and in over HTTPS (not when it came with a token), opens the WebSocket, answers the
 * call, posts one offer, sends and receives, says by `view` how large its tiles are, and comes back when a WebSocket
 * breaks or `media.lost` asks for it. All bytes of signalling are counted.
 *
 * Callers:   the run (run.h), on its loop. */
#ifndef PARLEY_LOAD_PERSON_H
#define PARLEY_LOAD_PERSON_H

#include "tools/load/api.h"
#include "tools/load/peer.h"
#include "tools/load/publisher.h"
#include "tools/load/receiver.h"
#include "tools/load/ws.h"

#define PERSON_EVENTS	  17
#define PERSON_TILES_TOLD 64 /* of one view */

/* The types of events that are counted one by one; what else comes is counted as the last, "other". */
extern const char *const person_event_name[PERSON_EVENTS];

enum person_state { PERSON_NEW, PERSON_SIGNING, PERSON_READY, PERSON_JOINING, PERSON_CONNECTED, PERSON_FAILED };

/* Bytes on the level of HTTP and of WebSocket frames. */
struct traffic {
	uint64_t requests, http_sent, http_received, ws_sent, ws_received, ws_opening;
	struct {
		uint64_t count, bytes;
	} event[PERSON_EVENTS];
};

struct person;

struct person_ops {
	/* The first packet of a key frame of that publisher came. */
	void (*on_keyframe)(struct person *p, uint32_t publisher, int64_t now_us);
};

/* What all participants of a run share. */
struct people {
	struct loop *loop;
	struct api *api;
	const struct person_ops *ops;
	struct ws_config ws; /* without token, ops and arg */
	uint32_t run;
	unsigned len;
	struct person *person; /* len of them */
	unsigned tiles, tile_height, fps, height, bitrate, layers;
	bool audio, video;
	struct histogram *delay;
	uint64_t ws_lost, media_lost;
};

struct person {
	struct people *people;
	unsigned index;
	enum person_state state;
	char error[200];
	/* account; made: by us in this run */
	char username[33], password[33], token[129];
	bool made;
	struct id id;
	struct ws *ws, *ws_old; /* ws_old: closed, freed at the next tick */
	struct loop_timer reconnect;
	/* call */
	unsigned group; /* which of the run's calls */
	char call[ID_TEXT_LEN + 1];
	bool hosts, publishes;
	struct peer *peer;
	struct sdp_answer *answer;
	struct publisher *publisher;
	struct receiver *receiver;
	bool speaks, peer_gone, view_due;
	bool offer_again; /* what the offer under way asks for was lost meanwhile */
	/* media that ended: receivers and publishers of before */
	struct receiver_counts received_before;
	struct publisher_counts sent_before;
	/* measured */
	struct traffic traffic;
	unsigned exchanges; /* of SDP */
	unsigned offer_bytes, answer_bytes;
	int64_t join_us, connected_us, picture_us; /* times; 0 = not yet */
	uint64_t turn_seen;			   /* number of the last turn whose speaker this one has seen */
};

void person_start(struct person *p);
/* Both ask, so both are contacts. p->error when it fails; done when it is so. */
void person_befriend(struct person *p, struct person *other, void (*done)(struct person *p));
/* Starts a call of these people, and joins it. */
void person_call(struct person *p, const struct person *invited, unsigned len);
/* Answers that call, and joins it. */
void person_join(struct person *p, const char *call);
void person_end_call(struct person *p);
/* The account goes, if it was made here. */
void person_delete(struct person *p);
void person_speak(struct person *p, bool speaks);
/* About every 5 ms. */
void person_tick(struct person *p, int64_t now_us);
void person_stop_sending(struct person *p);
struct traffic person_traffic(const struct person *p);
struct receiver_counts person_received(const struct person *p);
struct publisher_counts person_sent(const struct person *p);
void person_fini(struct person *p);

#endif
