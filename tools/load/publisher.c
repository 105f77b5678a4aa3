#include "tools/load/publisher.h"

#include "lib/clock.h"
#include "lib/ids.h"
#include "lib/rtp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
	HISTORY = 512,	/* packets of a layer, sent ones and those that wait for their slot */
	PAYLOAD = 1100, /* at most, of a packet */
	KEY_FACTOR = 4, /* a key frame is so much larger */
	LOUD = 25,	/* dB below overload */
	SILENT = 127,
	SOUND_BYTES = 80,
	NOISE_BYTES = 2,
	KEY_PAUSE_US = 300 * 1000,
	SOUND_US = 20 * 1000,
	NOISE_US = 400 * 1000,
	NTP_OFFSET_S = 2208988800u,
};

struct sent {
	uint32_t frame, timestamp;
	uint16_t len, picture_id; /* of the payload */
	uint8_t place, count, tl0picidx;
	bool key;
};

struct stream {
	uint32_t ssrc, rtx_ssrc, timestamp;
	uint16_t seq, rtx_seq; /* the next one */
	uint16_t built;	       /* camera: the next one to be put into the queue; seq … built − 1 wait */
	uint32_t packets, octets, frame;
	uint16_t picture_id, width, height;
	uint8_t tl0picidx;
	bool active, key_due;
	int64_t key_us;
	unsigned frame_bytes, credit; /* credit: bytes that packets of a fixed size left over */
	struct sent *history;	      /* by sequence number; camera only */
};

struct publisher {
	struct publisher_config config;
	struct sdp_answer answer;
	struct publisher_counts counts;
	struct stream sound, layer[SDP_LAYERS];
	unsigned slot_bytes;
	uint16_t twcc_seq;
	bool speaks, stopped;
	int64_t began_us, sound_us, frame_us, report_us, spoke_us;
	char cname[17];
};

int publisher_new(const struct publisher_config *config, int64_t now_us, struct publisher **ret_publisher)
{
	struct publisher *p = calloc(1, sizeof(*p));
	uint32_t chance[4 + 3 * SDP_LAYERS];
	unsigned bits = 0;

	if (!p)
		return -ENOMEM;
	random_bytes(chance, sizeof(chance));
	p->config = *config;
	p->answer = *config->answer;
	p->began_us = now_us;
	hex_format(chance, 8, p->cname);
	p->sound = (struct stream){ .ssrc = config->ssrc_audio ? config->ssrc_audio : chance[2] | 1,
				    .seq = (uint16_t)(chance[3] & 0x7fff),
				    .active = true };
	for (unsigned i = 0; i < SDP_LAYERS; i++) {
		struct stream *s = &p->layer[i];
		const uint32_t *c = &chance[4 + 3 * i];
		unsigned below = config->layers - 1 - MIN(i, config->layers - 1);
		unsigned bitrate = (unsigned)((double)config->bitrate * pow(0.5, 1.75 * below));

		*s = (struct stream){ .ssrc = i == 0 && config->ssrc_video ? config->ssrc_video : c[0] | 1,
				      .picture_id = c[1] & 0x7fff };
		s->rtx_ssrc = PUBLISHER_RTX(s->ssrc);
		s->seq = s->built = (uint16_t)(c[2] & 0x7fff);
		s->rtx_seq = (uint16_t)(c[2] >> 16 & 0x7fff);
		s->active = i < config->layers;
		s->height = (uint16_t)(config->height >> below);
		s->width = (uint16_t)(s->height * 16 / 9);
		s->frame_bytes = MAX(bitrate / 8 / config->fps, (unsigned)(MARK_BYTES + MARK_VP8_BYTES));
		s->key_due = true;
		s->history = s->active ? calloc(HISTORY, sizeof(*s->history)) : NULL;
		if (s->active && !s->history) {
			publisher_free(p);
			return -ENOMEM;
		}
		bits += s->active ? bitrate : 0;
	}
	p->slot_bytes =
		config->burst ? UINT32_MAX : (unsigned)((uint64_t)bits * 5 / 2 / 8 * PUBLISHER_SLOT_US / 1000000);
	/* Not all publishers at the same moment. */
	p->frame_us = now_us + chance[2] % (1000000 / config->fps);
	p->sound_us = now_us + chance[3] % SOUND_US;
	p->report_us = now_us + chance[2] % 1000000;
	*ret_publisher = p;
	return 0;
}

struct publisher *publisher_free(struct publisher *p)
{
	if (!p)
		return NULL;
	for (unsigned i = 0; i < SDP_LAYERS; i++)
		free(p->layer[i].history);
	free(p);
	return NULL;
}

const struct publisher_counts *publisher_counts(const struct publisher *p)
{
	return &p->counts;
}

int64_t publisher_spoke_us(const struct publisher *p)
{
	return p->spoke_us;
}

void publisher_speak(struct publisher *p, bool speaks, int64_t now_us)
{
	if (speaks && !p->speaks)
		p->sound_us = MIN(p->sound_us, now_us + SOUND_US);
	p->speaks = speaks;
	p->spoke_us = 0;
}

void publisher_layer_set(struct publisher *p, const char *rid, bool active)
{
	for (unsigned i = 1; i < p->config.layers; i++) {
		struct stream *s = &p->layer[i];
		if (strcmp(rid, sdp_rid[i]) != 0 || s->active == active)
			continue;
		s->active = active;
		s->key_due = true;
	}
}

void publisher_stop(struct publisher *p)
{
	p->stopped = true;
}

/* ---- packets ---- */

static void begin(struct publisher *p, struct rtp_writer *w, uint8_t *packet, size_t cap, char mid)
{
	uint8_t twcc[2];

	rtp_begin(w, packet, cap, false);
	if (p->answer.ext_twcc) {
		rtp_put16(twcc, p->twcc_seq++);
		rtp_add(w, SDP_EXT_TWCC, twcc, sizeof(twcc));
	}
	if (p->answer.ext_mid)
		rtp_add(w, SDP_EXT_MID, &mid, 1);
}

static void send_packet(struct publisher *p, const uint8_t *packet, size_t len)
{
	p->counts.packets++;
	p->counts.bytes += len;
	p->config.send(p->config.arg, packet, len);
}

/* rtx: again, with the original's number in front (RFC 4588, 4). */
static void send_picture(struct publisher *p, unsigned layer, uint16_t seq, bool rtx, int64_t now_us)
{
	struct stream *s = &p->layer[layer];
	const struct sent *e = &s->history[seq % HISTORY];
	uint8_t packet[PUBLISHER_PAYLOAD_MAX + 200];
	struct rtp_writer w;
	const struct mark mark = { p->config.run, p->config.index, e->frame, (uint8_t)layer,
				   e->place,	  e->count,	   e->key,   now_us };
	const struct mark_vp8 vp8 = { e->picture_id, s->width, s->height, e->tl0picidx };

	begin(p, &w, packet, sizeof(packet), '1');
	if (p->answer.rids > 0)
		rtp_add(&w, rtx ? SDP_EXT_RRID : SDP_EXT_RID, sdp_rid[layer], 1);
	if (rtp_end(&w, rtx ? SDP_PT_RTX : SDP_PT_VP8, e->place + 1 == e->count, rtx ? s->rtx_seq++ : seq, e->timestamp,
		    rtx ? s->rtx_ssrc : s->ssrc) < 0)
		return;
	size_t len = w.len;
	if (rtx) {
		rtp_put16(packet + len, seq);
		len += 2;
	}
	mark_write_vp8(packet + len, e->len, &mark, &vp8);
	len += e->len;
	send_packet(p, packet, len);
	if (!rtx) {
		s->packets++;
		s->octets += e->len;
	}
}

static void send_sound(struct publisher *p, int64_t now_us)
{
	struct stream *s = &p->sound;
	uint8_t packet[SOUND_BYTES + 100], level = p->speaks ? 0x80 | LOUD : SILENT;
	const struct mark mark = {
		.run = p->config.run, .publisher = p->config.index, .frame = s->frame++, .count = 1, .sent_us = now_us
	};
	struct rtp_writer w;
	size_t len = p->speaks ? SOUND_BYTES : NOISE_BYTES;

	begin(p, &w, packet, sizeof(packet), '0');
	if (p->answer.ext_level)
		rtp_add(&w, SDP_EXT_LEVEL, &level, 1);
	s->timestamp = (uint32_t)((now_us - p->began_us) * 48 / 1000);
	if (rtp_end(&w, SDP_PT_OPUS, false, s->seq++, s->timestamp, s->ssrc) < 0)
		return;
	if (p->speaks)
		mark_write(packet + w.len, len, &mark);
	else
		memcpy(packet + w.len, "\xf8\xff", NOISE_BYTES);
	send_packet(p, packet, w.len + len);
	s->packets++;
	s->octets += (uint32_t)len;
	if (p->speaks && p->spoke_us == 0)
		p->spoke_us = now_us;
}

/* ---- the camera ---- */

static void make_frame(struct publisher *p, struct stream *s, int64_t now_us)
{
	bool key = s->key_due && (s->key_us == 0 || now_us - s->key_us >= KEY_PAUSE_US);
	size_t bytes = s->frame_bytes * (size_t)(key ? KEY_FACTOR : 1);
	unsigned fixed = p->config.payload;
	unsigned count = (unsigned)MIN((bytes + PAYLOAD - 1) / PAYLOAD, 200u);
	uint16_t len = (uint16_t)MIN(MAX(bytes / count, (size_t)(MARK_BYTES + MARK_VP8_BYTES)), (size_t)PAYLOAD);

	if (fixed > 0) {
		count = (unsigned)MIN(MAX((bytes + s->credit) / fixed, (size_t)1), (size_t)200);
		len = (uint16_t)fixed;
	}
	/* An encoder drops a frame that the pacer has no room for. */
	if ((uint16_t)(s->built - s->seq) + count > HISTORY / 2)
		return;
	if (fixed > 0)
		s->credit = (unsigned)(bytes + s->credit) % fixed;
	s->timestamp = (uint32_t)((now_us - p->began_us) * 90 / 1000);
	s->picture_id = (s->picture_id + 1) & 0x7fff;
	s->tl0picidx++;
	s->frame++;
	for (unsigned i = 0; i < count; i++) {
		s->history[s->built++ % HISTORY] = (struct sent){
			.frame = s->frame,
			.timestamp = s->timestamp,
			.len = len,
			.picture_id = s->picture_id,
			.place = (uint8_t)i,
			.count = (uint8_t)count,
			.tl0picidx = s->tl0picidx,
			.key = key,
		};
	}
	p->counts.frames++;
	if (key) {
		p->counts.keyframes++;
		s->key_due = false;
		s->key_us = now_us;
	}
}

/* One slot: the lower layers first, at least one packet. */
static void pace(struct publisher *p, int64_t now_us)
{
	size_t left = MAX(p->slot_bytes, 1u);

	for (unsigned i = 0; i < p->config.layers; i++) {
		struct stream *s = &p->layer[i];
		for (; s->seq != s->built && left > 0; s->seq++) {
			size_t len = s->history[s->seq % HISTORY].len;
			send_picture(p, i, s->seq, false, now_us);
			left -= MIN(left, len);
		}
	}
}

static void send_report(struct publisher *p, struct stream *s, unsigned khz, int64_t now_us)
{
	uint8_t data[128];
	struct rtcp_out out = { data, sizeof(data), 0 };
	int64_t wall_us = clock_realtime_us();
	const struct rtcp_sender report = {
		.ntp = (uint64_t)(wall_us / USEC_PER_SEC + NTP_OFFSET_S) << 32 |
		       (uint64_t)(((wall_us % USEC_PER_SEC) << 32) / USEC_PER_SEC),
		.rtp = (uint32_t)((now_us - p->began_us) * khz / 1000),
		.packets = s->packets,
		.octets = s->octets,
	};

	if (s->packets == 0 || rtcp_add_sr(&out, s->ssrc, &report, NULL, 0) < 0 ||
	    rtcp_add_cname(&out, s->ssrc, p->cname) < 0)
		return;
	p->config.send_rtcp(p->config.arg, out.data, out.len);
}

void publisher_tick(struct publisher *p, int64_t now_us)
{
	bool audio = p->config.audio && p->answer.takes_audio, video = p->config.video && p->answer.takes_video;

	if (p->stopped)
		return;
	for (unsigned n = 0; audio && now_us >= p->sound_us && n < 10; n++) {
		send_sound(p, now_us);
		p->sound_us += p->speaks ? SOUND_US : NOISE_US;
	}
	if (video && now_us >= p->frame_us) {
		for (unsigned i = 0; i < p->config.layers; i++) {
			if (p->layer[i].active)
				make_frame(p, &p->layer[i], now_us);
		}
		p->frame_us += 1000000 / p->config.fps;
	}
	/* We were away for long (a stopped machine): go on from here. */
	if (now_us - p->frame_us > USEC_PER_SEC)
		p->frame_us = now_us;
	if (now_us - p->sound_us > USEC_PER_SEC)
		p->sound_us = now_us;
	if (video)
		pace(p, now_us);
	if (now_us >= p->report_us) {
		p->report_us = now_us + USEC_PER_SEC;
		send_report(p, &p->sound, 48, now_us);
		for (unsigned i = 0; i < p->config.layers && video; i++)
			send_report(p, &p->layer[i], 90, now_us);
	}
}

/* ---- what comes back ---- */

static struct stream *layer_of(struct publisher *p, uint32_t ssrc)
{
	for (unsigned i = 0; i < p->config.layers; i++) {
		if (p->layer[i].ssrc == ssrc)
			return &p->layer[i];
	}
	return NULL;
}

static void on_nack(struct publisher *p, struct stream *s, const struct rtcp_packet *nack, int64_t now_us)
{
	for (size_t i = 0; i < rtcp_nack_pairs(nack); i++) {
		uint16_t first, bitmap;
		rtcp_read_nack(nack, i, &first, &bitmap);
		for (unsigned k = 0; k <= 16; k++) {
			uint16_t seq = (uint16_t)(first + k), age = (uint16_t)(s->seq - seq);
			if (k > 0 && !(bitmap >> (k - 1) & 1))
				continue;
			p->counts.nacked++;
			if (age == 0 || age > HISTORY / 2 || age > s->packets)
				continue;
			send_picture(p, (unsigned)(s - p->layer), seq, true, now_us);
			p->counts.retransmitted++;
		}
	}
}

void publisher_on_rtcp(struct publisher *p, const struct rtcp_packet *packet, int64_t now_us)
{
	struct stream *s;
	uint8_t command;
	uint32_t ssrc;

	if (packet->type == RTCP_RTPFB && packet->count == RTCP_RTPFB_NACK) {
		s = layer_of(p, rtcp_media_ssrc(packet));
		if (s)
			on_nack(p, s, packet, now_us);
	} else if (packet->type == RTCP_PSFB && packet->count == RTCP_PSFB_PLI) {
		s = layer_of(p, rtcp_media_ssrc(packet));
		p->counts.plis += s != NULL;
		if (s)
			s->key_due = true;
	} else if (packet->type == RTCP_PSFB && packet->count == RTCP_PSFB_FIR) {
		for (size_t i = 0; i < rtcp_fir_entries(packet); i++) {
			rtcp_read_fir(packet, i, &ssrc, &command);
			s = layer_of(p, ssrc);
			p->counts.plis += s != NULL;
			if (s)
				s->key_due = true;
		}
	}
}
