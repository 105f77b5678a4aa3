#include "tests/lab/media_lab.h"

#include "tests/support/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MAIL_MAX  4096
#define LAB_ASKS  10
#define LABEL_MAX 4096 /* on bad networks at a time */
#define USED_SIZE (1u << 21)

/* A packet under way. */
struct mail {
	int64_t at_us;
	struct lab_device *device;
	bool up, rtcp;
	uint16_t len;
	uint64_t index;
	uint8_t data[1500];
};

/* What a packet on a bad network (tests/net/wire.h) is, beside its bytes. */
struct label {
	struct lab_device *device;
	bool up, rtcp;
	uint64_t index;
};

static struct lab *the_lab;
static struct mail *mails;
static unsigned mails_len;
static struct label labels[LABEL_MAX];
static unsigned labels_next;
static uint64_t *used_indexes;

/* ---- lib/loop.h ---- */

struct loop {
	struct lab_mediad *m;
};

int loop_new(struct loop **ret_loop)
{
	*ret_loop = calloc(1, sizeof(struct loop));
	return 0;
}

struct loop *loop_free(struct loop *loop)
{
	free(loop);
	return NULL;
}

int loop_run(struct loop *loop)
{
	(void)loop;
	return 0;
}

int loop_turn(struct loop *loop, int64_t max_wait_us)
{
	(void)loop;
	(void)max_wait_us;
	return 0;
}

void loop_stop(struct loop *loop, int status)
{
	(void)loop;
	(void)status;
}

int64_t loop_now_us(const struct loop *loop)
{
	(void)loop;
	return the_lab->now_us;
}

int loop_fd_add(struct loop *loop, struct loop_fd *io, int fd, uint32_t events, loop_fd_cb *cb, void *arg)
{
	(void)loop;
	(void)io;
	(void)fd;
	(void)events;
	(void)cb;
	(void)arg;
	return 0;
}

int loop_fd_mod(struct loop_fd *io, uint32_t events)
{
	(void)io;
	(void)events;
	return 0;
}

void loop_fd_del(struct loop_fd *io)
{
	(void)io;
}

int loop_timer_start(struct loop *loop, struct loop_timer *timer, int64_t at_us, loop_timer_cb *cb, void *arg)
{
	timer->loop = loop;
	timer->cb = cb;
	timer->arg = arg;
	timer->at_us = at_us;
	loop->m->timer = timer;
	return 0;
}

void loop_timer_stop(struct loop_timer *timer)
{
	if (timer->loop)
		timer->loop->m->timer = NULL;
	timer->loop = NULL;
}

void loop_set_idle(struct loop *loop, loop_idle_cb *cb, void *arg)
{
	(void)loop;
	(void)cb;
	(void)arg;
}

/* ---- mediad/egress.h ---- */

struct egress {
	unsigned reserved;
};

int egress_start(struct mediad *md, struct egress **ret_egress)
{
	(void)md;
	*ret_egress = calloc(1, sizeof(struct egress));
	return 0;
}

struct egress *egress_stop(struct egress *egress)
{
	if (egress)
		assert_int_equal(egress->reserved, 0);
	free(egress);
	return NULL;
}

uint8_t *egress_reserve(struct egress *egress)
{
	egress->reserved++;
	return malloc(EGRESS_PACKET_MAX);
}

void egress_abandon(struct egress *egress, uint8_t *packet)
{
	egress->reserved--;
	free(packet);
}

static struct lab_device *device_of(struct transport *t)
{
	for (unsigned i = 0; i < the_lab->devices_len; i++) {
		if (&the_lab->device[i].t == t)
			return &the_lab->device[i];
	}
	return NULL;
}

/* Remembers (device, SSRC, index); fails when it was there. */
static void check_unused(const struct lab_device *d, uint32_t ssrc, uint64_t index)
{
	struct {
		uint64_t device, ssrc, index;
	} key = { d->number, ssrc, index };
	uint64_t h = hash_bytes(&key, sizeof(key)) | 1;

	for (uint64_t i = h;; i++) {
		uint64_t *place = &used_indexes[i % USED_SIZE];
		if (*place == h)
			fail_msg("device %u: SSRC %x index %lu is used again", d->number, ssrc, (unsigned long)index);
		if (*place == 0) {
			*place = h;
			return;
		}
	}
}

static void check_stored_past(const struct lab_device *d, uint32_t ssrc, uint64_t index)
{
	for (unsigned i = 0; i < SESSION_MLINES_MAX; i++) {
		const struct session_seat *seat = media_seat((struct transport *)&d->t, i);
		if (seat && seat->ssrc == ssrc) {
			assert_true(atomic_load(&seat->next) > index);
			return;
		}
		if (seat && seat->rtx_ssrc == ssrc) {
			assert_true(atomic_load(&seat->rtx_next) > index);
			return;
		}
	}
	fail_msg("an SSRC that no seat has");
}

static unsigned lab_random(void)
{
	the_lab->random = the_lab->random * 1664525 + 1013904223;
	return the_lab->random >> 8;
}

/* When what is sent now has passed the device's bottleneck; 0: its queue is full. */
static int64_t bottleneck(struct lab_device *d, size_t len)
{
	int64_t from_us = MAX(d->down_free_us, the_lab->now_us);

	if (d->down_bps == 0)
		return the_lab->now_us;
	if (from_us - the_lab->now_us > d->down_queue_ms * USEC_PER_MSEC) {
		d->down_dropped++;
		return 0;
	}
	d->down_free_us = from_us + (int64_t)((double)(len + BWE_OVERHEAD) * 8e6 / d->down_bps);
	return d->down_free_us;
}

/* What goes over a bad network; who it is for travels beside it. */
static void way_put(struct lab_device *d, struct wire *way, bool up, bool rtcp, const uint8_t *data, size_t len,
		    uint64_t index)
{
	struct label *label = &labels[labels_next++ % LABEL_MAX];
	struct wire_packet *packet = wire_packet_new(data, len, label);

	assert_non_null(packet);
	*label = (struct label){ .device = d, .up = up, .rtcp = rtcp, .index = index };
	(void)wire_send(way, the_lab->now_us, packet);
}

static void mail_put(struct lab_device *d, bool up, bool rtcp, const uint8_t *data, size_t len, uint64_t index)
{
	struct wire *way = up ? d->way_up : d->way_down;

	if (way) {
		way_put(d, way, up, rtcp, data, len, index);
		return;
	}
	assert_true(mails_len < MAIL_MAX);
	struct mail *w = &mails[mails_len++];
	*w = (struct mail){
		.at_us = the_lab->now_us + the_lab->delay_us +
			 (the_lab->jitter_us ? lab_random() % the_lab->jitter_us : 0),
		.device = d,
		.up = up,
		.rtcp = rtcp,
		.len = (uint16_t)len,
		.index = index,
	};
	memcpy(w->data, data, len);
}

int egress_rtp(struct egress *egress, struct transport *t, uint8_t *packet, size_t len, uint64_t index,
	       enum media_kind media)
{
	struct lab_device *d = device_of(t);

	(void)media;
	egress->reserved--;
	assert_non_null(d);
	assert_true(len >= RTP_HEADER_LEN && len <= EGRESS_PACKET_MAX);
	assert_int_equal(rtp_get16(packet + 2), (uint16_t)index);
	check_unused(d, rtp_get32(packet + 8), index);
	check_stored_past(d, rtp_get32(packet + 8), index);
	the_lab->rtp_out++;
	int64_t passed_us = bottleneck(d, len);
	if (!the_lab->refuse_rtp && lab_random() % 100 >= d->loss_down && passed_us) {
		mail_put(d, false, false, packet, len, index);
		if (!d->way_down)
			mails[mails_len - 1].at_us += passed_us - the_lab->now_us;
	}
	free(packet);
	return the_lab->refuse_rtp ? -ENOTCONN : 0;
}

int egress_rtcp(struct egress *egress, struct transport *t, uint8_t *packet, size_t len)
{
	struct lab_device *d = device_of(t);

	egress->reserved--;
	assert_non_null(d);
	assert_int_equal(rtcp_check(packet, len), 0);
	the_lab->rtcp_out++;
	mail_put(d, false, true, packet, len, 0);
	free(packet);
	return 0;
}

int egress_raw(struct egress *egress, unsigned socket, const struct sockaddr *to, socklen_t to_len, const void *data,
	       size_t len)
{
	(void)egress;
	(void)socket;
	(void)to;
	(void)to_len;
	(void)data;
	(void)len;
	return 0;
}

void egress_flush(struct egress *egress)
{
	(void)egress;
}

static void on_speaker(const struct mediad *md, const struct msg_speaker *m)
{
	struct link_msg msg = { .type = MSG_SPEAKER, .len = sizeof(*m) };
	struct msg_speaker copy = *m;

	assert_int_equal(msg_check(&msg, &copy), 0);
	for (unsigned i = 0; i < the_lab->devices_len; i++) {
		struct lab_device *d = &the_lab->device[i];
		bool listens = false;
		for (unsigned k = 0; k < m->count; k++)
			listens |= d->open && id_equal(&d->rec->member, &m->listener[k]);
		if (!listens || &the_lab->m[d->mediad].md != md)
			continue;
		d->speaker = m->speaker.b[0];
		d->speaker_level = m->level;
		d->speakers_told++;
	}
}

static void on_layers(const struct mediad *md, const struct msg_layers *m)
{
	struct link_msg msg = { .type = MSG_LAYERS, .len = sizeof(*m) };
	struct msg_layers copy = *m;

	assert_int_equal(msg_check(&msg, &copy), 0);
	for (unsigned i = 0; i < the_lab->devices_len; i++) {
		struct lab_device *d = &the_lab->device[i];
		if (!d->open || d->t.handle != m->transport || &the_lab->m[d->mediad].md != md)
			continue;
		assert_string_equal(m->mid, "1");
		assert_int_equal(m->count, d->simulcast);
		d->layers = 0;
		d->layers_told++;
		for (unsigned k = 0; k < m->count; k++)
			d->layers |= (uint8_t)(m->layer[k].active << k);
	}
}

static void on_sound(const struct mediad *md, const struct msg_sound *m)
{
	for (unsigned i = 0; i < the_lab->devices_len; i++) {
		struct lab_device *d = &the_lab->device[i];
		if (!d->open || d->t.handle != m->transport || &the_lab->m[d->mediad].md != md)
			continue;
		assert_string_equal(m->mid, "0");
		if (d->sounds_told++ == 0)
			d->sound_bytes = d->audio.bytes;
		d->sound_bps = m->bps;
		d->audio.bytes = (uint16_t)(m->bps ? m->bps / 8 / 50 - LAB_SOUND_HEAD : d->sound_bytes);
	}
}

static void on_quality(const struct mediad *md, const struct msg_quality *m)
{
	for (unsigned i = 0; i < the_lab->devices_len; i++) {
		struct lab_device *d = &the_lab->device[i];
		if (!d->open || d->t.handle != m->transport || &the_lab->m[d->mediad].md != md)
			continue;
		d->quality = *m;
		d->qualities_told++;
	}
}

int mediad_event(struct mediad *md, uint32_t worker, uint16_t type, const void *payload, size_t len)
{
	struct link_msg msg = { .type = type, .len = (uint16_t)len };
	struct msg_seats seats;

	(void)md;
	assert_int_equal(worker, 0);
	if (the_lab->events_full)
		return -EAGAIN;
	if (type == MSG_SPEAKER)
		on_speaker(md, payload);
	if (type == MSG_QUALITY)
		on_quality(md, payload);
	if (type == MSG_LAYERS)
		on_layers(md, payload);
	if (type == MSG_SOUND)
		on_sound(md, payload);
	if (type != MSG_SEATS)
		return 0;
	memcpy(&seats, payload, sizeof(seats));
	assert_int_equal(msg_check(&msg, &seats), 0);
	for (unsigned i = 0; i < the_lab->devices_len; i++) {
		struct lab_device *d = &the_lab->device[i];
		if (!d->open || d->t.handle != seats.transport || &the_lab->m[d->mediad].md != md || seats.first > 0)
			continue;
		assert_true(seats.version > d->seats.version || d->seats_told == 0);
		d->seats = seats;
		d->seats_told++;
	}
	return 0;
}

/* ---- the lab ---- */

static void mediad_init(struct lab *lab, unsigned k, int stats_fd, const int *ring_fds)
{
	struct mediad *md = &lab->m[k].md;

	md->index = k;
	md->workers = 1;
	md->mediads = lab->mediads;
	md->epoch = 1;
	assert_int_equal(loop_new(&md->loop), 0);
	md->loop->m = &lab->m[k];
	assert_int_equal(stats_attach(&md->stats, stats_fd), 0);
	md->counters = &md->stats.shm->mediad[k];
	assert_int_equal(session_create("table", 64, &lab->m[k].table_fd), 0);
	assert_int_equal(session_attach(&md->table, lab->m[k].table_fd, 1), 0);
	assert_int_equal(ring_attach(&md->ring, ring_fds[k], 1), 0);
	for (unsigned i = 0; i < lab->mediads; i++) {
		if (i != k)
			assert_int_equal(ring_reader_attach(&md->reader[i], ring_fds[i], k), 0);
	}
	assert_int_equal(egress_start(md, &md->egress), 0);
	assert_int_equal(media_start(md, &md->media), 0);
}

struct lab *lab_new(unsigned mediads)
{
	struct lab *lab = calloc(1, sizeof(*lab));
	int stats_fd, ring_fds[LAB_MEDIADS], link_fds[LAB_MEDIADS];

	assert_non_null(lab);
	the_lab = lab;
	mails = calloc(MAIL_MAX, sizeof(*mails));
	mails_len = 0;
	used_indexes = calloc(USED_SIZE, sizeof(*used_indexes));
	assert_true(mails && used_indexes);
	lab->now_us = 1000 * USEC_PER_SEC;
	lab->delay_us = 10 * USEC_PER_MSEC;
	lab->random = 12345;
	lab->mediads = mediads;
	assert_int_equal(stats_create(&stats_fd), 0);
	for (unsigned k = 0; k < mediads; k++) {
		assert_int_equal(ring_create("ring", RING_SLOTS_MIN, mediads, &ring_fds[k]), 0);
		assert_int_equal(link_create("link", 64, &link_fds[k]), 0);
	}
	for (unsigned k = 0; k < mediads; k++)
		mediad_init(lab, k, stats_fd, ring_fds);
	if (mediads == 2) { /* link_fds[k] is written by k */
		for (unsigned k = 0; k < 2; k++)
			assert_int_equal(
				link_attach(&lab->m[k].md.link_mediad[1 - k], link_fds[k], link_fds[1 - k], -1, 1), 0);
	}
	for (unsigned k = 0; k < mediads; k++) {
		close(ring_fds[k]);
		close(link_fds[k]);
	}
	close(stats_fd);
	return lab;
}

struct lab *lab_free(struct lab *lab)
{
	for (unsigned k = 0; k < lab->mediads; k++) {
		struct mediad *md = &lab->m[k].md;
		md->media = media_stop(md->media);
		md->egress = egress_stop(md->egress);
		assert_int_equal(stat_get(&md->counters->tracks), 0);
		assert_int_equal(stat_get(&md->counters->seats), 0);
		for (unsigned i = 0; i < lab->mediads; i++) {
			if (i == k)
				continue;
			ring_reader_detach(&md->reader[i]);
			link_detach(&md->link_mediad[i]);
		}
		ring_detach(&md->ring);
		session_detach(&md->table);
		close(lab->m[k].table_fd);
		shm_detach(&md->stats.map);
		md->loop = loop_free(md->loop);
	}
	for (unsigned i = 0; i < lab->devices_len; i++) {
		for (unsigned s = 0; s < lab->device[i].streams_len; s++)
			free(lab->device[i].stream[s]);
	}
	free(mails);
	free(used_indexes);
	free(lab);
	the_lab = NULL;
	return NULL;
}

struct stats_mediad *lab_counters(struct lab *lab, unsigned mediad)
{
	return lab->m[mediad].md.counters;
}

struct media_peer *lab_peer(struct lab_device *d)
{
	return d->t.media;
}

/* ---- devices ---- */

static void sender_init(struct lab_sender *s, unsigned number, unsigned kind)
{
	s->ssrc = 0x1000 * (number + 1) + kind;
	s->rtx_ssrc = s->ssrc + 0x100;
	s->seq = (uint16_t)(65400 + number * 50 + kind * 30);
	s->rtx_seq = 65530;
	s->timestamp = UINT32_MAX - 90000 * (number + 1);
	s->picture_id = (uint16_t)(32700 + 20 * number);
	s->tl0picidx = (uint8_t)(250 + number);
	s->keyframe_due = true;
	s->on = kind < 2;
	s->level = LAB_LEVEL;
	s->bytes = 200;
}

struct session_mline *lab_mline(struct lab_device *d, enum media_kind media, bool receives, bool sends,
				enum track_kind kind)
{
	struct session_mline *m = &d->rec->mline[d->rec->mlines_len];

	*m = (struct session_mline){ .media = (uint8_t)media,
				     .receives = receives,
				     .sends = sends,
				     .track_kind = (uint8_t)kind,
				     .layers_len = 1 };
	snprintf(m->mid, sizeof(m->mid), "%d", d->rec->mlines_len++);
	m->ext = (struct session_extensions){ .mid = LAB_EXT_MID, .twcc = LAB_EXT_TWCC };
	if (media == MEDIA_AUDIO) {
		m->ext.audio_level = LAB_EXT_LEVEL;
		m->codec[m->codecs_len++] = (struct session_codec){
			.codec = CODEC_OPUS, .pt = LAB_PT_OPUS, .clock_rate = 48000, .channels = 2, .feedback = FB_TWCC
		};
		return m;
	}
	m->ext.orientation = LAB_EXT_ROTATION;
	m->ext.rid = LAB_EXT_RID;
	m->ext.repaired_rid = LAB_EXT_RRID;
	m->codec[m->codecs_len++] = (struct session_codec){ .codec = CODEC_VP8,
							    .pt = LAB_PT_VP8,
							    .rtx_pt = LAB_PT_RTX,
							    .clock_rate = 90000,
							    .feedback = FB_NACK | FB_PLI | FB_FIR | FB_TWCC };
	m->codec[m->codecs_len++] = (struct session_codec){ .codec = CODEC_H264,
							    .pt = LAB_PT_H264,
							    .rtx_pt = LAB_PT_H264X,
							    .clock_rate = 90000,
							    .profile = 0x42e01f,
							    .packetization_mode = 1,
							    .feedback = FB_NACK | FB_PLI | FB_FIR | FB_TWCC };
	return m;
}

struct lab_device *lab_device(struct lab *lab, unsigned mediad, uint8_t call, uint8_t member, unsigned slots)
{
	assert_true(lab->devices_len < LAB_DEVICES);
	struct lab_device *d = &lab->device[lab->devices_len];
	struct mediad *md = &lab->m[mediad].md;

	*d = (struct lab_device){ .lab = lab, .number = lab->devices_len++, .mediad = mediad };
	twcc_init(&d->down);
	assert_int_equal(session_transport_new(&md->table, &d->rec), 0);
	d->rec->call.b[0] = call;
	d->rec->member.b[0] = member;
	d->rec->joined_us = lab->now_us + d->number;
	d->t = (struct transport){ .md = md, .rec = d->rec };
	d->t.handle = session_transport_handle(&md->table, d->rec);
	atomic_store(&d->rec->state, TRANSPORT_NEW);
	d->ntp_skew_us = (int64_t)(d->number + 1) * 777777777;
	d->open = true;
	d->feedback = true;
	sender_init(&d->audio, d->number, 0);
	sender_init(&d->video, d->number, 1);
	sender_init(&d->screen, d->number, 2);
	for (unsigned i = 0; i < slots; i++) {
		lab_mline(d, MEDIA_AUDIO, i == 0, true, TRACK_MICROPHONE);
		lab_mline(d, MEDIA_VIDEO, i == 0, true, TRACK_CAMERA);
	}
	return d;
}

/* Lowest first; how many. */
static unsigned layers_of(struct lab_device *d, struct lab_sender *ret_all[3])
{
	unsigned n = 0;

	ret_all[n++] = &d->low;
	if (d->simulcast == 3)
		ret_all[n++] = &d->middle;
	ret_all[n++] = &d->video;
	return n;
}

void lab_layers(struct lab_device *d, unsigned n)
{
	static const char *const rids[] = { "q", "h", "f" };
	struct lab_sender *all[3];
	struct session_mline *m = &d->rec->mline[1];

	d->simulcast = n;
	d->layers = (uint8_t)((1u << n) - 1);
	m->layers_len = (uint8_t)layers_of(d, all);
	for (unsigned i = 0; i < n; i++) {
		if (all[i] != &d->video)
			sender_init(all[i], d->number, 3 + i);
		all[i]->layer = (uint8_t)i;
		all[i]->rid = rids[i];
		all[i]->timestamp += i * 1234567; /* each its own numbers */
		strcpy(m->layer[i].rid, rids[i]);
	}
}

void lab_simulcast(struct lab_device *d)
{
	lab_layers(d, 3);
}

int lab_offer(struct lab_device *d)
{
	int err = media_on_offer(&d->t);

	if (err == 0)
		lab_turn(d->lab);
	return err;
}

void lab_connect(struct lab_device *d)
{
	atomic_store(&d->rec->state, TRANSPORT_CONNECTED);
	media_on_connected(&d->t);
	lab_turn(d->lab);
}

void lab_close(struct lab_device *d)
{
	media_on_closed(&d->t);
	session_transport_free(&d->t.md->table, d->rec);
	d->open = false;
	d->rec = NULL;
	lab_turn(d->lab);
}

bool lab_rtp(struct lab_device *d, const uint8_t *data, size_t len)
{
	struct mediad *md = d->t.md;
	uint32_t slot;

	ring_take(&md->ring, 1, &slot);
	memcpy(md->ring.slot[slot].packet, data, len);
	bool kept = media_on_rtp(&d->t, slot, len, d->lab->now_us);
	if (!kept)
		ring_give_back(&md->ring, slot);
	return kept;
}

void lab_rtcp(struct lab_device *d, const uint8_t *data, size_t len)
{
	media_on_rtcp(&d->t, data, len, d->lab->now_us);
}

void lab_say(struct lab_device *d, const uint8_t *data, size_t len)
{
	mail_put(d, true, true, data, len, 0);
}

/* ---- a device as publisher ---- */

static struct lab_sender *sender_of(struct lab_device *d, uint32_t ssrc)
{
	struct lab_sender *all[] = { &d->audio, &d->video, &d->screen, &d->low, &d->middle };

	for (unsigned i = 0; i < ARRAY_LEN(all); i++) {
		if (all[i]->ssrc == ssrc)
			return all[i];
	}
	return NULL;
}

static const char *sender_mid(const struct lab_device *d, const struct lab_sender *s)
{
	enum track_kind kind = s == &d->audio ? TRACK_MICROPHONE : s == &d->screen ? TRACK_SCREEN : TRACK_CAMERA;

	for (unsigned i = 0; i < d->rec->mlines_len; i++) {
		if (d->rec->mline[i].receives && d->rec->mline[i].track_kind == kind)
			return d->rec->mline[i].mid;
	}
	return "?";
}

static size_t build_header(struct lab_device *d, struct lab_sender *s, uint8_t pt, bool marker, uint16_t seq,
			   uint32_t ssrc, uint8_t *p)
{
	struct rtp_writer w;
	uint8_t twcc[2], level = 0x80 | s->level;

	rtp_begin(&w, p, 1400, false);
	if (!s->no_mid)
		rtp_add(&w, LAB_EXT_MID, sender_mid(d, s), strlen(sender_mid(d, s)));
	if (s->rid)
		rtp_add(&w, ssrc == s->ssrc ? LAB_EXT_RID : LAB_EXT_RRID, s->rid, strlen(s->rid));
	rtp_put16(twcc, d->twcc_seq++);
	rtp_add(&w, LAB_EXT_TWCC, twcc, 2);
	if (s == &d->audio)
		rtp_add(&w, LAB_EXT_LEVEL, &level, 1);
	assert_int_equal(rtp_end(&w, pt, marker, seq, s->timestamp, ssrc), 0);
	return w.len;
}

static void remember(struct lab_sender *s, uint16_t seq, const uint8_t *p, size_t len)
{
	assert_true(len <= sizeof(s->sent[0].data));
	s->sent[seq % LAB_SENT].seq = seq;
	s->sent[seq % LAB_SENT].len = (uint16_t)len;
	memcpy(s->sent[seq % LAB_SENT].data, p, len);
}

/* A packet of the test's own picture. */
static size_t build_own(struct lab_device *d, struct lab_sender *s, bool last, unsigned place, uint8_t *p)
{
	uint16_t seq = s->seq++;
	size_t len = build_header(d, s, LAB_PT_VP8, last, seq, s->ssrc, p);

	len += d->packet(d, s, place, p + len);
	remember(s, seq, p, len);
	return len;
}

/* Of the picture that it makes now. Each key frame begins the pattern anew. */
static unsigned temporal_of(const struct lab_sender *s)
{
	static const uint8_t pattern[] = { 0, 2, 1, 2 };

	return pattern[(s->frame - s->key_frame) % ARRAY_LEN(pattern)];
}

size_t lab_build(struct lab_device *d, struct lab_sender *s, bool video, bool key, unsigned place, uint8_t *p)
{
	uint16_t seq = s->seq++;
	size_t len = build_header(d, s,
				  video	   ? LAB_PT_VP8
				  : s->red ? LAB_PT_RED
					   : LAB_PT_OPUS,
				  !video || place == LAB_FRAME - 1, seq, s->ssrc, p);
	uint8_t *q = p + len;

	if (video) {
		*q++ = (uint8_t)(0x80 | (place == 0 ? 0x10 : 0));
		*q++ = 0xe0; /* picture id, TL0PICIDX, TID */
		rtp_put16(q, 0x8000 | (s->picture_id & 0x7fff));
		q += 2;
		*q++ = s->tl0picidx;
		*q++ = (uint8_t)(s->temporal ? temporal_of(s) << 6 | 0x20 : 0);
		*q++ = key ? 0 : 1;
	}
	if (s->red) {
		memcpy(q, (uint8_t[]){ 0x80 | LAB_PT_OPUS, 0x0f, 0x00, 5, LAB_PT_OPUS, 0, 0, 0, 0, 0 }, 10);
		q += 10;
	}
	if (d->lab->opus && !video)
		*q++ = LAB_TOC;
	*q++ = (uint8_t)(d->number | s->layer << 6);
	rtp_put32(q, s->frame);
	q += 4;
	*q++ = (uint8_t)place;
	memset(q, 0xaa, s->bytes);
	q += s->bytes;
	len = (size_t)(q - p);
	remember(s, seq, p, len);
	return len;
}

static void send_up(struct lab_device *d, const uint8_t *p, size_t len)
{
	if (lab_random() % 100 >= d->loss_up)
		mail_put(d, true, false, p, len, 0);
}

static void frame_done(struct lab_sender *s, bool video, int64_t interval_us)
{
	s->frame++;
	s->picture_id++;
	s->tl0picidx += !s->temporal;
	s->timestamp += (uint32_t)(interval_us * (video ? 90000 : 48000) / USEC_PER_SEC);
	s->next_us += interval_us;
}

static bool frame_begin(struct lab_sender *s, bool video)
{
	bool key = video && s->keyframe_due;

	s->keyframe_due = false;
	s->keyframes += key;
	s->frames++;
	if (key)
		s->key_frame = s->frame;
	s->tl0picidx += s->temporal && temporal_of(s) == 0;
	return key;
}

static void send_frame(struct lab_device *d, struct lab_sender *s, bool video, int64_t interval_us)
{
	uint8_t p[1500];
	bool key = frame_begin(s, video);

	for (unsigned place = 0; place < (video ? LAB_FRAME : 1); place++)
		send_up(d, p, lab_build(d, s, video, key, place, p));
	frame_done(s, video, interval_us);
}

/* One picture in all layers that are on, the packets of one between those of the others. */
static void send_layers(struct lab_device *d, int64_t interval_us)
{
	struct lab_sender *all[3];
	unsigned n = layers_of(d, all), place[3] = { 0 }, packets[3] = { 0 }, left = 0;
	bool key[3];
	uint8_t p[1500];

	for (unsigned i = 0; i < n; i++) {
		bool on = !all[i]->dry && (d->deaf_to_layers || d->layers & 1u << i);
		all[i]->keyframe_due = all[i]->keyframe_due || !on; /* it begins again with one */
		key[i] = on && frame_begin(all[i], true);
		if (on)
			packets[i] = d->camera ? d->camera(d, all[i], key[i]) : LAB_FRAME;
		left += packets[i];
	}
	while (left > 0) {
		unsigned i = lab_random() % n;
		if (place[i] == packets[i])
			continue;
		send_up(d, p,
			d->camera ? build_own(d, all[i], place[i] + 1 == packets[i], place[i], p)
				  : lab_build(d, all[i], true, key[i], place[i], p));
		place[i]++;
		left--;
	}
	for (unsigned i = 0; i + 1 < n; i++) {
		all[i]->next_us = d->video.next_us;
		frame_done(all[i], true, interval_us);
	}
	frame_done(&d->video, true, interval_us);
}

static void repeat(struct lab_device *d, struct lab_sender *s, uint16_t seq)
{
	uint8_t p[1500];
	struct rtp rtp;

	s->nacks++;
	if (s->sent[seq % LAB_SENT].seq != seq || s->sent[seq % LAB_SENT].len == 0)
		return;
	const uint8_t *original = s->sent[seq % LAB_SENT].data;
	assert_int_equal(rtp_parse(original, s->sent[seq % LAB_SENT].len, &rtp), 0);
	uint32_t timestamp = s->timestamp;
	s->timestamp = rtp.timestamp;
	size_t len = build_header(d, s, LAB_PT_RTX, rtp.marker, s->rtx_seq++, s->rtx_ssrc, p);
	s->timestamp = timestamp;
	rtp_put16(p + len, seq);
	memcpy(p + len + 2, original + rtp.payload_offset, rtp.payload_len);
	s->rtx++;
	send_up(d, p, len + 2 + rtp.payload_len);
}

static uint64_t device_ntp(const struct lab_device *d)
{
	uint64_t us = (uint64_t)(d->lab->now_us + d->ntp_skew_us);

	return us / 1000000 << 32 | (us % 1000000 << 32) / 1000000;
}

static void send_reports(struct lab_device *d)
{
	struct lab_sender *all[] = { &d->audio, &d->video, &d->low, &d->middle };
	uint8_t p[1200];
	struct rtcp_out out = { .data = p, .cap = sizeof(p) };

	for (unsigned i = 0; i < (d->simulcast ? 1 + d->simulcast : 2); i++) {
		struct lab_sender *s = all[i];
		int64_t rate = i ? 90000 : 48000;
		/* The next packet's timestamp belongs to next_us. */
		struct rtcp_sender sr = { .ntp = device_ntp(d),
					  .rtp = s->timestamp -
						 (uint32_t)((s->next_us - d->lab->now_us) * rate / USEC_PER_SEC) };
		bool layered = d->simulcast && i, sent = d->deaf_to_layers || d->layers >> s->layer & 1;
		if (layered ? sent && !s->dry : s->on)
			assert_int_equal(rtcp_add_sr(&out, s->ssrc, &sr, NULL, 0), 0);
	}
	if (out.len)
		mail_put(d, true, true, p, out.len, 0);
}

/* ---- a device as receiver ---- */

static struct lab_stream *stream_of(struct lab_device *d, uint32_t ssrc, bool *ret_is_rtx)
{
	for (unsigned i = 0; i < d->streams_len; i++) {
		*ret_is_rtx = d->stream[i]->rtx_ssrc == ssrc;
		if (d->stream[i]->ssrc == ssrc || *ret_is_rtx)
			return d->stream[i];
	}
	for (unsigned i = 0; i < SESSION_MLINES_MAX; i++) {
		const struct session_seat *seat = media_seat(&d->t, i);
		if (!seat || (seat->ssrc != ssrc && seat->rtx_ssrc != ssrc))
			continue;
		assert_true(d->streams_len < LAB_STREAMS);
		struct lab_stream *s = calloc(1, sizeof(*s));
		assert_non_null(s);
		d->stream[d->streams_len++] = s;
		s->ssrc = seat->ssrc;
		s->rtx_ssrc = seat->rtx_ssrc;
		s->video = seat->media == MEDIA_VIDEO;
		*ret_is_rtx = seat->rtx_ssrc == ssrc;
		return s;
	}
	return NULL;
}

struct lab_stream *lab_stream(struct lab_device *d, unsigned mline)
{
	const struct session_seat *seat = media_seat(&d->t, mline);

	for (unsigned i = 0; seat && i < d->streams_len; i++) {
		if (d->stream[i]->ssrc == seat->ssrc)
			return d->stream[i];
	}
	return NULL;
}

static void read_payload(struct lab_packet *packet, const uint8_t *p, bool video)
{
	if (video) {
		packet->picture_id = rtp_get16(p + 2) & 0x7fff;
		packet->tl0picidx = p[4];
		packet->keyframe = (p[0] & 0x10) && p[6] == 0;
		p += 7;
	}
	packet->device = p[0] & 63;
	packet->layer = p[0] >> 6;
	packet->frame = rtp_get32(p + 1);
	packet->place = p[5];
}

static void note_heard(struct lab_stream *s, uint32_t frame)
{
	int64_t *heard_us = &s->heard_us[frame % LAB_LOG];

	s->heards += *heard_us == 0;
	*heard_us = *heard_us ? *heard_us : the_lab->now_us;
}

/* Opus (RFC 6716, 3): one frame, or several of one length each, with their lengths. Returns where the first begins. */
static size_t unwrap_opus(struct lab_stream *s, const uint8_t *payload, size_t len)
{
	unsigned n = (payload[0] & 3) == 3 ? payload[1] & 63 : 1;
	size_t at = 2, first, size[63], left = len - 2;
	uint32_t frame = 0;

	assert_int_equal(payload[0] & ~3, LAB_TOC);
	if (n == 1)
		return 1;
	assert_int_equal(payload[1] & 0xc0, 0x80);
	for (unsigned i = 0; i + 1 < n; i++) {
		size[i] = payload[at++];
		left--;
		if (size[i] >= 252) {
			size[i] += 4u * payload[at++];
			left--;
		}
		left -= size[i];
	}
	size[n - 1] = left;
	first = at;
	for (unsigned i = 0; i < n; at += size[i++]) {
		struct lab_packet packet = { 0 };
		assert_true(size[i] >= 6 && at + size[i] <= len);
		read_payload(&packet, payload + at, false);
		assert_true(i == 0 || packet.frame == frame + 1);
		frame = packet.frame;
		note_heard(s, frame);
	}
	assert_int_equal(at, len);
	s->joined++;
	return first;
}

/* Older packets are what they were; returns where the packet's own payload begins. */
static size_t unwrap_red(struct lab_stream *s, const struct rtp *rtp, const uint8_t *payload, uint64_t index)
{
	uint8_t pt = 0;
	size_t own = codec_red_primary(payload, rtp->payload_len, &pt), at = 0, blocks = 0;

	struct lab_packet older = { 0 };
	s->reds++;
	assert_true(own < rtp->payload_len);
	assert_int_equal(pt, LAB_PT_OPUS);
	while (payload[blocks * RED_HEADER_LEN] & 0x80)
		blocks++;
	at = blocks * RED_HEADER_LEN + 1;
	for (size_t i = 0; i < blocks; i++) {
		const uint8_t *header = payload + i * RED_HEADER_LEN;
		size_t len = rtp_get16(header + 2) & RED_BLOCK_MAX;
		uint32_t age = (uint32_t)rtp_get16(header + 1) >> 2;
		assert_int_equal(header[0], 0x80 | LAB_PT_OPUS);
		if (len > LAB_RED_NONSENSE) {
			read_payload(&older, payload + at, false);
			note_heard(s, older.frame);
			s->older++;
			s->older_max = MAX(s->older_max, (unsigned)blocks);
			for (uint64_t k = index; s->packets && k > s->first && index - k < 8;) {
				const struct lab_packet *known = &s->log[--k - s->first];
				if (!known->used || known->timestamp != rtp->timestamp - age)
					continue;
				assert_int_equal(known->frame, older.frame);
				assert_int_equal(known->device, older.device);
				s->older_known++;
			}
		}
		at += len;
	}
	assert_int_equal(at, own);
	if (blocks && older.frame) {
		struct lab_packet packet = { 0 };
		read_payload(&packet, payload + own, false);
		s->older_others += packet.device != older.device;
	}
	return own;
}

static void receive(struct lab_device *d, const struct mail *w)
{
	bool is_rtx;
	struct rtp rtp;

	assert_int_equal(rtp_parse(w->data, w->len, &rtp), 0);
	struct lab_stream *s = stream_of(d, rtp.ssrc, &is_rtx);
	if (!s) /* its seat is gone meanwhile */
		return;
	const struct rtp_element *mid = rtp_find(&rtp, LAB_EXT_MID);
	assert_non_null(mid);
	const struct rtp_element *number = rtp_find(&rtp, LAB_EXT_TWCC);
	assert_int_equal(number != NULL, d->rec->mline[0].ext.twcc != 0);
	if (number && d->feedback)
		twcc_on_packet(&d->down, rtp_get16(number->data), rtp.marker, d->lab->now_us);
	if (rtp.payload_len == 0) {
		const struct lab_packet empty = { .at_us = d->lab->now_us, .index = w->index, .used = true };
		assert_true((is_rtx || d->taken) && rtp.padding_len > 0);
		d->paddings++;
		if (!is_rtx)
			d->taken(d, &empty, w->data, 0);
		return;
	}
	const struct rtp_element *level = rtp_find(&rtp, d->rec->mline[0].ext.audio_level);
	if (level && !s->video) {
		assert_int_equal(level->len, 1);
		s->level = level->data[0];
		assert_true(s->level & 0x80);
		s->levels++;
	}
	uint64_t index = w->index;
	const uint8_t *payload = w->data + rtp.payload_offset;
	if (is_rtx) {
		index = rtp_index_guess(s->highest, rtp_get16(payload));
		payload += 2;
		s->repaired++;
		assert_int_equal(rtp.payload_type, LAB_PT_RTX);
	} else {
		bool red = rtp.payload_type == LAB_PT_RED;
		assert_int_equal(rtp.payload_type, s->video ? LAB_PT_VP8 : red ? LAB_PT_RED : LAB_PT_OPUS);
		if (red)
			payload += unwrap_red(s, &rtp, payload, index);
		else if (d->lab->opus && !s->video)
			payload += unwrap_opus(s, payload, rtp.payload_len);
	}
	if (s->packets++ == 0)
		s->first = s->highest = index;
	if (index < s->first || index - s->first >= LAB_LOG)
		return;
	struct lab_packet *packet = &s->log[index - s->first];
	struct lab_packet got = { .at_us = d->lab->now_us,
				  .index = index,
				  .timestamp = rtp.timestamp,
				  .marker = rtp.marker,
				  .is_rtx = is_rtx,
				  .used = true };
	bool own = s->video && d->taken;
	if (!own)
		read_payload(&got, payload, s->video);
	if (!s->video)
		note_heard(s, got.frame);
	if (packet->used) { /* again, by RTX: it must be the same */
		s->duplicates++;
		assert_int_equal(packet->frame, got.frame);
		assert_int_equal(packet->picture_id, got.picture_id);
		assert_int_equal(packet->timestamp, got.timestamp);
		return;
	}
	*packet = got;
	s->highest = MAX(s->highest, index);
	if (own)
		d->taken(d, packet, payload, (size_t)(w->data + rtp.payload_offset + rtp.payload_len - payload));
}

static void ask_missing(struct lab_device *d, struct lab_stream *s)
{
	uint16_t seq[64];
	size_t n = 0;
	uint32_t now_ms = (uint32_t)(d->lab->now_us / 1000);
	uint64_t from = s->highest - s->first > 200 ? s->highest - 200 : s->first;

	for (uint64_t i = from; i < s->highest && n < 64; i++) {
		uint32_t *asked = &s->nacked_at_ms[i - s->first];
		if (s->log[i - s->first].used || now_ms - *asked < (d->patience_ms ? d->patience_ms : 30))
			continue;
		if (d->patience_ms && s->nacks[i - s->first]++ >= LAB_ASKS)
			continue;
		*asked = now_ms;
		seq[n++] = (uint16_t)i;
	}
	uint8_t p[600];
	struct rtcp_out out = { .data = p, .cap = sizeof(p) };
	if (n > 0 && rtcp_add_nack(&out, d->video.ssrc, s->ssrc, seq, n) == 0)
		mail_put(d, true, true, p, out.len, 0);
}

static void send_receiver_report(struct lab_device *d)
{
	uint8_t p[1200];
	struct rtcp_out out = { .data = p, .cap = sizeof(p) };
	struct rtcp_block block[LAB_STREAMS];

	for (unsigned i = 0; i < d->streams_len; i++) {
		struct lab_stream *s = d->stream[i];
		block[i] = (struct rtcp_block){
			.ssrc = s->ssrc,
			.fraction_lost = (uint8_t)(d->loss_down * 256 / 100),
			.highest = (uint32_t)s->highest,
			.lsr = s->reports ? (uint32_t)(s->report.ntp >> 16) : 0,
			.dlsr = (uint32_t)((d->lab->now_us - s->report_us) * 65536 / USEC_PER_SEC),
		};
	}
	assert_int_equal(rtcp_add_rr(&out, d->video.ssrc, block, d->streams_len), 0);
	mail_put(d, true, true, p, out.len, 0);
}

static void send_feedback(struct lab_device *d)
{
	uint8_t p[1200];
	struct rtcp_out out = { .data = p, .cap = sizeof(p) };

	if (twcc_due_us(&d->down) <= d->lab->now_us &&
	    twcc_build(&d->down, &out, d->video.ssrc, d->audio.ssrc, d->lab->now_us) == 0)
		mail_put(d, true, true, p, out.len, 0);
}

static void count_twcc(void *arg, uint16_t seq, bool received, int64_t at_us)
{
	struct lab_device *d = arg;

	(void)seq;
	(void)at_us;
	if (received)
		d->twcc_received++;
	else
		d->twcc_lost++;
}

static void on_feedback(struct lab_device *d, const struct rtcp_packet *packet)
{
	struct lab_sender *s = sender_of(d, rtcp_media_ssrc(packet));
	struct rtcp_twcc twcc;
	uint64_t bps;

	if (packet->type == RTCP_RTPFB && packet->count == RTCP_RTPFB_TWCC) {
		d->twcc_feedbacks++;
		assert_int_equal(rtcp_read_twcc(packet, &twcc, count_twcc, d), 0);
	} else if (packet->type == RTCP_RTPFB) {
		assert_non_null(s);
		for (size_t i = 0; i < rtcp_nack_pairs(packet); i++) {
			uint16_t seq, bitmap;
			rtcp_read_nack(packet, i, &seq, &bitmap);
			repeat(d, s, seq);
			for (unsigned bit = 0; bit < 16; bit++) {
				if (bitmap & 1u << bit)
					repeat(d, s, (uint16_t)(seq + bit + 1));
			}
		}
	} else if (packet->count == RTCP_PSFB_PLI) {
		assert_non_null(s);
		s->plis++;
		s->keyframe_due = true;
	} else if (packet->count == RTCP_PSFB_FIR) {
		d->video.firs++;
		d->video.keyframe_due = true;
	} else if (rtcp_read_remb(packet, &bps) == 0) {
		d->rembs++;
	}
}

static void receive_rtcp(struct lab_device *d, const struct mail *w)
{
	const uint8_t *data = w->data;
	size_t len = w->len;
	struct rtcp_packet packet;
	bool is_rtx;

	while (rtcp_next(&data, &len, &packet) == 0) {
		for (unsigned i = 0; packet.type == RTCP_RR && i < packet.count; i++) {
			struct rtcp_block block;
			rtcp_read_block(&packet, i, &block);
			struct lab_sender *s = sender_of(d, block.ssrc);
			if (s)
				s->loss_reported = block.fraction_lost;
		}
		if (packet.type == RTCP_SR) {
			struct lab_stream *s = stream_of(d, rtcp_sender_ssrc(&packet), &is_rtx);
			if (!s)
				continue;
			rtcp_read_sender(&packet, &s->report);
			s->report_us = d->lab->now_us;
			s->reports++;
		} else if (packet.type == RTCP_RTPFB || packet.type == RTCP_PSFB) {
			on_feedback(d, &packet);
		}
	}
}

void lab_check_stream(const struct lab *lab, const struct lab_stream *s, int64_t settled_us)
{
	const struct lab_packet *last = NULL;
	unsigned n = 0;

	assert_non_null(s);
	assert_true(s->packets > 0);
	for (uint64_t i = 0; i <= s->highest - s->first; i++) {
		const struct lab_packet *p = &s->log[i];
		if (p->used && lab->now_us - p->at_us < settled_us)
			break;
		if (!p->used)
			fail_msg("packet %lu of %lu never came", (unsigned long)i,
				 (unsigned long)(s->highest - s->first));
		if (last && s->video && p->timestamp != last->timestamp) {
			assert_int_equal(p->picture_id, (last->picture_id + 1) & 0x7fff);
			assert_int_equal(p->tl0picidx, (uint8_t)(last->tl0picidx + 1));
			assert_true((int32_t)(p->timestamp - last->timestamp) > 0);
			assert_int_equal(p->place, 0);
			if (p->device != last->device)
				assert_true(p->keyframe);
		} else if (last && s->video) {
			assert_int_equal(p->place, last->place + 1);
			assert_int_equal(p->picture_id, last->picture_id);
		} else if (last) {
			assert_true((int32_t)(p->timestamp - last->timestamp) > 0);
		}
		last = p;
		n++;
	}
	assert_true(n > 0);
}

void lab_pace(struct lab_device *d, uint32_t bps)
{
	struct media_peer *peer = lab_peer(d);

	pacing_begin(peer);
	assert_non_null(peer->pacing);
	peer->pacing->bps = bps;
	peer->pacing->bps_us = INT64_MAX / 2; /* fresh for ever */
	peer->rate.paced = false;	      /* nor does it end */
	if (!peer->bwe)
		return;
	peer->bwe->delay_limit = peer->bwe->capacity = bps;
	peer->bwe->initial = false;
	peer->bwe->cluster.begun_us = INT64_MAX / 2; /* one probe that never ends, so that no other begins */
}

/* ---- time ---- */

static void device_run(struct lab_device *d)
{
	struct lab *lab = d->lab;
	struct lab_sender *all[] = { &d->audio, &d->video, &d->screen };

	for (unsigned i = 0; i < ARRAY_LEN(all); i++) {
		struct lab_sender *s = all[i];
		if (!s->on) {
			s->next_us = 0;
			continue;
		}
		if (s->next_us == 0)
			s->next_us = lab->now_us;
		if (s->next_us <= lab->now_us && i == 1 && d->simulcast)
			send_layers(d, d->picture_us ? d->picture_us : 33000);
		else if (s->next_us <= lab->now_us)
			send_frame(d, s, i > 0, i > 0 ? 33000 : 20000);
	}
	if (lab->now_us - d->report_us >= USEC_PER_SEC) {
		d->report_us = lab->now_us;
		send_reports(d);
	}
	if (lab->now_us - d->rr_us >= 300 * USEC_PER_MSEC && d->streams_len) {
		d->rr_us = lab->now_us;
		send_receiver_report(d);
	}
	if (d->feedback)
		send_feedback(d);
	for (unsigned i = 0; i < d->streams_len && !d->deaf; i++) {
		if (d->stream[i]->video && lab->now_us / 1000 % 5 == 0)
			ask_missing(d, d->stream[i]);
	}
}

static void hand_over(const struct mail *m)
{
	if (!m->device->open)
		return;
	if (m->up && m->rtcp)
		lab_rtcp(m->device, m->data, m->len);
	else if (m->up)
		(void)lab_rtp(m->device, m->data, m->len);
	else if (m->rtcp)
		receive_rtcp(m->device, m);
	else
		receive(m->device, m);
}

static void deliver(struct lab *lab)
{
	unsigned kept = 0, n = mails_len;

	for (unsigned i = 0; i < n; i++) {
		struct mail w = mails[i];
		if (w.at_us > lab->now_us)
			mails[kept++] = w;
		else
			hand_over(&w);
	}
	/* What was sent meanwhile stands behind the n that were looked at. */
	memmove(&mails[kept], &mails[n], (mails_len - n) * sizeof(mails[0]));
	mails_len = kept + (mails_len - n);
}

static void deliver_by(struct lab *lab, struct wire *way)
{
	struct wire_packet *packet;

	while (way && (packet = wire_receive(way, lab->now_us))) {
		const struct label *label = packet->owner;
		struct mail m = { .at_us = lab->now_us,
				  .device = label->device,
				  .up = label->up,
				  .rtcp = label->rtcp,
				  .len = (uint16_t)packet->len,
				  .index = label->index };
		memcpy(m.data, packet->data, packet->len);
		free(packet);
		hand_over(&m);
	}
}

static void drain_link(struct lab_mediad *m, unsigned from)
{
	struct link_msg msg;
	_Alignas(8) uint8_t payload[LINK_PAYLOAD_MAX];

	while (link_pop(&m->md.link_mediad[from], &msg, payload) == 0) {
		assert_int_equal(msg_check(&msg, payload), 0);
		media_on_peer_msg(m->md.media, from, &msg, payload);
	}
}

void lab_turn(struct lab *lab)
{
	for (unsigned round = 0; round < 4; round++) {
		for (unsigned k = 0; k < lab->mediads; k++) {
			struct lab_mediad *m = &lab->m[k];
			for (unsigned from = 0; from < lab->mediads; from++) {
				if (from != k)
					drain_link(m, from);
			}
			while (media_drain_rings(m->md.media, 64, lab->now_us))
				;
			if (m->timer && m->timer->at_us <= lab->now_us) {
				struct loop_timer *timer = m->timer;
				m->timer = NULL;
				timer->loop = NULL;
				timer->cb(timer, lab->now_us, timer->arg);
			}
			media_flush(m->md.media, lab->now_us);
		}
	}
}

void lab_run(struct lab *lab, int64_t us)
{
	for (int64_t end = lab->now_us + us; lab->now_us < end; lab->now_us += USEC_PER_MSEC) {
		for (unsigned i = 0; i < lab->devices_len; i++) {
			if (lab->device[i].open && atomic_load(&lab->device[i].rec->state) == TRANSPORT_CONNECTED)
				device_run(&lab->device[i]);
		}
		deliver(lab);
		for (unsigned i = 0; i < lab->devices_len; i++) {
			deliver_by(lab, lab->device[i].way_down);
			deliver_by(lab, lab->device[i].way_up);
		}
		lab_turn(lab);
	}
}
