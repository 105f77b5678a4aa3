/* links: workers */
/* The worker's side of the talk with the mediads. Links, database and events are made up here: what is sent
 * is kept in lists, and the test answers as a mediad would. */
#include "workers/media_link.h"

#include "workers/answer.h"
#include "workers/events.h"
#include "workers/media_place.h"
#include "workers/peers.h"
#include "workers/reconciler.h"
#include "workers/worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MEDIADS 2

struct sent {
	unsigned mediad;
	uint16_t type;
	uint64_t corr;
	size_t len;
	uint8_t payload[LINK_PAYLOAD_MAX];
};

static struct sent sent[256];
static size_t sent_len;
static uint32_t room[MEDIADS];
static uint64_t next_corr;
static char event_text[8192];
static unsigned events;
static struct id event_to;
static size_t event_users;
static char statement[32], param[5][4096];
static db_callback *statement_callback;
static void *statement_arg;
static unsigned statements;
static bool db_up;
static const char *orphan; /* what media_reconcile answers */

/* --- fakes ---------------------------------------------------------------------------------------------- */

int peers_to_mediad(struct peers *peers, unsigned k, uint16_t type, uint64_t corr, const void *payload, size_t len)
{
	(void)peers;
	assert_true(k < MEDIADS && len <= LINK_PAYLOAD_MAX && sent_len < ARRAY_LEN(sent));
	if (room[k] == 0)
		return -EAGAIN;
	room[k]--;
	struct sent *s = &sent[sent_len++];
	*s = (struct sent){ .mediad = k, .type = type, .corr = corr, .len = len };
	if (len)
		memcpy(s->payload, payload, len);
	struct link_msg head = { .type = type, .len = (uint16_t)len };
	assert_int_equal(msg_check(&head, s->payload), 0);
	return 0;
}

uint32_t peers_mediad_room(struct peers *peers, unsigned k)
{
	(void)peers;
	return room[k];
}

uint64_t peers_corr(struct peers *peers)
{
	(void)peers;
	return (uint64_t)3 << 32 | ++next_corr;
}

void events_send(struct events *e, const struct id *user_ids, size_t users_len, const char *json, size_t len)
{
	(void)e;
	event_users = users_len;
	assert_true(len < sizeof(event_text));
	event_to = user_ids[0];
	memcpy(event_text, json, len);
	event_text[len] = '\0';
	events++;
}

int db_exec(struct db *db, const char *name, unsigned flags, const char *const *params, size_t params_len,
	    db_callback *callback, void *arg)
{
	(void)db;
	(void)flags;
	snprintf(statement, sizeof(statement), "%s", name);
	for (size_t i = 0; i < params_len; i++)
		snprintf(param[i], sizeof(param[i]), "%s", params[i]);
	statements++;
	if (strcmp(name, "media_reconcile") == 0 && orphan) {
		const struct db_result result = { .error = DB_OK, .rows = 1 };
		callback(&result, arg);
	}
	statement_callback = callback;
	statement_arg = arg;
	return 0;
}

bool db_is_up(const struct db *db)
{
	(void)db;
	return db_up;
}

const char *db_text(const struct db_result *result, int row, const char *column)
{
	(void)result;
	(void)row;
	return strcmp(column, "media") == 0 ? orphan : NULL;
}

void answer_tell(struct worker *worker, const struct db_result *result)
{
	(void)worker;
	(void)result;
}

/* --- fixture -------------------------------------------------------------------------------------------- */

static struct worker worker;
static struct stats_region *stats;
static const struct id call = { { 1, 2, 3 } }, member = { { 4, 5, 6 } }, sign_in = { { 7 } };

static int setup(void **state)
{
	(void)state;
	memset(&worker, 0, sizeof(worker));
	stats = calloc(1, sizeof(*stats) + SHM_LINE);
	worker.mediads = MEDIADS;
	worker.workers = 1;
	worker.stats.shm = stats;
	worker.counters = &stats->worker[0];
	worker.conf.media.max_transports = 10;
	worker.conf.media.placement = CONF_PLACEMENT_SPREAD;
	for (unsigned k = 0; k < MEDIADS; k++) {
		stat_set(&stats->mediad[k].process.state, PROCESS_READY);
		room[k] = 100;
	}
	sent_len = events = statements = 0;
	orphan = NULL;
	db_up = false;
	assert_int_equal(loop_new(&worker.loop), 0);
	assert_int_equal(media_link_start(&worker, &worker.media), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	worker.media = media_link_stop(worker.media);
	worker.loop = loop_free(worker.loop);
	free(stats);
	return 0;
}

static void say(unsigned mediad, uint16_t type, uint64_t corr, const void *payload, size_t len)
{
	struct link_msg head = { .type = type, .len = (uint16_t)len, .corr = corr };
	uint8_t copy[LINK_PAYLOAD_MAX] = { 0 };

	if (len)
		memcpy(copy, payload, len);
	media_link_on_msg(worker.media, mediad, &head, copy);
}

/* --- questions ------------------------------------------------------------------------------------------ */

static int answered;
static int answer_error;
static struct media_answer answer;

static void on_answer(int error, const struct media_answer *a, void *arg)
{
	assert_ptr_equal(arg, &answered);
	answered++;
	answer_error = error;
	if (!error)
		answer = *a;
}

static int ask(unsigned mediad, uint64_t transport)
{
	struct msg_offer offer = { .call = call, .member = member, .sign_in = sign_in, .transport = transport };
	struct session_mline mlines[2] = { { .rejected = 1 }, { .rejected = 1 } };

	offer.mlines_len = 2;
	answered = 0;
	return media_link_offer(worker.media, mediad, &offer, mlines, on_answer, &answered);
}

static void answer_begin(unsigned mediad, uint64_t corr)
{
	struct msg_answer a = { .transport = 77, .ufrag = "uf", .pwd = "pw", .cname = "cn" };
	struct msg_candidate c = { .address = { .family = 4, .port = 40000, .ip = { 127, 0, 0, 1 } } };
	struct msg_answer_seat s = { .mline = 1, .ssrc = 5, .rtx_ssrc = 6 };

	say(mediad, MSG_ANSWER_BEGIN, corr, &a, sizeof(a));
	say(mediad, MSG_ANSWER_CANDIDATE, corr, &c, sizeof(c));
	say(mediad, MSG_ANSWER_SEAT, corr, &s, sizeof(s));
}

static void test_offer_answered(void **state)
{
	(void)state;
	assert_int_equal(ask(1, 0), 0);
	assert_int_equal(sent_len, 4);
	assert_int_equal(sent[0].type, MSG_OFFER_BEGIN);
	assert_int_equal(sent[2].type, MSG_OFFER_MLINE);
	assert_int_equal(((struct msg_mline *)sent[2].payload)->index, 1);
	assert_int_equal(sent[3].type, MSG_OFFER_END);
	assert_true(sent[0].mediad == 1 && sent[0].corr == sent[3].corr);
	/* The right number from the wrong mediad, and a number that nobody asked with. */
	answer_begin(0, sent[0].corr);
	say(0, MSG_ANSWER_END, sent[0].corr, NULL, 0);
	say(1, MSG_ANSWER_END, sent[0].corr + 1, NULL, 0);
	assert_int_equal(answered, 0);
	answer_begin(1, sent[0].corr);
	assert_int_equal(answered, 0);
	say(1, MSG_ANSWER_END, sent[0].corr, NULL, 0);
	assert_int_equal(answered, 1);
	assert_int_equal(answer_error, 0);
	assert_int_equal(answer.mediad, 1);
	assert_int_equal(answer.handle, 77);
	assert_int_equal(answer.candidates_len, 1);
	assert_int_equal(answer.seats_len, 1);
	say(1, MSG_ANSWER_END, sent[0].corr, NULL, 0); /* once more: nobody listens */
	assert_int_equal(answered, 1);
}

static void test_offer_refused(void **state)
{
	const struct {
		uint32_t code;
		int error;
	} cases[] = { { MSG_ERR_FULL, -ENOSPC }, { MSG_ERR_GONE, -ENOENT }, { MSG_ERR_BAD, -EBADMSG } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct msg_error e = { .code = cases[i].code, .text = "because" };
		sent_len = 0;
		assert_int_equal(ask(0, 5), 0);
		say(0, MSG_ERROR, sent[0].corr, &e, sizeof(e));
		assert_int_equal(answered, 1);
		assert_int_equal(answer_error, cases[i].error);
	}
}

static void test_offer_all_or_nothing(void **state)
{
	(void)state;
	room[0] = 3; /* four are needed */
	assert_int_equal(ask(0, 0), -EAGAIN);
	assert_int_equal(sent_len, 0);
	assert_int_equal(ask(MEDIADS, 0), -ENODEV);
	assert_int_equal(answered, 0);
}

static void test_answer_that_is_nonsense(void **state)
{
	struct msg_answer a = { .transport = 77, .ufrag = "u\r\na=x", .pwd = "pw", .cname = "cn" };

	(void)state;
	assert_int_equal(ask(0, 0), 0);
	say(0, MSG_ANSWER_BEGIN, sent[0].corr, &a, sizeof(a) - 1); /* malformed: counted */
	assert_int_equal(stat_get(&worker.counters->link_nonsense), 1);
	say(0, MSG_ANSWER_BEGIN, sent[0].corr, &a, sizeof(a));
	say(0, MSG_ANSWER_END, sent[0].corr, NULL, 0);
	assert_int_equal(answered, 1);
	assert_int_equal(answer_error, -EBADMSG);
}

static void test_late_answer_is_closed(void **state)
{
	(void)state;
	assert_int_equal(ask(0, 0), 0);
	assert_int_equal(ask(0, 0), 0);
	uint64_t first = sent[0].corr, second = sent[4].corr;
	int64_t until = clock_now_us() + MEDIA_LINK_TIMEOUT_US + USEC_PER_SEC;
	answer_begin(0, second);
	say(0, MSG_ANSWER_END, second, NULL, 0);
	assert_int_equal(answered, 1);
	while (answered < 2 && clock_now_us() < until)
		loop_turn(worker.loop, 100000);
	assert_int_equal(answer_error, -ETIMEDOUT);
	sent_len = 0;
	answer_begin(0, first);
	say(0, MSG_ANSWER_END, first, NULL, 0);
	assert_int_equal(answered, 2);
	assert_int_equal(sent_len, 1);
	assert_int_equal(sent[0].type, MSG_TRANSPORT_CLOSE);
	assert_int_equal(((struct msg_handle *)sent[0].payload)->handle, 77);
}

static void test_stop_answers(void **state)
{
	(void)state;
	assert_int_equal(ask(0, 0), 0);
	worker.media = media_link_stop(worker.media);
	assert_int_equal(answered, 1);
	assert_int_equal(answer_error, -ECONNRESET);
}

static void on_done(int error, void *arg)
{
	*(int *)arg = error;
}

static void test_leave(void **state)
{
	struct msg_error e = { .code = MSG_ERR_GONE };
	int result = 1;

	(void)state;
	assert_int_equal(media_link_leave(worker.media, 1, 9, &call, &member, on_done, &result), 0);
	const struct msg_leave *m = (const void *)sent[0].payload;
	assert_true(sent[0].type == MSG_TRANSPORT_LEAVE && m->transport == 9 && id_equal(&m->member, &member));
	say(1, MSG_OK, sent[0].corr, NULL, 0);
	assert_int_equal(result, 0);
	assert_int_equal(media_link_leave(worker.media, 1, 9, &call, &member, on_done, &result), 0);
	say(1, MSG_ERROR, sent[1].corr, &e, sizeof(e));
	assert_int_equal(result, -ENOENT);
}

/* --- orders --------------------------------------------------------------------------------------------- */

static void test_orders_wait_for_room(void **state)
{
	(void)state;
	room[0] = 0;
	media_link_close_member(worker.media, &call, &member);
	media_link_member_state(worker.media, &call, &member, true, false, true);
	assert_int_equal(sent_len, 2); /* mediad 1 has both */
	assert_true(sent[0].mediad == 1 && sent[1].mediad == 1);
	room[0] = 1;
	media_link_close_call(worker.media, &call); /* may not overtake */
	assert_int_equal(sent_len, 3);
	assert_int_equal(sent[2].mediad, 1);
	loop_turn(worker.loop, 50000);
	assert_int_equal(sent_len, 4);
	assert_true(sent[3].mediad == 0 && sent[3].type == MSG_MEMBER_CLOSE);
	room[0] = 10;
	loop_turn(worker.loop, 50000);
	assert_int_equal(sent_len, 6);
	assert_int_equal(sent[4].type, MSG_MEMBER_STATE);
	const struct msg_member_state *m = (const void *)sent[4].payload;
	assert_true(m->paused == 1 && m->muted_audio == 0 && m->muted_video == 1);
	assert_int_equal(sent[5].type, MSG_CALL_CLOSE);
}

static void test_close_others(void **state)
{
	(void)state;
	media_link_close_others(worker.media, &call, &member, 1, 42);
	assert_int_equal(sent_len, 2);
	assert_int_equal(((struct msg_member *)sent[0].payload)->except, 0);
	assert_int_equal(((struct msg_member *)sent[1].payload)->except, 42);
}

/* --- placement ------------------------------------------------------------------------------------------ */

static void test_spread(void **state)
{
	unsigned caller, callee, used[MEDIADS] = { 0 };

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		struct id c = id_random();
		assert_int_equal(media_place(&worker, &c, 0, false, &caller), 0);
		assert_int_equal(media_place(&worker, &c, 1, false, &callee), 0);
		assert_int_not_equal(caller, callee);
		used[caller]++;
	}
	assert_true(used[0] > 8 && used[1] > 8);
}

static void test_pack(void **state)
{
	unsigned first, k;

	(void)state;
	worker.conf.media.placement = CONF_PLACEMENT_PACK;
	assert_int_equal(media_place(&worker, &call, 0, false, &first), 0);
	for (unsigned position = 1; position < 10; position++) {
		assert_int_equal(media_place(&worker, &call, position, false, &k), 0);
		assert_int_equal(k, first);
	}
	stat_set(&stats->mediad[first].transports, 10);
	assert_int_equal(media_place(&worker, &call, 0, false, &k), 0);
	assert_int_not_equal(k, first);
	stat_set(&stats->mediad[1 - first].transports, 10);
	assert_int_equal(media_place(&worker, &call, 0, false, &k), -ENOSPC);
}

static void test_place_avoids_the_dead(void **state)
{
	unsigned k;

	(void)state;
	stat_set(&stats->mediad[0].process.state, PROCESS_STARTING);
	for (unsigned position = 0; position < 4; position++) {
		assert_int_equal(media_place(&worker, &call, position, false, &k), 0);
		assert_int_equal(k, 1);
	}
	stat_set(&stats->mediad[1].process.state, PROCESS_STARTING);
	assert_int_equal(media_place(&worker, &call, 0, false, &k), 0);
}

static void test_place_by_budget(void **state)
{
	unsigned first, k;

	(void)state;
	worker.conf.media.placement = CONF_PLACEMENT_PACK;
	assert_int_equal(media_place(&worker, &call, 0, false, &first), 0);
	stat_set(&stats->mediad[first].over_budget, 1);
	assert_int_equal(media_place(&worker, &call, 0, false, &k), 0);
	assert_int_equal(k, 1 - first);
	worker.conf.media.placement = CONF_PLACEMENT_SPREAD;
	for (unsigned position = 0; position < 4; position++) {
		assert_int_equal(media_place(&worker, &call, position, false, &k), 0);
		assert_int_equal(k, 1 - first);
	}
	/* All over it: nobody new, and who was there comes back to the home. */
	worker.conf.media.placement = CONF_PLACEMENT_PACK;
	stat_set(&stats->mediad[1 - first].over_budget, 1);
	uint64_t refused = stat_get(&worker.counters->media_refused);
	assert_int_equal(media_place(&worker, &call, 0, false, &k), -EDQUOT);
	assert_int_equal(stat_get(&worker.counters->media_refused), refused + 1);
	assert_int_equal(media_place(&worker, &call, 0, true, &k), 0);
	assert_int_equal(k, first);
	assert_int_equal(stat_get(&worker.counters->media_refused), refused + 1);
	/* Full is full. */
	stat_set(&stats->mediad[0].transports, 10);
	stat_set(&stats->mediad[1].transports, 10);
	assert_int_equal(media_place(&worker, &call, 0, true, &k), -ENOSPC);
	assert_int_equal(media_place(&worker, &call, 0, false, &k), -ENOSPC);
	stat_set(&stats->mediad[first].transports, 1);
	assert_int_equal(media_place(&worker, &call, 0, false, &k), -EDQUOT);
	/* What a dead one said does not count. */
	stat_set(&stats->mediad[0].process.state, PROCESS_STARTING);
	stat_set(&stats->mediad[1].process.state, PROCESS_STARTING);
	assert_int_equal(media_place(&worker, &call, 0, false, &k), 0);
	assert_int_equal(k, first);
}

/* Instead of the home: by measured load, and by transports where that is about the same. */
static void test_place_by_load(void **state)
{
	unsigned home, k;

	(void)state;
	worker.mediads = 3;
	stat_set(&stats->mediad[2].process.state, PROCESS_READY);
	worker.conf.media.placement = CONF_PLACEMENT_PACK;
	assert_int_equal(media_place(&worker, &call, 0, false, &home), 0);
	unsigned a = (home + 1) % 3, b = (home + 2) % 3;
	stat_set(&stats->mediad[home].over_budget, 1);
	stat_set(&stats->mediad[a].transports, 1);
	stat_set(&stats->mediad[a].load_permille, 700);
	stat_set(&stats->mediad[b].transports, 9);
	stat_set(&stats->mediad[b].load_permille, 300);
	assert_int_equal(media_place(&worker, &call, 0, false, &k), 0);
	assert_int_equal(k, b);
	stat_set(&stats->mediad[a].load_permille, 310);
	assert_int_equal(media_place(&worker, &call, 0, false, &k), 0);
	assert_int_equal(k, a);
	worker.mediads = MEDIADS;
}

/* --- events --------------------------------------------------------------------------------------------- */

static struct msg_transport_state transport_state(uint32_t s)
{
	return (struct msg_transport_state){
		.transport = 1ull << 32 | 8,
		.call = call,
		.member = member,
		.sign_in = sign_in,
		.state = s,
		.made_us = 1234,
	};
}

static void test_states(void **state)
{
	static const struct {
		uint32_t state;
		const char *word;
	} cases[] = { { TRANSPORT_CONNECTED, "connected" },
		      { TRANSPORT_DISCONNECTED, "disconnected" },
		      { TRANSPORT_FREE, "closed" } };
	struct msg_transport_state m = transport_state(TRANSPORT_HANDSHAKE);

	(void)state;
	say(0, MSG_TRANSPORT_STATE, 0, &m, sizeof(m));
	assert_int_equal(statements, 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		m = transport_state(cases[i].state);
		say(0, MSG_TRANSPORT_STATE, 0, &m, sizeof(m));
		assert_string_equal(statement, "media_state");
		assert_string_equal(param[0], "01020300-0000-0000-0000-000000000000");
		assert_string_equal(param[3], cases[i].word);
		assert_string_equal(param[4], "1234");
	}
}

static void test_media_lost(void **state)
{
	struct msg_transport_state m = transport_state(TRANSPORT_FREE);

	(void)state;
	say(0, MSG_MEDIA_LOST, 0, &m, sizeof(m));
	assert_string_equal(param[3], "disconnected");
	assert_int_equal(events, 1);
	assert_true(id_equal(&event_to, &member));
	assert_string_equal(event_text, "{\"type\":\"media.lost\",\"call_id\":\"01020300-0000-0000-0000-000000000000\","
					"\"action\":\"rejoin\"}");
}

static struct msg_seats seats_part(uint32_t version, uint16_t first, uint16_t n, uint16_t total)
{
	struct msg_seats m = { .transport = 8, .call = call, .member = member, .version = version };

	m.first = first;
	m.count = n;
	m.total = total;
	for (uint16_t i = 0; i < n; i++) {
		snprintf(m.seat[i].mid, sizeof(m.seat[i].mid), "%d", first + i);
		m.seat[i].track_kind = TRACK_CAMERA;
	}
	return m;
}

static void test_seats(void **state)
{
	struct msg_seats m = seats_part(1, 0, 2, 2);

	(void)state;
	m.seat[0].member = sign_in;
	m.seat[0].state = SEAT_LIVE;
	say(0, MSG_SEATS, 0, &m, sizeof(m));
	assert_int_equal(events, 1);
	assert_string_equal(event_text,
			    "{\"type\":\"seats\",\"call_id\":\"01020300-0000-0000-0000-000000000000\",\"seats\":["
			    "{\"mid\":\"0\",\"member\":\"07000000-0000-0000-0000-000000000000\",\"kind\":\"camera\","
			    "\"state\":\"live\"},"
			    "{\"mid\":\"1\",\"member\":null,\"kind\":\"camera\",\"state\":\"waiting\"}]}");
}

static void test_seats_in_parts(void **state)
{
	struct msg_seats a = seats_part(2, 0, 16, 20), b = seats_part(2, 16, 4, 20), c = seats_part(3, 0, 1, 1);

	(void)state;
	say(0, MSG_SEATS, 0, &a, sizeof(a));
	assert_int_equal(events, 0);
	say(0, MSG_SEATS, 0, &b, sizeof(b));
	assert_int_equal(events, 1);
	assert_non_null(strstr(event_text, "\"mid\":\"19\""));
	say(0, MSG_SEATS, 0, &b, sizeof(b)); /* an end without a beginning */
	assert_int_equal(events, 1);
	say(0, MSG_SEATS, 0, &a, sizeof(a));
	say(0, MSG_SEATS, 0, &c, sizeof(c)); /* unfinished, then a newer list */
	assert_int_equal(events, 2);
	say(0, MSG_SEATS, 0, &b, sizeof(b));
	assert_int_equal(events, 2);
}

static void test_speaker(void **state)
{
	struct msg_speaker m = {
		.call = call, .speaker = sign_in, .level = 30, .count = 2, .listener = { member, call }
	};

	(void)state;
	say(0, MSG_SPEAKER, 0, &m, sizeof(m));
	assert_int_equal(events, 1);
	assert_int_equal(event_users, 2);
	assert_true(id_equal(&event_to, &member));
	assert_string_equal(event_text, "{\"type\":\"speaker\",\"call_id\":\"01020300-0000-0000-0000-000000000000\","
					"\"member\":\"07000000-0000-0000-0000-000000000000\",\"level\":-30}");
	m.speaker = (struct id){ 0 };
	say(0, MSG_SPEAKER, 0, &m, sizeof(m));
	assert_string_equal(event_text, "{\"type\":\"speaker\",\"call_id\":\"01020300-0000-0000-0000-000000000000\","
					"\"member\":null}");
	m.count = 0; /* nobody listens */
	say(0, MSG_SPEAKER, 0, &m, sizeof(m));
	assert_int_equal(events, 2);
}

static void test_quality(void **state)
{
	struct msg_quality m = { .transport = 8,
				 .call = call,
				 .member = member,
				 .loss_in = 6554,
				 .loss_out = 32768,
				 .rtt_us = 12600,
				 .bps_in = 1200000,
				 .bps_out = 64000,
				 .bps_room = 2500000 };

	(void)state;
	say(1, MSG_QUALITY, 0, &m, sizeof(m));
	assert_true(id_equal(&event_to, &member));
	assert_string_equal(event_text,
			    "{\"type\":\"quality\",\"call_id\":\"01020300-0000-0000-0000-000000000000\","
			    "\"quality\":{\"mediad\":1,\"loss\":0.500,\"loss_in\":0.100,\"loss_out\":0.500,"
			    "\"rtt_ms\":13,\"bitrate_in\":1200000,\"bitrate_out\":64000,\"estimate_in\":2500000}}");
	m.rtt_us = m.bps_room = 0;
	say(1, MSG_QUALITY, 0, &m, sizeof(m));
	assert_non_null(strstr(event_text, "\"rtt_ms\":null"));
	assert_non_null(strstr(event_text, "\"estimate_in\":null"));
}

static void test_layers(void **state)
{
	struct msg_layers m = { .transport = 8,
				.call = call,
				.member = member,
				.mid = "1",
				.count = 2,
				.layer = { { .rid = "q", .active = 1 }, { .rid = "h" } } };

	(void)state;
	say(1, MSG_LAYERS, 0, &m, sizeof(m));
	assert_true(id_equal(&event_to, &member));
	assert_string_equal(event_text, "{\"type\":\"layers\",\"call_id\":\"01020300-0000-0000-0000-000000000000\","
					"\"mid\":\"1\",\"layers\":[{\"rid\":\"q\",\"active\":true},"
					"{\"rid\":\"h\",\"active\":false}]}");
}

static void test_sound(void **state)
{
	struct msg_sound m = { .transport = 8, .call = call, .member = member, .mid = "0", .bps = 16000 };

	(void)state;
	say(1, MSG_SOUND, 0, &m, sizeof(m));
	assert_true(id_equal(&event_to, &member));
	assert_string_equal(event_text, "{\"type\":\"sound\",\"call_id\":\"01020300-0000-0000-0000-000000000000\","
					"\"mid\":\"0\",\"bitrate\":16000}");
	m.bps = 0;
	say(1, MSG_SOUND, 0, &m, sizeof(m));
	assert_non_null(strstr(event_text, "\"bitrate\":null"));
}

static void test_view(void **state)
{
	struct msg_view_item items[MSG_VIEW_MAX + 2] = { { .member = member, .kind = TRACK_SCREEN, .height = 720 } };
	const struct msg_view *m = (const struct msg_view *)sent[0].payload;

	(void)state;
	media_link_view(worker.media, &call, &member, items, 1);
	assert_int_equal(sent_len, MEDIADS);
	assert_int_equal(sent[MEDIADS - 1].type, MSG_VIEW);
	assert_int_equal(m->count, 1);
	assert_int_equal(m->item[0].height, 720);
	media_link_view(worker.media, &call, &member, items, ARRAY_LEN(items));
	assert_int_equal(((const struct msg_view *)sent[MEDIADS].payload)->count, MSG_VIEW_MAX);
	media_link_view(worker.media, &call, &member, NULL, 0); /* the server decides again */
	assert_int_equal(sent_len, 3 * MEDIADS);
}

static void test_ask_seats(void **state)
{
	const struct msg_member *m = (const struct msg_member *)sent[MEDIADS - 1].payload;

	(void)state;
	media_link_ask_seats(worker.media, &call, &member);
	assert_int_equal(sent_len, MEDIADS);
	assert_int_equal(sent[MEDIADS - 1].type, MSG_SEATS_ASK);
	assert_true(id_equal(&m->call, &call));
	assert_true(id_equal(&m->member, &member));
}

/* --- names and the reconciler --------------------------------------------------------------------------- */

static void test_media_ids(void **state)
{
	static const char *const bad[] = {
		"", "01", "010000000000000000", "0100000000000000zz", "01000000000000000A", "0100000000000000000"
	};
	char text[MEDIA_ID_LEN + 1];
	uint64_t handle;
	unsigned mediad;

	(void)state;
	assert_string_equal(media_id_format(1, 0x200000003, text), "010000000200000003");
	assert_int_equal(media_id_parse(text, &mediad, &handle), 0);
	assert_true(mediad == 1 && handle == 0x200000003);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(media_id_parse(bad[i], &mediad, &handle), -EINVAL);
}

static void turns(int64_t us)
{
	for (int64_t until = clock_now_us() + us; clock_now_us() < until;)
		loop_turn(worker.loop, 20000);
}

static void test_reconciler(void **state)
{
	struct msg_transport_state old = transport_state(TRANSPORT_CONNECTED), fresh = old;

	(void)state;
	turns(3 * USEC_PER_SEC);
	assert_int_equal(sent_len, 0); /* while the database is away nothing is asked, and nothing freed */
	db_up = true;
	turns(1500 * USEC_PER_MSEC);
	assert_int_equal(sent_len, 2);
	assert_int_equal(sent[0].type, MSG_LIST);
	fresh.transport++;
	old.made_us = clock_now_us() - 11 * USEC_PER_SEC;
	fresh.made_us = clock_now_us();
	orphan = "010000000100000008";
	say(sent[1].mediad, MSG_LIST_ITEM, sent[1].corr, &old, sizeof(old));
	say(sent[1].mediad, MSG_LIST_ITEM, sent[1].corr, &fresh, sizeof(fresh));
	say(sent[1].mediad, MSG_LIST_END, sent[1].corr, NULL, 0);
	assert_int_equal(statements, 0); /* the other mediad has not answered */
	say(sent[0].mediad, MSG_LIST_END, sent[0].corr, NULL, 0);
	assert_int_equal(statements, 2);
	assert_string_equal(statement, "media_present");
	assert_non_null(strstr(param[0], "\"media\":\"010000000100000008\""));
	assert_non_null(strstr(param[0], "\"media\":\"010000000100000009\""));
	assert_int_equal(sent_len, 3);
	assert_true(sent[2].type == MSG_TRANSPORT_CLOSE && sent[2].mediad == 1);
	assert_int_equal(stat_get(&worker.counters->reconciled), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_offer_answered, setup, teardown),
		cmocka_unit_test_setup_teardown(test_offer_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_offer_all_or_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_answer_that_is_nonsense, setup, teardown),
		cmocka_unit_test_setup_teardown(test_late_answer_is_closed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stop_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_leave, setup, teardown),
		cmocka_unit_test_setup_teardown(test_orders_wait_for_room, setup, teardown),
		cmocka_unit_test_setup_teardown(test_close_others, setup, teardown),
		cmocka_unit_test_setup_teardown(test_spread, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pack, setup, teardown),
		cmocka_unit_test_setup_teardown(test_place_avoids_the_dead, setup, teardown),
		cmocka_unit_test_setup_teardown(test_place_by_budget, setup, teardown),
		cmocka_unit_test_setup_teardown(test_place_by_load, setup, teardown),
		cmocka_unit_test_setup_teardown(test_states, setup, teardown),
		cmocka_unit_test_setup_teardown(test_media_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(test_seats, setup, teardown),
		cmocka_unit_test_setup_teardown(test_seats_in_parts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_speaker, setup, teardown),
		cmocka_unit_test_setup_teardown(test_quality, setup, teardown),
		cmocka_unit_test_setup_teardown(test_layers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sound, setup, teardown),
		cmocka_unit_test_setup_teardown(test_view, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ask_seats, setup, teardown),
		cmocka_unit_test_setup_teardown(test_media_ids, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reconciler, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
