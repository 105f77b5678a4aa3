#include "tests/decode/picture.h"

#include "lib/ids.h"
#include "lib/rtp.h"
#include "tests/decode/obu.h"
#include "tests/support/cm.h"

#include <gst/check/gstharness.h>
#include <gst/video/video.h>
#include <libavcodec/avcodec.h>
#include <libavutil/log.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PT	   96
#define PICTURE_US 33333

/* What FFmpeg said since the last look, worse than "info". */
static char complaint[256];

static void on_av_log(void *context, int level, const char *fmt, va_list ap)
{
	(void)context;
	if (level <= AV_LOG_WARNING && !complaint[0])
		vsnprintf(complaint, sizeof(complaint), fmt, ap);
}

void picture_init(void)
{
	gst_init(NULL, NULL);
	av_log_set_callback(on_av_log);
}

/* ---- scenes ---- */

/* A slope that moves, a square that jumps, and a patch of noise: something for every kind of prediction. */
static void draw(uint8_t *y, unsigned width, unsigned height, unsigned scene, unsigned n)
{
	unsigned size = height / 4, left = (n * 3 + scene * 17) % (width - size), top = (n * 2) % (height - size);
	uint8_t *u = y + (size_t)width * height, *v = u + (size_t)(width / 2) * (height / 2);
	uint32_t noise = n * 2654435761u + scene;

	for (unsigned row = 0; row < height; row++) {
		for (unsigned col = 0; col < width; col++)
			y[row * width + col] = (uint8_t)(row + col * (1 + scene) + n * (2 + scene));
	}
	for (unsigned row = 0; row < size; row++) {
		memset(y + (top + row) * width + left, 30 + (n * 7) % 200, size);
		for (unsigned col = 0; col < size; col++) {
			noise = noise * 1664525 + 1013904223;
			y[row * width + col] = (uint8_t)(noise >> 24);
		}
	}
	memset(u, (int)(128 + 40 * scene) & 255, (size_t)(width / 2) * (height / 2));
	memset(v, (int)(n & 255), (size_t)(width / 2) * (height / 2));
}

/* ---- encoder ---- */

struct encoder {
	enum codec codec;
	unsigned width, height, scene, pictures;
	GstHarness *harness; /* encoder and payloader; NULL: AV1, */
	AVCodecContext *av;  /* because GStreamer's encoder of Debian 12 makes no key frame when it is asked for one */
};

/* Three temporal layers, as Chromium makes them of VP8: the lowest goes on in the last picture, the middle one in the
 * golden one, and of eight pictures only the first of each upper layer does without what is beside the lowest. */
static void set_temporal_layers(GstHarness *harness, unsigned bps)
{
	GstElement *e = gst_bin_get_by_name(GST_BIN(harness->element), "encoder");
	static const int ids[] = { 0, 2, 1, 2, 0, 2, 1, 2 }, decimators[] = { 4, 2, 1 };
	const int rates[] = { (int)bps * 4 / 10, (int)bps * 6 / 10, (int)bps };
	const struct {
		const char *name;
		const int *value;
		unsigned len;
	} lists[] = { { "temporal-scalability-layer-id", ids, 8 },
		      { "temporal-scalability-rate-decimator", decimators, 3 },
		      { "temporal-scalability-target-bitrate", rates, 3 } };

	assert_non_null(e);
	g_object_set(e, "temporal-scalability-number-layers", 3, "temporal-scalability-periodicity", 8, NULL);
	for (unsigned i = 0; i < 3; i++) {
		GValue list = G_VALUE_INIT, value = G_VALUE_INIT;
		g_value_init(&value, G_TYPE_INT);
		G_GNUC_BEGIN_IGNORE_DEPRECATIONS /* GStreamer's type, not ours */
			GValueArray *array = g_value_array_new(8);
		for (unsigned k = 0; k < lists[i].len; k++) {
			g_value_set_int(&value, lists[i].value[k]);
			g_value_array_append(array, &value);
		}
		g_value_init(&list, g_value_array_get_type());
		G_GNUC_END_IGNORE_DEPRECATIONS
		g_value_take_boxed(&list, array);
		g_object_set_property(G_OBJECT(e), lists[i].name, &list);
		g_value_unset(&list);
	}
#define LOWEST	    "no-ref-golden+no-ref-alt+no-upd-golden+no-upd-alt"
#define MIDDLE	    "no-ref-alt+no-upd-last+no-upd-alt+no-upd-entropy"
#define UPPER	    "no-ref-alt+no-upd-last+no-upd-golden+no-upd-alt+no-upd-entropy"
#define MIDDLE_SYNC "no-ref-golden+" MIDDLE
#define UPPER_SYNC  "no-ref-golden+" UPPER
	gst_util_set_object_arg(G_OBJECT(e), "temporal-scalability-layer-flags",
				"<" LOWEST "," UPPER_SYNC "," MIDDLE_SYNC "," UPPER "," LOWEST "," UPPER "," MIDDLE
				"," UPPER ">");
	gst_util_set_object_arg(G_OBJECT(e), "temporal-scalability-layer-sync-flags",
				"<false,true,true,false,false,false,false,false>");
	gst_object_unref(e);
}

/* As Chromium sets libaom: real time, constant bit rate, no frames held back. */
static void encoder_open_av1(struct encoder *e, unsigned bps)
{
	const AVCodec *av = avcodec_find_encoder_by_name("libaom-av1");
	AVDictionary *options = NULL;

	assert_non_null(av);
	e->av = avcodec_alloc_context3(av);
	assert_non_null(e->av);
	e->av->width = (int)e->width;
	e->av->height = (int)e->height;
	e->av->pix_fmt = AV_PIX_FMT_YUV420P;
	e->av->time_base = (AVRational){ 1, 1000000 };
	e->av->bit_rate = e->av->rc_max_rate = e->av->rc_min_rate = bps;
	e->av->rc_buffer_size = (int)bps;
	e->av->gop_size = 100000;
	e->av->qmin = 10;
	e->av->qmax = 56;
	e->av->thread_count = 1;
	av_dict_set(&options, "usage", "realtime", 0);
	av_dict_set(&options, "aom-params", "cpu-used=10", 0);
	av_dict_set(&options, "lag-in-frames", "0", 0);
	assert_int_equal(avcodec_open2(e->av, av, &options), 0);
	assert_int_equal(av_dict_count(options), 0);
	av_dict_free(&options);
}

struct encoder *encoder_new(enum codec codec, unsigned width, unsigned height, unsigned scene)
{
	struct encoder *e = calloc(1, sizeof(*e));
	unsigned bps = width * height * 6, mtu = PICTURE_PAYLOAD_MAX + RTP_HEADER_LEN, slices = height > 60 ? 2 : 1;
	char line[600], caps[200];

	assert_non_null(e);
	*e = (struct encoder){ .codec = codec, .width = width, .height = height, .scene = scene };
	switch (codec) {
	case CODEC_VP8:
		snprintf(line, sizeof(line),
			 "vp8enc name=encoder deadline=1 cpu-used=16 lag-in-frames=0 threads=1 end-usage=cbr "
			 "error-resilient=default keyframe-max-dist=100000 target-bitrate=%u ! "
			 "rtpvp8pay picture-id-mode=15-bit mtu=%u",
			 bps, mtu);
		break;
	case CODEC_VP9:
		snprintf(line, sizeof(line),
			 "vp9enc deadline=1 cpu-used=9 lag-in-frames=0 threads=1 end-usage=cbr "
			 "keyframe-max-dist=100000 target-bitrate=%u ! "
			 "rtpvp9pay picture-id-mode=15-bit mtu=%u",
			 bps, mtu);
		break;
	case CODEC_H264:
		snprintf(line, sizeof(line),
			 "openh264enc bitrate=%u gop-size=100000 complexity=low multi-thread=1 enable-frame-skip=false "
			 "scene-change-detection=false slice-mode=n-slices num-slices=%u ! "
			 "rtph264pay aggregate-mode=zero-latency mtu=%u",
			 bps, slices, mtu);
		break;
	default:
		encoder_open_av1(e, bps);
		return e;
	}
	e->harness = gst_harness_new_parse(line);
	assert_non_null(e->harness);
	if (codec == CODEC_VP8)
		set_temporal_layers(e->harness, bps);
	snprintf(caps, sizeof(caps), "video/x-raw,format=I420,width=%u,height=%u,framerate=30/1", width, height);
	gst_harness_set_src_caps_str(e->harness, caps);
	return e;
}

struct encoder *encoder_free(struct encoder *e)
{
	if (!e)
		return NULL;
	if (e->harness)
		gst_harness_teardown(e->harness);
	avcodec_free_context(&e->av);
	free(e);
	return NULL;
}

static void draw_frame(struct encoder *e, AVFrame *frame)
{
	size_t len = (size_t)e->width * e->height * 3 / 2;
	uint8_t *i420 = malloc(len), *from = i420;

	assert_non_null(i420);
	draw(i420, e->width, e->height, e->scene, e->pictures++);
	for (unsigned plane = 0; plane < 3; plane++) {
		unsigned width = plane ? e->width / 2 : e->width, height = plane ? e->height / 2 : e->height;
		for (unsigned row = 0; row < height; row++, from += width)
			memcpy(frame->data[plane] + (ptrdiff_t)row * frame->linesize[plane], from, width);
	}
	free(i420);
}

static GstBuffer *raw_picture(struct encoder *e)
{
	size_t len = (size_t)e->width * e->height * 3 / 2;
	GstBuffer *buffer = gst_buffer_new_allocate(NULL, len, NULL);
	GstMapInfo map;

	assert_true(gst_buffer_map(buffer, &map, GST_MAP_WRITE));
	draw(map.data, e->width, e->height, e->scene, e->pictures++);
	gst_buffer_unmap(buffer, &map);
	GST_BUFFER_PTS(buffer) = (GstClockTime)e->pictures * PICTURE_US * 1000;
	GST_BUFFER_DURATION(buffer) = PICTURE_US * 1000;
	return buffer;
}

static void add_packet(struct picture *picture, const uint8_t *data, size_t len)
{
	struct rtp rtp;

	assert_int_equal(rtp_parse(data, len, &rtp), 0);
	assert_true(picture->len < PICTURE_PACKETS_MAX && rtp.payload_len <= PICTURE_PAYLOAD_MAX);
	memcpy(picture->packet[picture->len].data, data + rtp.payload_offset, rtp.payload_len);
	picture->packet[picture->len++].len = rtp.payload_len;
}

static void next_av1(struct encoder *e, bool key, struct picture *ret_picture)
{
	AVFrame *frame = av_frame_alloc();
	AVPacket *packet = av_packet_alloc();

	assert_true(frame && packet);
	frame->width = (int)e->width;
	frame->height = (int)e->height;
	frame->format = AV_PIX_FMT_YUV420P;
	frame->pts = (int64_t)e->pictures * PICTURE_US;
	frame->pict_type = key ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
	assert_int_equal(av_frame_get_buffer(frame, 0), 0);
	draw_frame(e, frame);
	assert_int_equal(avcodec_send_frame(e->av, frame), 0);
	assert_int_equal(avcodec_receive_packet(e->av, packet), 0);
	assert_int_equal(!!(packet->flags & AV_PKT_FLAG_KEY), key);
	obu_pay(packet->data, (size_t)packet->size, key, ret_picture);
	av_frame_free(&frame);
	av_packet_free(&packet);
}

void encoder_next(struct encoder *e, bool key, struct picture *ret_picture)
{
	GstBuffer *out;

	ret_picture->len = 0;
	if (e->av) {
		next_av1(e, key, ret_picture);
		return;
	}
	if (key)
		gst_harness_push_upstream_event(
			e->harness, gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, TRUE, 0));
	assert_int_equal(gst_harness_push(e->harness, raw_picture(e)), GST_FLOW_OK);
	while ((out = gst_harness_try_pull(e->harness)) != NULL) {
		GstMapInfo map;
		assert_true(gst_buffer_map(out, &map, GST_MAP_READ));
		add_packet(ret_picture, map.data, map.size);
		gst_buffer_unmap(out, &map);
		gst_buffer_unref(out);
	}
	assert_true(ret_picture->len > 0);
}

/* ---- decoder ---- */

struct decoder {
	enum codec codec;
	GstHarness *depay; /* all but AV1 */
	struct obu_depay obus;
	AVCodecContext *av;
	AVPacket *packet;
	AVFrame *frame;
};

static const struct {
	const char *depay, *encoding, *out_caps, *av;
} decoders[CODEC_COUNT] = {
	[CODEC_VP8] = { "rtpvp8depay", "VP8", NULL, "vp8" },
	[CODEC_VP9] = { "rtpvp9depay", "VP9", NULL, "vp9" },
	[CODEC_H264] = { "rtph264depay", "H264", "video/x-h264,stream-format=byte-stream,alignment=au", "h264" },
	[CODEC_AV1] = { NULL, NULL, NULL, "libdav1d" },
};

struct decoder *decoder_new(enum codec codec)
{
	struct decoder *d = calloc(1, sizeof(*d));
	const AVCodec *av = avcodec_find_decoder_by_name(decoders[codec].av);
	char caps[200];

	assert_non_null(d);
	assert_non_null(av);
	d->codec = codec;
	d->av = avcodec_alloc_context3(av);
	d->packet = av_packet_alloc();
	d->frame = av_frame_alloc();
	assert_true(d->av && d->packet && d->frame);
	d->av->thread_count = 1;
	d->av->flags |= AV_CODEC_FLAG_LOW_DELAY;
	d->av->err_recognition = AV_EF_EXPLODE | AV_EF_CAREFUL | AV_EF_BITSTREAM | AV_EF_BUFFER | AV_EF_CRCCHECK;
	assert_int_equal(avcodec_open2(d->av, av, NULL), 0);
	if (!decoders[codec].depay)
		return d;
	d->depay = gst_harness_new_parse(decoders[codec].depay);
	assert_non_null(d->depay);
	if (decoders[codec].out_caps)
		gst_harness_set_sink_caps_str(d->depay, decoders[codec].out_caps);
	snprintf(caps, sizeof(caps), "application/x-rtp,media=video,clock-rate=90000,encoding-name=%s,payload=%d",
		 decoders[codec].encoding, PT);
	gst_harness_set_src_caps_str(d->depay, caps);
	return d;
}

struct decoder *decoder_free(struct decoder *d)
{
	if (!d)
		return NULL;
	if (d->depay)
		gst_harness_teardown(d->depay);
	obu_depay_fini(&d->obus);
	avcodec_free_context(&d->av);
	av_packet_free(&d->packet);
	av_frame_free(&d->frame);
	free(d);
	return NULL;
}

/* Through the depayloader; with the marker exactly one picture comes out. */
static void depay(struct decoder *d, uint16_t seq, uint32_t timestamp, bool marker, const uint8_t *payload, size_t len)
{
	uint8_t bytes[64 + PICTURE_PAYLOAD_MAX];
	struct rtp_writer w;
	GstBuffer *out;
	GstMapInfo map;

	rtp_begin(&w, bytes, sizeof(bytes), false);
	assert_int_equal(rtp_end(&w, PT, marker, seq, timestamp, 1), 0);
	assert_true(len <= sizeof(bytes) - w.len);
	memcpy(bytes + w.len, payload, len);
	assert_int_equal(gst_harness_push(d->depay, gst_buffer_new_memdup(bytes, w.len + len)), GST_FLOW_OK);
	out = gst_harness_try_pull(d->depay);
	assert_int_equal(out != NULL, marker);
	if (!out)
		return;
	assert_true(gst_buffer_map(out, &map, GST_MAP_READ));
	assert_int_equal(av_new_packet(d->packet, (int)map.size), 0);
	memcpy(d->packet->data, map.data, map.size);
	gst_buffer_unmap(out, &map);
	gst_buffer_unref(out);
	assert_null(gst_harness_try_pull(d->depay));
}

static void depay_av1(struct decoder *d, bool marker, const uint8_t *payload, size_t len)
{
	obu_depay(&d->obus, payload, len);
	if (!marker)
		return;
	assert_false(d->obus.goes_on);
	assert_int_equal(av_new_packet(d->packet, (int)d->obus.unit.len), 0);
	memcpy(d->packet->data, d->obus.unit.data, d->obus.unit.len);
	buf_clear(&d->obus.unit);
}

static uint64_t frame_hash(const AVFrame *f)
{
	uint64_t hash = hash_bytes(&(int[]){ f->width, f->height }, 2 * sizeof(int));

	for (int plane = 0; plane < 3; plane++) {
		int width = plane ? (f->width + 1) / 2 : f->width, height = plane ? (f->height + 1) / 2 : f->height;
		for (int row = 0; row < height; row++)
			hash = (hash ^
				hash_bytes(f->data[plane] + (ptrdiff_t)row * f->linesize[plane], (size_t)width)) *
			       UINT64_C(0x9e3779b97f4a7c15);
	}
	return hash;
}

bool decoder_packet(struct decoder *d, uint16_t seq, uint32_t timestamp, bool marker, const uint8_t *payload,
		    size_t len, uint64_t *ret_hash)
{
	if (d->depay)
		depay(d, seq, timestamp, marker, payload, len);
	else
		depay_av1(d, marker, payload, len);
	if (!marker)
		return false;
	complaint[0] = '\0';
	int sent = avcodec_send_packet(d->av, d->packet);
	av_packet_unref(d->packet);
	int got = sent < 0 ? sent : avcodec_receive_frame(d->av, d->frame);
	if (sent < 0 || got < 0 || complaint[0])
		fail_msg("the decoder (%s) says %d, %d: %s", d->av->codec->name, sent, got, complaint);
	assert_int_equal(d->frame->decode_error_flags, 0);
	assert_false(d->frame->flags & AV_FRAME_FLAG_CORRUPT);
	assert_int_equal(d->frame->format, AV_PIX_FMT_YUV420P);
	*ret_hash = frame_hash(d->frame);
	av_frame_unref(d->frame);
	assert_int_equal(avcodec_receive_frame(d->av, d->frame), AVERROR(EAGAIN));
	return true;
}
