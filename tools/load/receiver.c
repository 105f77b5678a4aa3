#include "tools/load/receiver.h"

#include "lib/clock.h"
#include "lib/nack.h"
#include "lib/rtp.h"
#include "lib/twcc.h"

#include <stdlib.h>
#include <string.h>

enum {
	REPORT_US = 1000 * 1000,
	PLI_US = 500 * 1000,		/* between two */
	STUCK_US = 300 * 1000,		/* a gap that old spoils the picture */
	SEAT_TOLD_US = 5 * 1000 * 1000, /* news of seats and packets come by two ways */
	BLOCKS_MAX = 31,
};

struct slot {
	struct sdp_slot sdp;
	uint32_t khz;
	/* seats */
	struct id member;
	bool taken, live;
	int64_t wrong_us; /* since when packets are of another person; 0 = they are not */
	/* the stream */
	bool started;
	uint64_t first, highest, received;
	uint64_t reported, reported_received; /* highest and received of the last report */
	struct nack *nack;		      /* video */
	int64_t pli_us;
	/* jitter (RFC 3550, A.8) */
	int64_t transit;
	double jitter;
	/* the sender report that came last */
	uint32_t report_ntp;
	int64_t report_us;
};

struct receiver {
	struct receiver_config config;
	struct receiver_counts counts;
	struct twcc *twcc;
	uint32_t own_ssrc;
	uint8_t ext_twcc; /* its number; 0 = none */
	int64_t report_us;
	unsigned slots;
	struct slot slot[];
};

int receiver_new(const struct receiver_config *config, int64_t now_us, struct receiver **ret_receiver)
{
	const struct sdp_answer *answer = config->answer;
	struct receiver *r = calloc(1, sizeof(*r) + answer->slots * sizeof(r->slot[0]));

	if (!r)
		return -ENOMEM;
	r->config = *config;
	r->config.answer = NULL;
	r->ext_twcc = answer->ext_twcc ? answer->twcc : 0;
	random_bytes(&r->own_ssrc, sizeof(r->own_ssrc));
	r->report_us = now_us + r->own_ssrc % REPORT_US;
	r->twcc = malloc(sizeof(*r->twcc));
	if (!r->twcc)
		goto fail;
	twcc_init(r->twcc);
	for (r->slots = 0; r->slots < answer->slots; r->slots++) {
		struct slot *s = &r->slot[r->slots];
		s->sdp = answer->slot[r->slots];
		s->khz = s->sdp.video ? 90 : 48;
		if (!s->sdp.video)
			continue;
		s->nack = malloc(sizeof(*s->nack));
		if (!s->nack)
			goto fail;
		nack_init(s->nack);
	}
	*ret_receiver = r;
	return 0;
fail:
	receiver_free(r);
	return -ENOMEM;
}

struct receiver *receiver_free(struct receiver *r)
{
	if (!r)
		return NULL;
	for (unsigned i = 0; i < r->slots; i++)
		free(r->slot[i].nack);
	free(r->twcc);
	free(r);
	return NULL;
}

/* ---- seats ---- */

bool receiver_seat_set(struct receiver *r, const char *mid, const struct id *member, bool live)
{
	for (unsigned i = 0; i < r->slots; i++) {
		struct slot *s = &r->slot[i];
		if (strcmp(s->sdp.mid, mid) != 0)
			continue;
		s->live = live;
		if (s->taken == (member != NULL) && (!member || id_equal(&s->member, member)))
			return false;
		s->taken = member != NULL;
		s->member = member ? *member : (struct id){ 0 };
		s->wrong_us = 0;
		return true;
	}
	return false;
}

bool receiver_shows(const struct receiver *r, const struct id *member, bool live)
{
	for (unsigned i = 0; i < r->slots; i++) {
		const struct slot *s = &r->slot[i];
		if (s->sdp.video && s->taken && (s->live || !live) && id_equal(&s->member, member))
			return true;
	}
	return false;
}

unsigned receiver_shown(const struct receiver *r, struct id *ret_member, unsigned max)
{
	unsigned n = 0;

	for (unsigned i = 0; i < r->slots && n < max; i++) {
		if (r->slot[i].sdp.video && r->slot[i].taken)
			ret_member[n++] = r->slot[i].member;
	}
	return n;
}

/* ---- packets ---- */

static struct slot *slot_of(struct receiver *r, uint32_t ssrc, bool *ret_rtx)
{
	for (unsigned i = 0; i < r->slots; i++) {
		struct slot *s = &r->slot[i];
		*ret_rtx = s->sdp.rtx_ssrc == ssrc && ssrc != s->sdp.ssrc;
		if (s->sdp.ssrc == ssrc || *ret_rtx)
			return s;
	}
	return NULL;
}

static void measure_jitter(struct slot *s, uint32_t timestamp, int64_t now_us)
{
	int64_t transit = now_us * (int64_t)s->khz / 1000 - (int64_t)timestamp;

	if (s->received > 1) {
		double d = (double)(int32_t)(transit - s->transit);
		s->jitter += ((d < 0 ? -d : d) - s->jitter) / 16;
	}
	s->transit = transit;
}

/* false: it was here already. */
static bool count_packet(struct receiver *r, struct slot *s, const struct rtp *rtp, bool rtx, int64_t now_us)
{
	uint64_t index = s->started ? rtp_index_guess(s->highest, rtp->seq) : (uint64_t)1 << 16 | rtp->seq;
	bool fresh = !s->started || index > s->highest;

	if (!s->started) {
		s->started = true;
		s->first = s->reported = index;
		s->reported--;
	}
	if (index < s->first)
		return false;
	if (s->nack) {
		enum nack_verdict verdict = nack_on_rtp(s->nack, index, rtx, now_us);
		if (verdict == NACK_DUPLICATE && !fresh) {
			r->counts.duplicates++;
			return false;
		}
		r->counts.repaired += verdict == NACK_RECOVERED && rtx;
	}
	if (fresh)
		s->highest = index;
	s->received++;
	if (s->sdp.video)
		r->counts.video++;
	else
		r->counts.audio++;
	return true;
}

static void on_mark(struct receiver *r, struct slot *s, const struct mark *mark, bool rtx, int64_t now_us)
{
	const struct receiver_ops *ops = r->config.ops;
	const struct id *person = ops->person(r->config.arg, mark->publisher);

	if (mark->run != r->config.run)
		return;
	if (!rtx && r->config.delay)
		histogram_add(r->config.delay, now_us - mark->sent_us);
	bool wrong = s->taken && person && !id_equal(person, &s->member);
	r->counts.foreign += wrong && s->wrong_us > 0 && now_us - s->wrong_us > SEAT_TOLD_US;
	s->wrong_us = !wrong ? 0 : s->wrong_us ? s->wrong_us : now_us;
	if (s->sdp.video && mark->key && mark->place == 0) {
		r->counts.keyframes++;
		ops->on_keyframe(r->config.arg, mark->publisher, now_us);
	}
}

void receiver_on_rtp(struct receiver *r, uint8_t *packet, size_t len, int64_t now_us)
{
	struct rtp rtp;
	struct mark mark;
	bool rtx;

	if (rtp_parse(packet, len, &rtp) < 0)
		return;
	r->counts.packets++;
	r->counts.bytes += len;
	const struct rtp_element *number = r->ext_twcc ? rtp_find(&rtp, r->ext_twcc) : NULL;
	if (number && number->len == 2)
		twcc_on_packet(r->twcc, rtp_get16(number->data), rtp.marker, now_us);
	struct slot *s = slot_of(r, rtp.ssrc, &rtx);
	if (!s)
		return;
	/* Padding that probes the path has nothing in it. */
	if (rtx && rtp_unwrap_rtx(packet, &rtp, SDP_PT_VP8, s->sdp.ssrc) == 0)
		return;
	if (!count_packet(r, s, &rtp, rtx, now_us))
		return;
	if (!rtx)
		measure_jitter(s, rtp.timestamp, now_us);
	const uint8_t *payload = packet + rtp.payload_offset;
	if (s->sdp.video ? mark_read_vp8(payload, rtp.payload_len, &mark) : mark_read(payload, rtp.payload_len, &mark))
		on_mark(r, s, &mark, rtx, now_us);
}

void receiver_on_rtcp(struct receiver *r, const struct rtcp_packet *packet, int64_t now_us)
{
	struct rtcp_sender report;
	bool rtx;

	if (packet->type != RTCP_SR)
		return;
	struct slot *s = slot_of(r, rtcp_sender_ssrc(packet), &rtx);
	if (!s || rtx)
		return;
	rtcp_read_sender(packet, &report);
	s->report_ntp = (uint32_t)(report.ntp >> 16);
	s->report_us = now_us;
}

/* ---- what goes back ---- */

static void send_out(struct receiver *r, const struct rtcp_out *out)
{
	r->config.ops->send_rtcp(r->config.arg, out->data, out->len);
}

static void block_fill(struct slot *s, struct rtcp_block *b, int64_t now_us)
{
	uint64_t expected = s->highest - s->reported, received = s->received - s->reported_received;
	int64_t lost = (int64_t)(s->highest - s->first + 1) - (int64_t)s->received;

	*b = (struct rtcp_block){
		.ssrc = s->sdp.ssrc,
		.fraction_lost = expected > received ? (uint8_t)((expected - received) * 255 / expected) : 0,
		.lost = (int32_t)MIN(lost, 0x7fffff),
		.highest = (uint32_t)(s->highest - (1 << 16)),
		.jitter = (uint32_t)s->jitter,
	};
	if (s->report_us > 0) {
		b->lsr = s->report_ntp;
		b->dlsr = (uint32_t)((now_us - s->report_us) * 65536 / USEC_PER_SEC);
	}
	s->reported = s->highest;
	s->reported_received = s->received;
}

static void send_report(struct receiver *r, int64_t now_us)
{
	struct rtcp_block block[BLOCKS_MAX];
	uint8_t data[1200];
	struct rtcp_out out = { data, sizeof(data), 0 };
	unsigned n = 0;

	for (unsigned i = 0; i < r->slots; i++) {
		/* One that nothing came on since the last report says nothing (RFC 3550, 6.4). */
		if (r->slot[i].started && r->slot[i].received != r->slot[i].reported_received && n < BLOCKS_MAX)
			block_fill(&r->slot[i], &block[n++], now_us);
	}
	if (n > 0 && rtcp_add_rr(&out, r->own_ssrc, block, n) == 0)
		send_out(r, &out);
}

static void send_feedback(struct receiver *r, int64_t now_us)
{
	uint8_t data[1200];
	struct rtcp_out out = { data, sizeof(data), 0 };

	while (twcc_build(r->twcc, &out, r->own_ssrc, r->slots ? r->slot[0].sdp.ssrc : 0, now_us) == 0) {
		r->counts.feedbacks++;
		send_out(r, &out);
		out.len = 0;
	}
}

static void send_nack(struct receiver *r, struct slot *s, int64_t now_us)
{
	uint64_t index[NACK_MAX];
	uint16_t seq[NACK_MAX];
	uint8_t data[1200];
	struct rtcp_out out = { data, sizeof(data), 0 };
	size_t n = nack_collect(s->nack, now_us, 20 * USEC_PER_MSEC, index, NACK_MAX);

	for (size_t i = 0; i < n; i++)
		seq[i] = (uint16_t)index[i];
	if (n > 0 && rtcp_add_nack(&out, r->own_ssrc, s->sdp.ssrc, seq, n) == 0) {
		r->counts.nacks += n;
		send_out(r, &out);
	}
	if (s->nack->len > 0 && now_us - s->nack->entry[0].missed_us > STUCK_US && now_us - s->pli_us > PLI_US) {
		out.len = 0;
		s->pli_us = now_us;
		r->counts.plis++;
		if (rtcp_add_pli(&out, r->own_ssrc, s->sdp.ssrc) == 0)
			send_out(r, &out);
	}
}

void receiver_tick(struct receiver *r, int64_t now_us)
{
	if (twcc_due_us(r->twcc) <= now_us)
		send_feedback(r, now_us);
	for (unsigned i = 0; i < r->slots; i++) {
		struct slot *s = &r->slot[i];
		if (s->nack && s->started && s->nack->len > 0)
			send_nack(r, s, now_us);
	}
	if (now_us >= r->report_us) {
		r->report_us = now_us + REPORT_US;
		send_report(r, now_us);
	}
}

struct receiver_counts receiver_counts(const struct receiver *r)
{
	struct receiver_counts counts = r->counts;

	for (unsigned i = 0; i < r->slots; i++) {
		const struct slot *s = &r->slot[i];
		uint64_t expected = s->started ? s->highest - s->first + 1 : 0;
		counts.gaps += expected > s->received ? expected - s->received : 0;
	}
	return counts;
}
