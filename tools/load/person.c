#include "tools/load/person.h"

#include "lib/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <yajl/yajl_tree.h>

#define RECONNECT_US (1 * USEC_PER_SEC)

const char *const person_event_name[PERSON_EVENTS] = {
	"hello",	 "presence",   "contact",	"call.ringing", "call.answered_elsewhere",
	"call.updated",	 "call.ended", "member.joined", "member.left",	"member.updated",
	"seats",	 "speaker",    "quality",	"layers",	"media.lost",
	"server.moving", "other",
};

enum event { HELLO, PRESENCE, SEATS = 10, LAYERS = 13, MEDIA_LOST = 14, SERVER_MOVING = 15, OTHER = PERSON_EVENTS - 1 };

static void connect_ws(struct person *p);
static void post_offer(struct person *p);

static void person_fail(struct person *p, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void person_fail(struct person *p, const char *fmt, ...)
{
	va_list args;

	if (p->state == PERSON_FAILED)
		return;
	va_start(args, fmt);
	vsnprintf(p->error, sizeof(p->error), fmt, args);
	va_end(args);
	p->state = PERSON_FAILED;
}

/* ---- requests ---- */

static void count(struct person *p, const struct api_answer *answer)
{
	p->traffic.requests++;
	p->traffic.http_sent += answer->sent;
	p->traffic.http_received += answer->received;
}

/* Counts the answer; false: it is not what was hoped for, and the person has failed. */
static bool good(struct person *p, const struct api_answer *answer, const char *what)
{
	count(p, answer);
	if (answer->status >= 200 && answer->status < 300)
		return true;
	if (answer->status == 0)
		person_fail(p, "%s: %s", what, answer->error);
	else
		person_fail(p, "%s: %d %.120s", what, answer->status, answer->body);
	return false;
}

static void ask(struct person *p, const char *method, const char *path, const char *body, api_done *done)
{
	if (api_request(p->people->api, *p->token ? p->token : NULL, method, path, NULL, body, done, p) < 0)
		person_fail(p, "%s %s: out of memory", method, path);
}

static const char *text_at(yajl_val tree, const char *a, const char *b)
{
	const char *path[] = { a, b, NULL };
	yajl_val v = tree ? yajl_tree_get(tree, path, yajl_t_string) : NULL;

	return v ? YAJL_GET_STRING(v) : NULL;
}

/* ---- account ---- */

static void on_session(const struct api_answer *answer, void *arg)
{
	struct person *p = arg;
	char error[200];

	if (!good(p, answer, "sign in"))
		return;
	yajl_val tree = yajl_tree_parse(answer->body, error, sizeof(error));
	const char *token = text_at(tree, "token", NULL);
	snprintf(p->token, sizeof(p->token), "%s", token ? token : "");
	yajl_tree_free(tree);
	if (!*p->token)
		person_fail(p, "sign in: no token in the answer");
	else
		connect_ws(p);
}

static void on_account(const struct api_answer *answer, void *arg)
{
	struct person *p = arg;
	char body[200];

	if (!good(p, answer, "sign up"))
		return;
	p->made = true;
	snprintf(body, sizeof(body), "{\"username\":\"%s\",\"password\":\"%s\"}", p->username, p->password);
	ask(p, "POST", "/sessions", body, on_session);
}

void person_start(struct person *p)
{
	uint8_t chance[16];
	char body[300];

	p->state = PERSON_SIGNING;
	if (*p->token) {
		connect_ws(p);
		return;
	}
	random_bytes(chance, sizeof(chance));
	hex_format(chance, sizeof(chance), p->password);
	snprintf(p->username, sizeof(p->username), "load.%08x.%u", p->people->run, p->index);
	snprintf(body, sizeof(body), "{\"username\":\"%s\",\"display_name\":\"Load %u\",\"password\":\"%s\"}",
		 p->username, p->index, p->password);
	ask(p, "POST", "/accounts", body, on_account);
}

static void on_deleted(const struct api_answer *answer, void *arg)
{
	struct person *p = arg;

	if (good(p, answer, "delete the account"))
		p->made = false;
}

void person_delete(struct person *p)
{
	char body[100];

	if (!p->made)
		return;
	snprintf(body, sizeof(body), "{\"password\":\"%s\"}", p->password);
	ask(p, "DELETE", "/me", body, on_deleted);
}

struct befriending {
	struct person *p, *other;
	void (*done)(struct person *p);
	bool accepting;
};

static void on_contact(const struct api_answer *answer, void *arg)
{
	struct befriending *b = arg;
	struct person *p = b->p, *who = b->accepting ? b->other : p;
	char path[64], id[ID_TEXT_LEN + 1];

	count(who, answer);
	if (answer->status != 200 && answer->status != 201) {
		person_fail(p, "contact: %d %.120s", answer->status, answer->status ? answer->body : answer->error);
		free(b);
	} else if (b->accepting) {
		b->done(p);
		free(b);
	} else {
		b->accepting = true;
		snprintf(path, sizeof(path), "/contacts/%s", id_format(&p->id, id));
		if (api_request(p->people->api, b->other->token, "PUT", path, NULL, NULL, on_contact, b) < 0)
			free(b);
	}
}

void person_befriend(struct person *p, struct person *other, void (*done)(struct person *p))
{
	struct befriending *b = malloc(sizeof(*b));
	char path[64], id[ID_TEXT_LEN + 1];

	snprintf(path, sizeof(path), "/contacts/%s", id_format(&other->id, id));
	if (b)
		*b = (struct befriending){ .p = p, .other = other, .done = done };
	if (!b || api_request(p->people->api, p->token, "PUT", path, NULL, NULL, on_contact, b) < 0) {
		free(b);
		person_fail(p, "contact: out of memory");
	}
}

/* ---- WebSocket ---- */

static void on_hello(struct person *p, yajl_val event)
{
	const char *id = text_at(event, "me", "id");

	if (!id || id_parse(id, strlen(id), &p->id) < 0)
		person_fail(p, "hello does not say who we are");
	else if (p->state == PERSON_SIGNING)
		p->state = PERSON_READY;
}

static void on_seats(struct person *p, yajl_val event)
{
	const char *path[] = { "seats", NULL };
	yajl_val seats = yajl_tree_get(event, path, yajl_t_array);
	bool changed = false;

	for (size_t i = 0; seats && p->receiver && i < YAJL_GET_ARRAY(seats)->len; i++) {
		yajl_val seat = YAJL_GET_ARRAY(seats)->values[i];
		const char *mid = text_at(seat, "mid", NULL), *member = text_at(seat, "member", NULL),
			   *state = text_at(seat, "state", NULL);
		struct id id;
		bool there = member && id_parse(member, strlen(member), &id) == 0;
		if (mid && state)
			changed |= receiver_seat_set(p->receiver, mid, there ? &id : NULL, strcmp(state, "live") == 0);
	}
	p->view_due |= changed;
}

static void on_layers(struct person *p, yajl_val event)
{
	const char *path[] = { "layers", NULL }, *active_path[] = { "active", NULL };
	yajl_val layers = yajl_tree_get(event, path, yajl_t_array);

	for (size_t i = 0; layers && p->publisher && i < YAJL_GET_ARRAY(layers)->len; i++) {
		yajl_val layer = YAJL_GET_ARRAY(layers)->values[i];
		const char *rid = text_at(layer, "rid", NULL);
		yajl_val active = yajl_tree_get(layer, active_path, yajl_t_any);
		if (rid)
			publisher_layer_set(p->publisher, rid, YAJL_IS_TRUE(active));
	}
}

static void media_drop(struct person *p)
{
	p->received_before = person_received(p);
	p->sent_before = person_sent(p);
	p->publisher = publisher_free(p->publisher);
	p->receiver = receiver_free(p->receiver);
	p->peer = peer_free(p->peer);
	free(p->answer);
	p->answer = NULL;
	p->peer_gone = false;
}

static void offer_anew(struct person *p)
{
	media_drop(p);
	p->offer_again = false;
	p->state = PERSON_JOINING;
	post_offer(p);
}

static void on_media_lost(struct person *p)
{
	if (p->state != PERSON_CONNECTED && p->state != PERSON_JOINING)
		return;
	p->people->media_lost++;
	p->offer_again = !p->answer;
	if (!p->offer_again)
		offer_anew(p);
}

static enum event event_find(const char *type)
{
	unsigned i = 0;

	while (i < OTHER && (!type || strcmp(type, person_event_name[i]) != 0))
		i++;
	return (enum event)i;
}

static void on_ws_text(struct ws *ws, const char *text, size_t len, size_t frame_bytes, void *arg)
{
	struct person *p = arg;
	char error[200];
	yajl_val event = yajl_tree_parse(text, error, sizeof(error));
	enum event type = event_find(text_at(event, "type", NULL));

	(void)ws;
	(void)len;
	p->traffic.event[type].count++;
	p->traffic.event[type].bytes += frame_bytes;
	p->traffic.ws_received += frame_bytes;
	if (type == HELLO)
		on_hello(p, event);
	else if (type == SEATS)
		on_seats(p, event);
	else if (type == LAYERS)
		on_layers(p, event);
	else if (type == MEDIA_LOST)
		on_media_lost(p);
	yajl_tree_free(event);
}

static void on_reconnect(struct loop_timer *timer, int64_t now_us, void *arg)
{
	(void)timer;
	(void)now_us;
	connect_ws(arg);
}

static void on_ws_close(struct ws *ws, void *arg)
{
	struct person *p = arg;

	p->people->ws_lost++;
	p->traffic.ws_opening += ws_bytes(ws)->handshake;
	p->traffic.ws_sent += ws_bytes(ws)->sent;
	if (p->state == PERSON_SIGNING) {
		person_fail(p, "WebSocket: %s", ws_error(ws));
		return;
	}
	ws_free(p->ws_old);
	p->ws_old = ws;
	p->ws = NULL;
	loop_timer_start(p->people->loop, &p->reconnect, clock_now_us() + RECONNECT_US, on_reconnect, p);
}

static void connect_ws(struct person *p)
{
	static const struct ws_ops ops = { .on_text = on_ws_text, .on_close = on_ws_close };
	struct ws_config config = p->people->ws;

	config.token = p->token;
	config.ops = &ops;
	config.arg = p;
	int err = ws_new(&config, &p->ws);
	if (err < 0)
		person_fail(p, "WebSocket: %s", strerror(-err));
}

static void send_view(struct person *p, struct receiver *receiver)
{
	struct id member[PERSON_TILES_TOLD];
	struct buf json = { 0 };
	char id[ID_TEXT_LEN + 1];
	unsigned n = receiver_shown(receiver, member, PERSON_TILES_TOLD);

	p->view_due = false;
	buf_appendf(&json, "{\"type\":\"view\",\"call_id\":\"%s\",\"view\":[", p->call);
	for (unsigned i = 0; i < n; i++)
		buf_appendf(&json, "%s{\"member\":\"%s\",\"kind\":\"camera\",\"height\":%u}", i ? "," : "",
			    id_format(&member[i], id), p->people->tile_height);
	buf_append_str(&json, "]}");
	if (p->ws && !json.failed)
		(void)ws_send(p->ws, (const char *)json.data, json.len);
	buf_fini(&json);
}

/* ---- media ---- */

static void send_rtp(void *arg, const uint8_t *packet, size_t len)
{
	(void)peer_send_rtp(((struct person *)arg)->peer, packet, len);
}

static void send_rtcp(void *arg, const uint8_t *packet, size_t len)
{
	(void)peer_send_rtcp(((struct person *)arg)->peer, packet, len);
}

static void on_keyframe(void *arg, uint32_t publisher, int64_t now_us)
{
	struct person *p = arg;

	if (p->picture_us == 0)
		p->picture_us = now_us;
	p->people->ops->on_keyframe(p, publisher, now_us);
}

static const struct id *person_of(void *arg, uint32_t publisher)
{
	const struct people *people = ((struct person *)arg)->people;

	return publisher < people->len ? &people->person[publisher].id : NULL;
}

static void on_rtp(struct peer *peer, unsigned socket, const uint8_t *packet, size_t len, void *arg)
{
	struct person *p = arg;
	uint8_t copy[PEER_DATAGRAM_MAX];

	(void)peer;
	(void)socket;
	if (!p->receiver)
		return;
	memcpy(copy, packet, len);
	receiver_on_rtp(p->receiver, copy, len, clock_now_us());
}

static void on_rtcp(struct peer *peer, unsigned socket, const uint8_t *data, size_t len, void *arg)
{
	struct person *p = arg;
	struct rtcp_packet packet;
	int64_t now_us = clock_now_us();

	(void)peer;
	(void)socket;
	if (rtcp_check(data, len) < 0)
		return;
	while (rtcp_next(&data, &len, &packet) == 0) {
		if (p->receiver)
			receiver_on_rtcp(p->receiver, &packet, now_us);
		if (p->publisher)
			publisher_on_rtcp(p->publisher, &packet, now_us);
	}
}

static void on_connected(struct person *p)
{
	int64_t now_us = clock_now_us();
	const struct publisher_config config = {
		.run = p->people->run,
		.index = p->index,
		.fps = p->people->fps,
		.height = p->people->height,
		.bitrate = p->people->bitrate,
		.layers = p->people->layers,
		.audio = p->people->audio,
		.video = p->people->video,
		.answer = p->answer,
		.send = send_rtp,
		.send_rtcp = send_rtcp,
		.arg = p,
	};

	p->state = PERSON_CONNECTED;
	if (p->connected_us == 0)
		p->connected_us = now_us;
	if (!p->publishes)
		return;
	if (publisher_new(&config, now_us, &p->publisher) < 0)
		person_fail(p, "media: out of memory");
	else
		publisher_speak(p->publisher, p->speaks, now_us);
}

static void on_peer_state(struct peer *peer, enum peer_state state, void *arg)
{
	struct person *p = arg;

	if (state == PEER_CONNECTED)
		on_connected(p);
	else if (state == PEER_FAILED)
		person_fail(p, "media: %s", peer_error(peer));
	else if (state == PEER_CLOSED)
		p->peer_gone = true;
}

static void on_answer(const struct api_answer *answer, void *arg)
{
	static const struct receiver_ops ops = { .on_keyframe = on_keyframe,
						 .send_rtcp = send_rtcp,
						 .person = person_of };
	struct person *p = arg;

	if (!good(p, answer, "media"))
		return;
	p->answer_bytes = (unsigned)answer->len;
	if (p->offer_again) {
		offer_anew(p);
		return;
	}
	p->answer = calloc(1, sizeof(*p->answer));
	if (!p->answer || sdp_answer_read(answer->body, p->answer) < 0) {
		person_fail(p, "media: an answer that no media can follow from");
		return;
	}
	const struct receiver_config config = {
		.run = p->people->run,
		.answer = p->answer,
		.ops = &ops,
		.arg = p,
		.delay = p->people->delay,
	};
	struct peer_remote remote = { .ufrag = p->answer->ufrag, .pwd = p->answer->pwd };
	memcpy(remote.fingerprint, p->answer->fingerprint, sizeof(remote.fingerprint));
	remote.address = p->answer->address;
	remote.address_len = p->answer->address_len;
	int err = receiver_new(&config, clock_now_us(), &p->receiver);
	if (err == 0)
		err = peer_connect(p->peer, &remote);
	if (err < 0)
		person_fail(p, "media: %s", strerror(-err));
}

static void post_offer(struct person *p)
{
	static const struct peer_ops ops = { .on_state = on_peer_state, .on_rtp = on_rtp, .on_rtcp = on_rtcp };
	const struct peer_config config = { .loop = p->people->loop, .ops = &ops, .arg = p, .gro = true };
	struct buf offer = { 0 };
	char path[100];

	int err = peer_new(&config, &p->peer);
	if (err < 0) {
		person_fail(p, "media: %s", strerror(-err));
		return;
	}
	const struct sdp_identity own = { peer_ufrag(p->peer), peer_pwd(p->peer), peer_fingerprint() };
	sdp_offer_write(&offer, &own, p->people->tiles, p->publishes);
	buf_append(&offer, "", 1);
	snprintf(path, sizeof(path), "/calls/%s/media", p->call);
	p->exchanges++;
	p->offer_bytes = (unsigned)offer.len - 1;
	if (offer.failed || api_request(p->people->api, p->token, "POST", path, "application/sdp",
					(const char *)offer.data, on_answer, p) < 0)
		person_fail(p, "media: out of memory");
	buf_fini(&offer);
}

/* ---- the call ---- */

static void on_joined(const struct api_answer *answer, void *arg)
{
	struct person *p = arg;

	if (good(p, answer, p->hosts ? "call" : "answer"))
		post_offer(p);
}

static void join_begin(struct person *p, const char *call)
{
	memcpy(p->call, call, sizeof(p->call));
	p->state = PERSON_JOINING;
	p->join_us = clock_now_us();
}

void person_call(struct person *p, const struct person *invited, unsigned len)
{
	struct buf json = { 0 };
	struct id id = id_random();
	char text[ID_TEXT_LEN + 1];

	p->hosts = true;
	join_begin(p, id_format(&id, text));
	buf_appendf(&json, "{\"id\":\"%s\",\"video\":true,\"invite\":[", text);
	for (unsigned i = 0; i < len; i++)
		buf_appendf(&json, "%s\"%s\"", i ? "," : "", id_format(&invited[i].id, text));
	buf_append(&json, "]}", 3);
	if (json.failed)
		person_fail(p, "call: out of memory");
	else
		ask(p, "POST", "/calls", (const char *)json.data, on_joined);
	buf_fini(&json);
}

void person_join(struct person *p, const char *call)
{
	char path[64];

	join_begin(p, call);
	snprintf(path, sizeof(path), "/calls/%s/answer", p->call);
	ask(p, "POST", path, NULL, on_joined);
}

static void on_ended(const struct api_answer *answer, void *arg)
{
	(void)good(arg, answer, "end the call");
}

void person_end_call(struct person *p)
{
	char path[64];

	snprintf(path, sizeof(path), "/calls/%s/end", p->call);
	ask(p, "POST", path, NULL, on_ended);
}

void person_speak(struct person *p, bool speaks)
{
	p->speaks = speaks;
	if (p->publisher)
		publisher_speak(p->publisher, speaks, clock_now_us());
}

void person_tick(struct person *p, int64_t now_us)
{
	p->ws_old = ws_free(p->ws_old);
	if (p->state != PERSON_CONNECTED || p->peer_gone)
		return;
	if (p->publisher)
		publisher_tick(p->publisher, now_us);
	receiver_tick(p->receiver, now_us);
	if (p->view_due)
		send_view(p, p->receiver);
}

void person_stop_sending(struct person *p)
{
	if (p->publisher)
		publisher_stop(p->publisher);
}

/* ---- figures ---- */

struct traffic person_traffic(const struct person *p)
{
	struct traffic sum = p->traffic;

	if (p->ws) {
		sum.ws_sent += ws_bytes(p->ws)->sent;
		sum.ws_opening += ws_bytes(p->ws)->handshake;
	}
	return sum;
}

struct receiver_counts person_received(const struct person *p)
{
	struct receiver_counts sum = p->received_before;
	const uint64_t *add = NULL;
	struct receiver_counts now;

	if (!p->receiver)
		return sum;
	now = receiver_counts(p->receiver);
	now.replayed = peer_replayed(p->peer);
	add = (const uint64_t *)&now;
	for (size_t i = 0; i < sizeof(sum) / sizeof(uint64_t); i++)
		((uint64_t *)&sum)[i] += add[i];
	return sum;
}

struct publisher_counts person_sent(const struct person *p)
{
	struct publisher_counts sum = p->sent_before;
	const uint64_t *add;

	if (!p->publisher)
		return sum;
	add = (const uint64_t *)publisher_counts(p->publisher);
	for (size_t i = 0; i < sizeof(sum) / sizeof(uint64_t); i++)
		((uint64_t *)&sum)[i] += add[i];
	return sum;
}

void person_fini(struct person *p)
{
	loop_timer_stop(&p->reconnect);
	if (p->peer)
		media_drop(p);
	p->ws = ws_free(p->ws);
	p->ws_old = ws_free(p->ws_old);
}
