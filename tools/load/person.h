/* tools/load/person.h - one participant: a place in a call, and its transports.
 *
 *   NEW ──start──▶ SIGNING ──▶ READY ──call, join──▶ JOINING ──keys──▶ CONNECTED      any ──something fails──▶ FAILED
 *                                                    CONNECTED ──watch──▶ JOINING     (person->error says why)
 *
 * The steps are signalling's (signalling.h), the media are the same for all. In Parley's way each does what the page
 * does: signs up and in over HTTPS (not when it came with a token), opens the WebSocket, answers the call, posts one
 * offer, sends and receives, says by `view` how large its tiles are, and comes back when a WebSocket breaks or
 * `media.lost` asks for it. All bytes of signalling are counted.
 *
 * Callers:   the run (run.h), on its loop. */
#ifndef PARLEY_LOAD_PERSON_H
#define PARLEY_LOAD_PERSON_H

#include "tools/load/api.h"
#include "tools/load/media.h"
#include "tools/load/signalling.h"
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

struct janus;
struct person;

struct person_ops {
	/* The first packet of a key frame of that publisher came. */
	void (*on_keyframe)(struct person *p, uint32_t publisher, int64_t now_us);
};

/* What all participants of a run share. */
struct people {
	struct loop *loop;
	struct api *api;
	const struct signalling *signalling;
	const struct person_ops *ops;
	struct ws_config ws; /* without token, ops and arg */
	struct janus *janus; /* janus.c's */
	struct media_settings media;
	unsigned len;
	struct person *person; /* len of them */
	unsigned tiles, tile_height;
	uint64_t ws_lost, media_lost;
};

struct person {
	struct people *people;
	unsigned index;
	enum person_state state;
	char error[200];
	struct id id;
	/* call */
	unsigned group;		   /* which of the run's calls, */
	unsigned first, call_size; /* and who else is in it, by index */
	unsigned publishers;	   /* the first so many of them publish */
	bool hosts, publishes, speaks;
	struct media media, watch; /* watch: Janus' way alone */
	/* Parley's: account; made: by us in this run */
	char username[33], password[33], token[129];
	bool made;
	struct ws *ws, *ws_old; /* ws_old: closed, freed at the next tick */
	struct loop_timer reconnect;
	char call[ID_TEXT_LEN + 1];
	bool view_due;
	bool offer_again; /* what the offer under way asks for was lost meanwhile */
	/* Janus': handles of its plugin */
	uint64_t handle, watch_handle;
	/* measured */
	struct traffic traffic;
	unsigned exchanges; /* of SDP */
	unsigned offer_bytes, answer_bytes;
	int64_t join_us, connected_us, picture_us; /* times; 0 = not yet */
	uint64_t turn_seen;			   /* number of the last turn whose speaker this one has seen */
};

/* When people->media is filled, and the person's place in it. */
void person_init(struct person *p);
void person_fini(struct person *p);
/* The first reason stays. */
void person_fail(struct person *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
void person_count(struct person *p, const struct api_answer *answer);
/* A step that ends with media begins. */
void person_joins(struct person *p);
void person_speak(struct person *p, bool speaks);
/* About every 5 ms. */
void person_tick(struct person *p, int64_t now_us);
void person_stop_sending(struct person *p);
struct traffic person_traffic(const struct person *p);
struct receiver_counts person_received(const struct person *p);
struct publisher_counts person_sent(const struct person *p);
/* The name of the SRTP profile that it receives by; "" without. */
const char *person_profile(const struct person *p);

#endif
