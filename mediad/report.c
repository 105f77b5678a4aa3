#include "mediad/report.h"

#include "mediad/quality.h"
#include "mediad/source.h"

#define REPORT_INTERVAL_US USEC_PER_SEC
#define REPORT_SPARE	   300 /* bytes that a track's feedback may need */
#define REPORT_LOSS_US	   (5 * USEC_PER_SEC)
#define REPORT_BLOCKS	   31

static struct seat *find_seat(const struct media_peer *peer, uint32_t ssrc)
{
	for (unsigned i = 0; i < peer->t->rec->mlines_len; i++) {
		struct seat *seat = peer->seat[i];
		if (seat && (seat->rec->ssrc == ssrc || seat->rec->rtx_ssrc == ssrc))
			return seat;
	}
	return NULL;
}

static void on_blocks(struct media_peer *peer, const struct rtcp_packet *packet, int64_t now_us)
{
	for (unsigned i = 0; i < packet->count; i++) {
		struct rtcp_block block;
		rtcp_read_block(packet, i, &block);
		struct seat *seat = find_seat(peer, block.ssrc);
		if (seat && block.ssrc == seat->rec->ssrc)
			seat_on_block(seat, &block, now_us);
	}
}

static void on_sender_report(struct media_peer *peer, const struct rtcp_packet *packet, int64_t now_us)
{
	const struct peer_source *source = source_find(peer, rtcp_sender_ssrc(packet));
	struct rtcp_sender sender;

	if (!source || source->is_rtx || !peer->track[source->mline])
		return;
	rtcp_read_sender(packet, &sender);
	track_on_sender_report(peer->track[source->mline], source->layer, &sender, now_us);
}

static void on_nack(struct media_peer *peer, const struct rtcp_packet *packet, int64_t now_us)
{
	struct seat *seat = find_seat(peer, rtcp_media_ssrc(packet));
	size_t n = rtcp_nack_pairs(packet);

	/* What was sent by RTX is asked for by its original number only. */
	if (!seat || rtcp_media_ssrc(packet) != seat->rec->ssrc)
		return;
	for (size_t i = 0; i < n; i++) {
		uint16_t seq, bitmap;
		rtcp_read_nack(packet, i, &seq, &bitmap);
		seat_on_nack(seat, seq, now_us);
		for (unsigned bit = 0; bit < 16; bit++) {
			if (bitmap & 1u << bit)
				seat_on_nack(seat, (uint16_t)(seq + bit + 1), now_us);
		}
	}
}

static void on_keyframe_request(struct media_peer *peer, uint32_t ssrc, int64_t now_us)
{
	struct seat *seat = find_seat(peer, ssrc);

	if (!seat)
		return;
	stat_add(&peer->media->md->counters->plis_received, 1);
	seat_on_keyframe_request(seat, now_us);
}

static void on_fir(struct media_peer *peer, const struct rtcp_packet *packet, int64_t now_us)
{
	size_t n = rtcp_fir_entries(packet);

	for (size_t i = 0; i < n; i++) {
		uint32_t ssrc;
		uint8_t command;
		rtcp_read_fir(packet, i, &ssrc, &command);
		struct seat *seat = find_seat(peer, ssrc);
		if (!seat || seat->fir_command == command) /* the same request, repeated */
			continue;
		seat->fir_command = command;
		on_keyframe_request(peer, ssrc, now_us);
	}
}

static void on_transport_wide(struct media_peer *peer, const struct rtcp_packet *packet, int64_t now_us)
{
	stat_add(&peer->media->md->counters->twcc_received, 1);
	rate_on_feedback(peer, packet, now_us);
}

static void on_feedback(struct media_peer *peer, const struct rtcp_packet *packet, int64_t now_us)
{
	uint64_t bps;

	if (packet->type == RTCP_RTPFB && packet->count == RTCP_RTPFB_NACK)
		on_nack(peer, packet, now_us);
	else if (packet->type == RTCP_RTPFB && packet->count == RTCP_RTPFB_TWCC)
		on_transport_wide(peer, packet, now_us);
	else if (packet->type == RTCP_PSFB && packet->count == RTCP_PSFB_PLI)
		on_keyframe_request(peer, rtcp_media_ssrc(packet), now_us);
	else if (packet->type == RTCP_PSFB && packet->count == RTCP_PSFB_FIR)
		on_fir(peer, packet, now_us);
	else if (packet->type == RTCP_PSFB && packet->count == RTCP_PSFB_AFB && rtcp_read_remb(packet, &bps) == 0)
		rate_on_remb(peer, bps, now_us);
}

void report_on_rtcp(struct media_peer *peer, const uint8_t *data, size_t len, int64_t now_us)
{
	struct rtcp_packet packet;

	if (rtcp_check(data, len) < 0) {
		stat_add(&peer->media->md->counters->rtcp_bad, 1);
		return;
	}
	while (rtcp_next(&data, &len, &packet) == 0) {
		switch (packet.type) {
		case RTCP_SR:
			on_sender_report(peer, &packet, now_us);
			on_blocks(peer, &packet, now_us);
			break;
		case RTCP_RR:
			on_blocks(peer, &packet, now_us);
			break;
		case RTCP_RTPFB:
		case RTCP_PSFB:
			on_feedback(peer, &packet, now_us);
			break;
		default: /* SDES, BYE, APP, XR: who it is and when he leaves comes from the worker */
			break;
		}
	}
}

/* Sends what was written so far when less than spare bytes are left, and goes on in a new packet. */
static void make_room(struct media_peer *peer, struct rtcp_out *out, size_t spare)
{
	if (out->cap - out->len >= spare)
		return;
	(void)peer_rtcp_end(peer, out);
	*out = peer_rtcp_begin(peer);
}

static int64_t run_tracks(struct media_peer *peer, struct rtcp_out *out, int64_t now_us)
{
	int64_t due = MEDIA_NEVER_DUE;

	for (unsigned i = 0; i < peer->t->rec->mlines_len; i++) {
		if (!peer->track[i])
			continue;
		make_room(peer, out, REPORT_SPARE * SESSION_LAYERS_MAX);
		due = MIN(due, track_feedback(peer->track[i], out, now_us));
	}
	return due;
}

static void run_twcc(struct media_peer *peer, struct rtcp_out *out, int64_t now_us)
{
	if (!peer->twcc || twcc_due_us(peer->twcc) > now_us)
		return;
	for (;;) {
		make_room(peer, out, REPORT_PACKET_MAX / 2);
		if (twcc_build(peer->twcc, out, peer_own_ssrc(peer), peer->twcc_media, now_us) < 0)
			return;
		stat_add(&peer->media->md->counters->twcc_sent, 1);
	}
}

static void add_seat(struct seat *seat, struct rtcp_out *out, int64_t now_us)
{
	struct rtcp_sender sender;

	seat->report_due = false;
	if (!seat_sender_report(seat, now_us, &sender))
		return;
	/* Both fit: callers make room for them. */
	(void)rtcp_add_sr(out, seat->rec->ssrc, &sender, NULL, 0);
	(void)rtcp_add_cname(out, seat->rec->ssrc, seat->peer->t->rec->cname);
	stat_add(&seat->peer->media->md->counters->reports_sent, 1);
}

void report_seat(struct seat *seat, int64_t now_us)
{
	struct rtcp_out out = peer_rtcp_begin(seat->peer);

	add_seat(seat, &out, now_us);
	(void)peer_rtcp_end(seat->peer, &out);
}

/* The worst loss among those who hear an audio track: its publisher's error correction must serve them too. */
static uint8_t worst_loss(const struct track *track, int64_t now_us)
{
	uint8_t worst = 0;

	if (track->media_kind != MEDIA_AUDIO)
		return 0;
	for (const struct seat *seat = track->seats; seat; seat = seat->next) {
		if (seat->loss_us && now_us - seat->loss_us < REPORT_LOSS_US)
			worst = MAX(worst, seat->fraction_lost);
	}
	for (unsigned k = 0; k < SHM_PROCESSES_MAX; k++)
		worst = MAX(worst, track->loss[k]);
	return worst;
}

static unsigned collect_blocks(struct media_peer *peer, struct rtcp_block *blocks, int64_t now_us)
{
	unsigned n = 0;

	for (unsigned i = 0; i < peer->t->rec->mlines_len; i++) {
		struct track *track = peer->track[i];
		for (unsigned k = 0; track && k < track->layers_len && n < REPORT_BLOCKS; k++) {
			if (!track_report(track, k, now_us, &blocks[n]))
				continue;
			blocks[n].fraction_lost = MAX(blocks[n].fraction_lost, worst_loss(track, now_us));
			n++;
		}
	}
	return n;
}

static void add_remb(struct media_peer *peer, struct rtcp_out *out, const struct rtcp_block *blocks, unsigned n)
{
	uint32_t media[REPORT_BLOCKS];

	if (!peer->uses_remb || peer->uses_twcc || n == 0)
		return;
	for (unsigned i = 0; i < n; i++)
		media[i] = blocks[i].ssrc;
	make_room(peer, out, REPORT_SPARE);
	(void)rtcp_add_remb(out, peer_own_ssrc(peer), media, n, REPORT_REMB_BPS);
}

static void run_reports(struct media_peer *peer, struct rtcp_out *out, int64_t now_us)
{
	struct rtcp_block blocks[REPORT_BLOCKS];
	unsigned n = collect_blocks(peer, blocks, now_us);

	for (unsigned i = 0; i < peer->t->rec->mlines_len; i++) {
		make_room(peer, out, REPORT_SPARE);
		if (peer->seat[i])
			add_seat(peer->seat[i], out, now_us);
	}
	make_room(peer, out, REPORT_PACKET_MAX - REPORT_SPARE);
	(void)rtcp_add_rr(out, peer_own_ssrc(peer), blocks, n);
	(void)rtcp_add_cname(out, peer_own_ssrc(peer), peer->t->rec->cname);
	stat_add(&peer->media->md->counters->reports_sent, 1);
	add_remb(peer, out, blocks, n);
	quality_run(peer, now_us);
}

/* Screens that fell silent give their places up. */
static void look_after(struct media_peer *peer, int64_t now_us)
{
	for (unsigned i = 0; i < peer->t->rec->mlines_len; i++) {
		struct track *track = peer->track[i];
		if (track && track->present && (track->kind == TRACK_SCREEN || track->kind == TRACK_SCREEN_AUDIO) &&
		    now_us - track_last_packet_us(track) > TRACK_SILENT_US)
			track_set_present(track, false);
	}
}

/* While media flow one way or the other he hears something at every look, so that silence tells him that his way is
 * dead. When the next look is due. */
static int64_t run_sign(struct media_peer *peer, struct rtcp_out *out, int64_t now_us)
{
	struct peer_sign *sign = &peer->sign;

	if (now_us >= sign->due_us) {
		if (sign->in != peer->quality.bytes_in || sign->out != peer->quality.bytes_out)
			sign->active_us = now_us;
		if (sign->in == peer->quality.bytes_in && !sign->told &&
		    now_us - sign->active_us < REPORT_SIGN_FOR_US) {
			make_room(peer, out, REPORT_SPARE);
			(void)rtcp_add_rr(out, peer_own_ssrc(peer), NULL, 0);
			(void)rtcp_add_cname(out, peer_own_ssrc(peer), peer->t->rec->cname);
		}
		sign->in = peer->quality.bytes_in;
		sign->out = peer->quality.bytes_out;
		sign->told = false;
		sign->due_us = now_us + REPORT_SIGN_US;
	}
	return now_us - sign->active_us < REPORT_SIGN_FOR_US ? sign->due_us : MEDIA_NEVER_DUE;
}

static int64_t next_report(int64_t now_us)
{
	uint32_t r;

	random_bytes(&r, sizeof(r));
	return now_us + REPORT_INTERVAL_US / 2 + r % REPORT_INTERVAL_US;
}

int64_t report_run(struct media_peer *peer, int64_t now_us)
{
	if (!peer_can_send(peer))
		return MEDIA_NEVER_DUE;
	struct rtcp_out out = peer_rtcp_begin(peer);
	if (peer->report_due_us <= now_us) {
		peer->report_due_us = next_report(now_us);
		run_reports(peer, &out, now_us);
		look_after(peer, now_us);
	}
	int64_t due = MIN(run_tracks(peer, &out, now_us), peer->report_due_us);
	run_twcc(peer, &out, now_us);
	peer->sign.told |= out.len > 0;
	due = MIN(due, run_sign(peer, &out, now_us));
	(void)peer_rtcp_end(peer, &out);
	/* Another peer's loss may have called for something of ours meanwhile. */
	for (unsigned i = 0; i < peer->t->rec->mlines_len; i++) {
		for (unsigned k = 0; peer->track[i] && k < peer->track[i]->layers_len; k++)
			due = MIN(due, keyframe_due_us(&peer->track[i]->layer[k]->keyframe));
	}
	return peer->twcc ? MIN(due, twcc_due_us(peer->twcc)) : due;
}
