#include "shm/msg.h"

#include <stdbool.h>
#include <string.h>

/* ---- parts ---- */

/* Ends a string in place. */
#define CUT(field) ((field)[sizeof(field) - 1] = 0)

static bool flag_valid(uint8_t flag)
{
	return flag <= 1;
}

static bool codec_valid(const struct session_codec *c)
{
	return c->codec > CODEC_NONE && c->codec < CODEC_COUNT && c->pt <= 127 && c->rtx_pt <= 127 && c->clock_rate > 0;
}

static bool mline_valid(struct session_mline *m)
{
	CUT(m->mid);
	if (m->media > MEDIA_VIDEO || m->track_kind >= TRACK_KIND_COUNT || !flag_valid(m->receives) ||
	    !flag_valid(m->sends) || !flag_valid(m->rejected))
		return false;
	if (m->codecs_len > SESSION_CODECS_MAX || m->layers_len > SESSION_LAYERS_MAX)
		return false;
	for (unsigned i = 0; i < SESSION_LAYERS_MAX; i++)
		CUT(m->layer[i].rid);
	for (unsigned i = 0; i < m->codecs_len; i++) {
		if (!codec_valid(&m->codec[i]))
			return false;
	}
	if (m->rejected)
		return true;
	return (m->codecs_len > 0 || !(m->receives || m->sends)) && (m->layers_len > 0 || !m->receives);
}

/* ---- one function per struct that has something to check beyond its length ---- */

static bool offer_valid(void *payload, size_t len)
{
	struct msg_offer *m = payload;

	(void)len;
	CUT(m->ufrag);
	CUT(m->pwd);
	return m->mlines_len <= SESSION_MLINES_MAX && flag_valid(m->paused);
}

static bool offer_mline_valid(void *payload, size_t len)
{
	struct msg_mline *m = payload;

	(void)len;
	return m->index < SESSION_MLINES_MAX && mline_valid(&m->mline);
}

static bool member_state_valid(void *payload, size_t len)
{
	const struct msg_member_state *m = payload;

	(void)len;
	return flag_valid(m->paused) && flag_valid(m->muted_audio) && flag_valid(m->muted_video);
}

static bool answer_valid(void *payload, size_t len)
{
	struct msg_answer *m = payload;

	(void)len;
	CUT(m->ufrag);
	CUT(m->pwd);
	CUT(m->cname);
	return true;
}

static bool candidate_valid(void *payload, size_t len)
{
	const struct msg_candidate *m = payload;

	(void)len;
	return m->address.family == 4 || m->address.family == 6;
}

static bool answer_seat_valid(void *payload, size_t len)
{
	const struct msg_answer_seat *m = payload;

	(void)len;
	return m->mline < SESSION_MLINES_MAX;
}

static bool error_valid(void *payload, size_t len)
{
	struct msg_error *m = payload;

	(void)len;
	CUT(m->text);
	return m->code <= MSG_ERR_BAD;
}

static bool transport_state_valid(void *payload, size_t len)
{
	const struct msg_transport_state *m = payload;

	(void)len;
	return m->state <= TRANSPORT_DISCONNECTED;
}

static bool seats_valid(void *payload, size_t len)
{
	struct msg_seats *m = payload;

	(void)len;
	if (m->total > SESSION_MLINES_MAX || m->count > MSG_SEATS_MAX || m->first + m->count > m->total)
		return false;
	for (unsigned i = 0; i < MSG_SEATS_MAX; i++) {
		struct msg_seat *s = &m->seat[i];
		CUT(s->mid);
		if (i < m->count && (s->track_kind >= TRACK_KIND_COUNT || s->state > SEAT_PAUSED))
			return false;
	}
	return true;
}

static bool track_valid(void *payload, size_t len)
{
	const struct msg_track *m = payload;

	(void)len;
	return m->track_kind < TRACK_KIND_COUNT && m->media <= MEDIA_VIDEO && m->codec < CODEC_COUNT &&
	       m->layers_len >= 1 && m->layers_len <= SESSION_LAYERS_MAX && flag_valid(m->muted) &&
	       flag_valid(m->paused) && m->pt <= 127 && m->clock_rate > 0 && flag_valid(m->layer[0].sent) &&
	       flag_valid(m->layer[1].sent) && flag_valid(m->layer[2].sent);
}

static bool subscribe_valid(void *payload, size_t len)
{
	const struct msg_subscribe *m = payload;

	(void)len;
	return m->layers > 0 && m->layers < 1u << SESSION_LAYERS_MAX && m->lower <= 1;
}

static bool keyframe_valid(void *payload, size_t len)
{
	const struct msg_keyframe *m = payload;

	(void)len;
	return m->layer < SESSION_LAYERS_MAX;
}

static bool nack_valid(void *payload, size_t len)
{
	const struct msg_nack *m = payload;

	(void)len;
	return m->layer < SESSION_LAYERS_MAX && m->count <= ARRAY_LEN(m->index);
}

static bool clock_valid(void *payload, size_t len)
{
	const struct msg_clock *m = payload;

	(void)len;
	return m->layer < SESSION_LAYERS_MAX;
}

static bool loss_valid(void *payload, size_t len)
{
	const struct msg_loss *m = payload;

	(void)len;
	return m->fraction_lost <= 255;
}

static bool view_valid(void *payload, size_t len)
{
	const struct msg_view *m = payload;

	(void)len;
	if (m->count > MSG_VIEW_MAX)
		return false;
	for (unsigned i = 0; i < m->count; i++) {
		if (m->item[i].kind >= TRACK_KIND_COUNT)
			return false;
	}
	return true;
}

static bool speaker_valid(void *payload, size_t len)
{
	const struct msg_speaker *m = payload;

	(void)len;
	return m->level <= 127 && m->count <= MSG_SPEAKER_MAX;
}

static bool quality_valid(void *payload, size_t len)
{
	const struct msg_quality *m = payload;

	(void)len;
	return m->loss_in <= 65536 && m->loss_out <= 65536;
}

static bool layers_valid(void *payload, size_t len)
{
	struct msg_layers *m = payload;

	(void)len;
	CUT(m->mid);
	for (unsigned i = 0; i < SESSION_LAYERS_MAX; i++) {
		CUT(m->layer[i].rid);
		if (!flag_valid(m->layer[i].active))
			return false;
	}
	return m->count <= SESSION_LAYERS_MAX;
}

static bool sound_valid(void *payload, size_t len)
{
	struct msg_sound *m = payload;

	(void)len;
	CUT(m->mid);
	return m->bps <= INT32_MAX;
}

static bool levels_valid(void *payload, size_t len)
{
	const struct msg_levels *m = payload;

	(void)len;
	if (m->count > MSG_LEVELS_MAX)
		return false;
	for (unsigned i = 0; i < m->count; i++) {
		if (m->item[i].loudness > 127)
			return false;
	}
	return true;
}

static bool event_valid(void *payload, size_t len)
{
	const struct msg_fragment *m = payload;
	size_t part = len - sizeof(*m);

	return part > 0 && m->total <= MSG_EVENT_MAX && m->offset < m->total && part <= m->total - m->offset;
}

/* ---- the table ---- */

struct kind {
	const char *name; /* NULL: there is no such message */
	uint16_t len;
	bool longer; /* bytes may follow the struct */
	bool (*valid)(void *payload, size_t len);
};

static const struct kind kinds[] = {
	[MSG_OFFER_BEGIN] = { .name = "offer_begin", .len = sizeof(struct msg_offer), .valid = offer_valid },
	[MSG_OFFER_MLINE] = { .name = "offer_mline", .len = sizeof(struct msg_mline), .valid = offer_mline_valid },
	[MSG_OFFER_END] = { .name = "offer_end" },
	[MSG_TRANSPORT_CLOSE] = { .name = "transport_close", .len = sizeof(struct msg_handle) },
	[MSG_CALL_CLOSE] = { .name = "call_close", .len = sizeof(struct msg_call) },
	[MSG_MEMBER_CLOSE] = { .name = "member_close", .len = sizeof(struct msg_member) },
	[MSG_MEMBER_STATE] = { .name = "member_state",
			       .len = sizeof(struct msg_member_state),
			       .valid = member_state_valid },
	[MSG_LIST] = { .name = "list" },
	[MSG_VIEW] = { .name = "view", .len = sizeof(struct msg_view), .valid = view_valid },
	[MSG_TRANSPORT_LEAVE] = { .name = "transport_leave", .len = sizeof(struct msg_leave) },
	[MSG_SEATS_ASK] = { .name = "seats_ask", .len = sizeof(struct msg_member) },
	[MSG_ANSWER_BEGIN] = { .name = "answer_begin", .len = sizeof(struct msg_answer), .valid = answer_valid },
	[MSG_ANSWER_CANDIDATE] = { .name = "answer_candidate",
				   .len = sizeof(struct msg_candidate),
				   .valid = candidate_valid },
	[MSG_ANSWER_SEAT] = { .name = "answer_seat",
			      .len = sizeof(struct msg_answer_seat),
			      .valid = answer_seat_valid },
	[MSG_ANSWER_END] = { .name = "answer_end" },
	[MSG_OK] = { .name = "ok" },
	[MSG_ERROR] = { .name = "error", .len = sizeof(struct msg_error), .valid = error_valid },
	[MSG_LIST_ITEM] = { .name = "list_item",
			    .len = sizeof(struct msg_transport_state),
			    .valid = transport_state_valid },
	[MSG_LIST_END] = { .name = "list_end" },
	[MSG_TRANSPORT_STATE] = { .name = "transport_state",
				  .len = sizeof(struct msg_transport_state),
				  .valid = transport_state_valid },
	[MSG_SEATS] = { .name = "seats", .len = sizeof(struct msg_seats), .valid = seats_valid },
	[MSG_MEDIA_LOST] = { .name = "media_lost",
			     .len = sizeof(struct msg_transport_state),
			     .valid = transport_state_valid },
	[MSG_CALL_HERE] = { .name = "call_here", .len = sizeof(struct msg_call) },
	[MSG_CALL_GONE] = { .name = "call_gone", .len = sizeof(struct msg_call) },
	[MSG_TRACK_ADD] = { .name = "track_add", .len = sizeof(struct msg_track), .valid = track_valid },
	[MSG_TRACK_REMOVE] = { .name = "track_remove", .len = sizeof(struct msg_handle) },
	[MSG_TRACK_SUBSCRIBE] = { .name = "track_subscribe",
				  .len = sizeof(struct msg_subscribe),
				  .valid = subscribe_valid },
	[MSG_TRACK_UNSUBSCRIBE] = { .name = "track_unsubscribe", .len = sizeof(struct msg_handle) },
	[MSG_TRACK_KEYFRAME] = { .name = "track_keyframe",
				 .len = sizeof(struct msg_keyframe),
				 .valid = keyframe_valid },
	[MSG_TRACK_NACK] = { .name = "track_nack", .len = sizeof(struct msg_nack), .valid = nack_valid },
	[MSG_TRACK_CLOCK] = { .name = "track_clock", .len = sizeof(struct msg_clock), .valid = clock_valid },
	[MSG_TRACK_LOSS] = { .name = "track_loss", .len = sizeof(struct msg_loss), .valid = loss_valid },
	[MSG_SPEAKER] = { .name = "speaker", .len = sizeof(struct msg_speaker), .valid = speaker_valid },
	[MSG_QUALITY] = { .name = "quality", .len = sizeof(struct msg_quality), .valid = quality_valid },
	[MSG_LAYERS] = { .name = "layers", .len = sizeof(struct msg_layers), .valid = layers_valid },
	[MSG_SOUND] = { .name = "sound", .len = sizeof(struct msg_sound), .valid = sound_valid },
	[MSG_TRACK_LEVELS] = { .name = "track_levels", .len = sizeof(struct msg_levels), .valid = levels_valid },
	[MSG_EVENT] = { .name = "event", .len = sizeof(struct msg_fragment), .longer = true, .valid = event_valid },
};

static const struct kind *kind_of(uint16_t type)
{
	return type < ARRAY_LEN(kinds) && kinds[type].name ? &kinds[type] : NULL;
}

int msg_check(const struct link_msg *msg, void *payload)
{
	const struct kind *kind = kind_of(msg->type);

	if (!kind || msg->len < kind->len || msg->len > LINK_PAYLOAD_MAX)
		return -EPROTO;
	if (msg->len > kind->len && !kind->longer)
		return -EPROTO;
	if (kind->valid && !kind->valid(payload, msg->len))
		return -EPROTO;
	return 0;
}

const char *msg_type_name(uint16_t type)
{
	const struct kind *kind = kind_of(type);

	return kind ? kind->name : "unknown";
}
