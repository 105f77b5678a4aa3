#include "workers/media_events.h"

#include "lib/log.h"
#include "workers/answer.h"
#include "workers/events.h"
#include "workers/json.h"
#include "workers/sdp.h"
#include "workers/worker.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* The list that a mediad is in the middle of telling. */
struct seat_list {
	uint64_t transport;
	uint32_t version;
	uint16_t len, total; /* total 0: none */
	struct msg_seat seat[SESSION_MLINES_MAX];
};

struct media_events {
	struct worker *worker;
	struct seat_list *list[SHM_PROCESSES_MAX]; /* per mediad, made at first use */
};

static void on_state_stored(const struct db_result *result, void *arg)
{
	struct worker *worker = arg;
	static int64_t gate;

	if (result->error != DB_OK) {
		if (log_every(&gate, clock_now_us(), USEC_PER_SEC))
			log_warn("media_events: a transport's state was not stored (%s); the reconciler will see to it",
				 result->error == DB_ERROR ? result->sqlstate : "connection lost");
		return;
	}
	answer_tell(worker, result);
}

static void store_state(struct media_events *events, const struct msg_transport_state *m, const char *state)
{
	char call[ID_TEXT_LEN + 1], member[ID_TEXT_LEN + 1], sign_in[ID_TEXT_LEN + 1], made[24];
	const char *params[] = { id_format(&m->call, call), id_format(&m->member, member),
				 id_format(&m->sign_in, sign_in), state, made };

	snprintf(made, sizeof(made), "%" PRId64, m->made_us);

	db_exec(events->worker->db, "media_state", DB_IDEMPOTENT, params, ARRAY_LEN(params), on_state_stored,
		events->worker);
}

void media_events_on_state(struct media_events *events, const struct msg_transport_state *m)
{
	switch (m->state) {
	case TRANSPORT_CONNECTED:
		store_state(events, m, "connected");
		break;
	case TRANSPORT_DISCONNECTED:
		store_state(events, m, "disconnected");
		break;
	case TRANSPORT_FREE:
		store_state(events, m, "closed");
		break;
	default: /* NEW, HANDSHAKE: nothing that people see */
		break;
	}
}

static void send_to_member(struct media_events *events, const struct id *member, const struct buf *json)
{
	if (!json->failed)
		events_send(events->worker->events, member, 1, (const char *)json->data, json->len);
}

static void send_seats(struct media_events *events, const struct msg_seats *m, const struct seat_list *list)
{
	static const char *const state_name[] = {
		[SEAT_EMPTY] = "waiting", [SEAT_WAITING] = "waiting", [SEAT_LIVE] = "live",
		[SEAT_WEAK] = "weak",	  [SEAT_PAUSED] = "paused",
	};
	struct buf json = { 0 };
	struct json_out o;

	json_out_init(&o, &json);
	json_out_object(&o, NULL);
	json_out_string(&o, "type", "seats");
	json_out_id(&o, "call_id", &m->call);
	json_out_array(&o, "seats");
	for (uint16_t i = 0; i < list->len; i++) {
		const struct msg_seat *s = &list->seat[i];
		bool empty = id_is_none(&s->member) || s->state == SEAT_EMPTY;

		json_out_object(&o, NULL);
		json_out_string(&o, "mid", s->mid);
		if (empty)
			json_out_null(&o, "member");
		else
			json_out_id(&o, "member", &s->member);
		json_out_string(&o, "kind", sdp_track_kind_name(s->track_kind));
		json_out_string(&o, "state", s->state < ARRAY_LEN(state_name) ? state_name[s->state] : "waiting");
		json_out_object_end(&o);
	}
	json_out_array_end(&o);
	json_out_object_end(&o);
	send_to_member(events, &m->member, &json);
	buf_fini(&json);
}

void media_events_on_seats(struct media_events *events, unsigned mediad, const struct msg_seats *m)
{
	struct seat_list *list = events->list[mediad];

	if (!list)
		list = events->list[mediad] = calloc(1, sizeof(*list));
	if (!list)
		return;
	if (m->first == 0) {
		list->transport = m->transport;
		list->version = m->version;
		list->len = 0;
		list->total = m->total;
	}
	if (list->transport != m->transport || list->version != m->version || list->total != m->total ||
	    list->len != m->first || m->count > MSG_SEATS_MAX || m->first + m->count > m->total ||
	    m->total > SESSION_MLINES_MAX) {
		list->total = list->len = 0;
		list->transport = 0;
		return;
	}
	memcpy(&list->seat[list->len], m->seat, m->count * sizeof(m->seat[0]));
	list->len += m->count;
	if (list->len == list->total) {
		send_seats(events, m, list);
		list->transport = 0;
	}
}

void media_events_on_speaker(struct media_events *events, const struct msg_speaker *m)
{
	struct buf json = { 0 };
	struct json_out o;

	json_out_init(&o, &json);
	json_out_object(&o, NULL);
	json_out_string(&o, "type", "speaker");
	json_out_id(&o, "call_id", &m->call);
	if (id_is_none(&m->speaker)) {
		json_out_null(&o, "member");
	} else {
		json_out_id(&o, "member", &m->speaker);
		json_out_int(&o, "level", -(int64_t)m->level);
	}
	json_out_object_end(&o);
	if (!json.failed && m->count > 0)
		events_send(events->worker->events, m->listener, m->count, (const char *)json.data, json.len);
	buf_fini(&json);
}

/* Three digits behind the point are enough for a share. */
static void write_share(struct json_out *o, const char *key, uint32_t of_65536)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%.3f", of_65536 / 65536.0);

	json_out_raw(o, key, text, (size_t)n);
}

void media_events_on_quality(struct media_events *events, unsigned mediad, const struct msg_quality *m)
{
	struct buf json = { 0 };
	struct json_out o;

	json_out_init(&o, &json);
	json_out_object(&o, NULL);
	json_out_string(&o, "type", "quality");
	json_out_id(&o, "call_id", &m->call);
	json_out_object(&o, "quality");
	json_out_int(&o, "mediad", mediad);
	write_share(&o, "loss", MAX(m->loss_in, m->loss_out));
	write_share(&o, "loss_in", m->loss_in);
	write_share(&o, "loss_out", m->loss_out);
	if (m->rtt_us)
		json_out_int(&o, "rtt_ms", (m->rtt_us + 500) / 1000);
	else
		json_out_null(&o, "rtt_ms");
	json_out_int(&o, "bitrate_in", (int64_t)MIN(m->bps_in, (uint64_t)INT64_MAX));
	json_out_int(&o, "bitrate_out", (int64_t)MIN(m->bps_out, (uint64_t)INT64_MAX));
	if (m->bps_room)
		json_out_int(&o, "estimate_in", (int64_t)MIN(m->bps_room, (uint64_t)INT64_MAX));
	else
		json_out_null(&o, "estimate_in");
	json_out_object_end(&o);
	json_out_object_end(&o);
	send_to_member(events, &m->member, &json);
	buf_fini(&json);
}

void media_events_on_layers(struct media_events *events, const struct msg_layers *m)
{
	struct buf json = { 0 };
	struct json_out o;

	json_out_init(&o, &json);
	json_out_object(&o, NULL);
	json_out_string(&o, "type", "layers");
	json_out_id(&o, "call_id", &m->call);
	json_out_string(&o, "mid", m->mid);
	json_out_array(&o, "layers");
	for (unsigned i = 0; i < MIN(m->count, SESSION_LAYERS_MAX); i++) {
		json_out_object(&o, NULL);
		json_out_string(&o, "rid", m->layer[i].rid);
		json_out_bool(&o, "active", m->layer[i].active);
		json_out_object_end(&o);
	}
	json_out_array_end(&o);
	json_out_object_end(&o);
	send_to_member(events, &m->member, &json);
	buf_fini(&json);
}

void media_events_on_sound(struct media_events *events, const struct msg_sound *m)
{
	struct buf json = { 0 };
	struct json_out o;

	json_out_init(&o, &json);
	json_out_object(&o, NULL);
	json_out_string(&o, "type", "sound");
	json_out_id(&o, "call_id", &m->call);
	json_out_string(&o, "mid", m->mid);
	if (m->bps)
		json_out_int(&o, "bitrate", m->bps);
	else
		json_out_null(&o, "bitrate");
	json_out_object_end(&o);
	send_to_member(events, &m->member, &json);
	buf_fini(&json);
}

void media_events_on_lost(struct media_events *events, const struct msg_transport_state *m)
{
	struct buf json = { 0 };
	struct json_out o;

	/* If the page does not come back, the reconnect grace decides. */
	store_state(events, m, "disconnected");
	json_out_init(&o, &json);
	json_out_object(&o, NULL);
	json_out_string(&o, "type", "media.lost");
	json_out_id(&o, "call_id", &m->call);
	json_out_string(&o, "action", "rejoin");
	json_out_object_end(&o);
	send_to_member(events, &m->member, &json);
	buf_fini(&json);
}

int media_events_start(struct worker *worker, struct media_events **ret_events)
{
	struct media_events *events = calloc(1, sizeof(*events));

	if (!events)
		return -ENOMEM;
	events->worker = worker;
	*ret_events = events;
	return 0;
}

struct media_events *media_events_stop(struct media_events *events)
{
	if (!events)
		return NULL;
	for (size_t k = 0; k < ARRAY_LEN(events->list); k++)
		free(events->list[k]);
	free(events);
	return NULL;
}
