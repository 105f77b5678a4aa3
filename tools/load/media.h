/* tools/load/media.h - one transport of a participant, with what is sent and what is received over it.
 *
 *     media_open(&m)                          the peer, whose identity goes into a description
 *     … descriptions are exchanged (signalling.h) …
 *     media_connect(&m, answer)               ICE, DTLS; then ops->on_connected()
 *     media_tick(&m, now_us)                  about every 5 ms
 *     media_close(&m)                         its counts are kept; it may be opened again
 *
 * The same for every server: what differs between servers is who describes what to whom.
 *
 * Callers:   one thread, on settings->loop. Callbacks may not close.
 * Ownership: media_connect() takes the answer, also when it fails. A zeroed struct media with the first block filled is
 *            valid. */
#ifndef PARLEY_LOAD_MEDIA_H
#define PARLEY_LOAD_MEDIA_H

#include "tools/load/peer.h"
#include "tools/load/publisher.h"
#include "tools/load/receiver.h"

struct media;

struct media_ops {
	void (*on_connected)(struct media *m, int64_t now_us);
	void (*on_failed)(struct media *m, const char *why);
	/* The first packet of a key frame of that publisher came. */
	void (*on_keyframe)(struct media *m, uint32_t publisher, int64_t now_us);
	/* Who sits behind that index; NULL: nobody. */
	const struct id *(*person)(struct media *m, uint32_t publisher);
};

/* Of all participants. */
struct media_settings {
	struct loop *loop;
	const struct media_ops *ops;
	uint32_t run;
	unsigned fps, height, bitrate, layers, payload;
	bool audio, video, burst;
	struct histogram *delay;
};

struct media {
	const struct media_settings *settings;
	void *arg;
	unsigned index; /* of the participant, for the marks */
	bool sends, receives;
	/* since media_open() */
	struct peer *peer;
	struct sdp_answer *answer;
	struct publisher *publisher;
	struct receiver *receiver;
	struct sdp_sources sources; /* who describes them does so before media_connect() */
	bool connected, gone, speaks;
	/* of before */
	struct receiver_counts received_before;
	struct publisher_counts sent_before;
};

int media_open(struct media *m);
struct sdp_identity media_identity(const struct media *m);
int media_connect(struct media *m, struct sdp_answer *answer);
void media_close(struct media *m);
void media_tick(struct media *m, int64_t now_us);
void media_speak(struct media *m, bool speaks);
/* Nothing new is sent. */
void media_stop(struct media *m);
/* Adds what it received and sent, since the beginning. */
void media_received_add(const struct media *m, struct receiver_counts *sum);
void media_sent_add(const struct media *m, struct publisher_counts *sum);

#endif
