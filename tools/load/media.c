#include "tools/load/media.h"

#include "lib/rtcp.h"

#include <stdlib.h>
#include <string.h>

static void send_rtp(void *arg, const uint8_t *packet, size_t len)
{
	(void)peer_send_rtp(((struct media *)arg)->peer, packet, len);
}

static void send_rtcp(void *arg, const uint8_t *packet, size_t len)
{
	(void)peer_send_rtcp(((struct media *)arg)->peer, packet, len);
}

static void on_keyframe(void *arg, uint32_t publisher, int64_t now_us)
{
	struct media *m = arg;

	m->settings->ops->on_keyframe(m, publisher, now_us);
}

static const struct id *person_of(void *arg, uint32_t publisher)
{
	struct media *m = arg;

	return m->settings->ops->person(m, publisher);
}

static void on_rtp(struct peer *peer, unsigned socket, const uint8_t *packet, size_t len, void *arg)
{
	struct media *m = arg;
	uint8_t copy[PEER_DATAGRAM_MAX];

	(void)peer;
	(void)socket;
	if (!m->receiver)
		return;
	memcpy(copy, packet, len);
	receiver_on_rtp(m->receiver, copy, len, clock_now_us());
}

static void on_rtcp(struct peer *peer, unsigned socket, const uint8_t *data, size_t len, void *arg)
{
	struct media *m = arg;
	struct rtcp_packet packet;
	int64_t now_us = clock_now_us();

	(void)peer;
	(void)socket;
	if (rtcp_check(data, len) < 0)
		return;
	while (rtcp_next(&data, &len, &packet) == 0) {
		if (m->receiver)
			receiver_on_rtcp(m->receiver, &packet, now_us);
		if (m->publisher)
			publisher_on_rtcp(m->publisher, &packet, now_us);
	}
}

static int publisher_start(struct media *m, int64_t now_us)
{
	const struct media_settings *s = m->settings;
	const struct publisher_config config = {
		.run = s->run,
		.index = m->index,
		.fps = s->fps,
		.height = s->height,
		.bitrate = s->bitrate,
		.layers = s->layers,
		.payload = s->payload,
		.burst = s->burst,
		.audio = s->audio,
		.video = s->video,
		.ssrc_audio = m->sources.ssrc_audio,
		.ssrc_video = m->sources.ssrc_video,
		.answer = m->answer,
		.send = send_rtp,
		.send_rtcp = send_rtcp,
		.arg = m,
	};
	int err = publisher_new(&config, now_us, &m->publisher);

	if (err == 0)
		publisher_speak(m->publisher, m->speaks, now_us);
	return err;
}

static void on_peer_state(struct peer *peer, enum peer_state state, void *arg)
{
	struct media *m = arg;
	int64_t now_us = clock_now_us();

	if (state == PEER_FAILED) {
		m->settings->ops->on_failed(m, peer_error(peer));
	} else if (state == PEER_CLOSED) {
		m->gone = true;
	} else if (state == PEER_CONNECTED) {
		m->connected = true;
		if (m->sends && publisher_start(m, now_us) < 0)
			m->settings->ops->on_failed(m, "out of memory");
		else
			m->settings->ops->on_connected(m, now_us);
	}
}

int media_open(struct media *m)
{
	static const struct peer_ops ops = { .on_state = on_peer_state, .on_rtp = on_rtp, .on_rtcp = on_rtcp };
	const struct peer_config config = { .loop = m->settings->loop, .ops = &ops, .arg = m, .gro = true };

	return peer_new(&config, &m->peer);
}

struct sdp_identity media_identity(const struct media *m)
{
	return (struct sdp_identity){ peer_ufrag(m->peer), peer_pwd(m->peer), peer_fingerprint() };
}

int media_connect(struct media *m, struct sdp_answer *answer)
{
	static const struct receiver_ops ops = { .on_keyframe = on_keyframe,
						 .send_rtcp = send_rtcp,
						 .person = person_of };
	const struct receiver_config config = {
		.run = m->settings->run,
		.answer = answer,
		.ops = &ops,
		.arg = m,
		.delay = m->settings->delay,
	};
	struct peer_remote remote = { .ufrag = answer->ufrag, .pwd = answer->pwd };

	m->answer = answer;
	memcpy(remote.fingerprint, answer->fingerprint, sizeof(remote.fingerprint));
	remote.address = answer->address;
	remote.address_len = answer->address_len;
	int err = m->receives ? receiver_new(&config, clock_now_us(), &m->receiver) : 0;
	return err < 0 ? err : peer_connect(m->peer, &remote);
}

void media_close(struct media *m)
{
	struct receiver_counts received = { 0 };
	struct publisher_counts sent = { 0 };

	media_received_add(m, &received);
	media_sent_add(m, &sent);
	m->received_before = received;
	m->sent_before = sent;
	m->publisher = publisher_free(m->publisher);
	m->receiver = receiver_free(m->receiver);
	m->peer = peer_free(m->peer);
	free(m->answer);
	m->answer = NULL;
	m->connected = m->gone = false;
}

void media_tick(struct media *m, int64_t now_us)
{
	if (!m->connected || m->gone)
		return;
	if (m->publisher)
		publisher_tick(m->publisher, now_us);
	if (m->receiver)
		receiver_tick(m->receiver, now_us);
}

void media_speak(struct media *m, bool speaks)
{
	m->speaks = speaks;
	if (m->publisher)
		publisher_speak(m->publisher, speaks, clock_now_us());
}

void media_stop(struct media *m)
{
	if (m->publisher)
		publisher_stop(m->publisher);
}

static void add(uint64_t *sum, const uint64_t *more, size_t bytes)
{
	for (size_t i = 0; i < bytes / sizeof(uint64_t); i++)
		sum[i] += more[i];
}

void media_received_add(const struct media *m, struct receiver_counts *sum)
{
	add((uint64_t *)sum, (const uint64_t *)&m->received_before, sizeof(*sum));
	if (m->receiver) {
		struct receiver_counts now = receiver_counts(m->receiver);
		now.replayed = peer_replayed(m->peer);
		add((uint64_t *)sum, (const uint64_t *)&now, sizeof(*sum));
	}
}

void media_sent_add(const struct media *m, struct publisher_counts *sum)
{
	add((uint64_t *)sum, (const uint64_t *)&m->sent_before, sizeof(*sum));
	if (m->publisher)
		add((uint64_t *)sum, (const uint64_t *)publisher_counts(m->publisher), sizeof(*sum));
}
