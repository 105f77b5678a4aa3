#include "mediad/transport.h"

#include "mediad/demux.h"
#include "mediad/dtls.h"
#include "mediad/egress.h"
#include "mediad/gcm.h"
#include "mediad/ice.h"
#include "mediad/media.h"
#include "mediad/srtp.h"
#include "mediad/tcp.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	NEW_US = 30 * 1000 * 1000,	    /* until the first check */
	HANDSHAKE_US = 30 * 1000 * 1000,    /* from the first check to the first media */
	LISTENER_US = 1000 * 1000,	    /* keys, but the peer sends nothing */
	CONSENT_US = 15 * 1000 * 1000,	    /* half of RFC 7675's 30 s: browsers check every 2.5 to 6 s */
	DISCONNECTED_US = 45 * 1000 * 1000, /* it may come back */
};

struct transports {
	struct mediad *md;
	struct ice_stun *stun;
	struct dtls_context *dtls;
	struct address_map addresses; /* → index + 1 of the transport that proved it */
	struct transport *slot;	      /* by index of the record; rec NULL = free */
	uint32_t slots_len, used;
};

static const char *const state_name[] = {
	[TRANSPORT_FREE] = "FREE",
	[TRANSPORT_NEW] = "NEW",
	[TRANSPORT_HANDSHAKE] = "HANDSHAKE",
	[TRANSPORT_CONNECTED] = "CONNECTED",
	[TRANSPORT_DISCONNECTED] = "DISCONNECTED",
};

static const uint8_t state_next[] = {
	/* from -> set of to */
	[TRANSPORT_FREE] = 1 << TRANSPORT_NEW,
	[TRANSPORT_NEW] = 1 << TRANSPORT_HANDSHAKE | 1 << TRANSPORT_FREE,
	[TRANSPORT_HANDSHAKE] = 1 << TRANSPORT_CONNECTED | 1 << TRANSPORT_FREE,
	[TRANSPORT_CONNECTED] = 1 << TRANSPORT_DISCONNECTED | 1 << TRANSPORT_FREE,
	[TRANSPORT_DISCONNECTED] = 1 << TRANSPORT_CONNECTED | 1 << TRANSPORT_FREE,
};

static const struct session_address nowhere;

static void arm(struct transport *t);

static enum transport_state state_of(const struct transport *t)
{
	return (enum transport_state)atomic_load_explicit(&t->rec->state, memory_order_relaxed);
}

static void tell_state(struct transport *t, enum transport_state state)
{
	struct msg_transport_state event = {
		.transport = t->handle,
		.call = t->rec->call,
		.member = t->rec->member,
		.sign_in = t->rec->sign_in,
		.state = state,
		.made_us = t->rec->made_us,
	};

	(void)mediad_event(t->md, t->rec->worker, MSG_TRANSPORT_STATE, &event, sizeof(event));
}

static void log_move(const struct transport *t, enum transport_state from, enum transport_state to, const char *why)
{
	char call[ID_TEXT_LEN + 1], member[ID_TEXT_LEN + 1];

	log_info("transport: call=%s member=%s %s -> %s (%s)", id_format(&t->rec->call, call),
		 id_format(&t->rec->member, member), state_name[from], state_name[to], why);
}

/* FREE is stored by session_transport_free(), last of all. */
static void move(struct transport *t, enum transport_state to, const char *why)
{
	enum transport_state from = state_of(t);

	assert(state_next[from] >> to & 1);
	log_move(t, from, to, why);
	t->state_us = clock_now_us();
	if (to != TRANSPORT_FREE)
		atomic_store_explicit(&t->rec->state, to, memory_order_release);
	/* NEW is what the answer says. */
	if (to != TRANSPORT_NEW)
		tell_state(t, to);
}

/* ---- all of them ---- */

static int load_dtls(struct mediad *md, struct dtls_context **ret_context)
{
	char *pem = NULL;
	size_t len = 0;
	int fd = fdset_take(&md->fds, "dtls");

	if (fd < 0)
		return fd;
	int err = shm_blob_read(fd, 64 * 1024, &pem, &len);
	close(fd);
	if (err < 0)
		return err;
	err = dtls_context_new(pem, len, ret_context);
	explicit_bzero(pem, len);
	free(pem);
	return err;
}

int transports_start(struct mediad *md, struct transports **ret_transports)
{
	struct transports *ts = calloc(1, sizeof(*ts));
	int err = -ENOMEM;

	if (!ts)
		return -ENOMEM;
	ts->md = md;
	ts->slots_len = md->table.max_transports;
	ts->slot = calloc(ts->slots_len, sizeof(*ts->slot));
	if (!ts->slot)
		goto fail;
	err = address_map_init(&ts->addresses, ts->slots_len * ICE_ADDRESSES_MAX);
	if (err == 0)
		err = ice_stun_new(&ts->stun);
	if (err == 0)
		err = srtp_start();
	if (err == 0)
		err = load_dtls(md, &ts->dtls);
	if (err < 0)
		goto fail;
	log_info("transport: GCM by %s", gcm_name());
	*ret_transports = ts;
	return 0;
fail:
	transports_stop(ts);
	return err;
}

/* Heap only: the records stay for a successor. */
static void release(struct transport *t)
{
	loop_timer_stop(&t->timer);
	dtls_free(t->dtls);
	srtp_in_free(t->srtp_in);
	srtp_out_free(t->srtp_out);
	free(t->ice);
	*t = (struct transport){ 0 };
}

struct transports *transports_stop(struct transports *ts)
{
	if (!ts)
		return NULL;
	for (uint32_t i = 0; ts->slot && i < ts->slots_len; i++) {
		if (ts->slot[i].rec)
			release(&ts->slot[i]);
	}
	address_map_fini(&ts->addresses);
	ice_stun_free(ts->stun);
	dtls_context_free(ts->dtls);
	srtp_stop();
	free(ts->slot);
	free(ts);
	return NULL;
}

const uint8_t *transports_fingerprint(const struct transports *ts)
{
	return dtls_context_fingerprint(ts->dtls);
}

/* ---- one ---- */

static uint32_t index_of(const struct transport *t)
{
	return session_handle_index(t->handle);
}

static void fill_record(struct session_transport *rec, const struct session_transport *offer, uint32_t index)
{
	rec->call = offer->call;
	rec->member = offer->member;
	rec->sign_in = offer->sign_in;
	rec->worker = offer->worker;
	rec->joined_us = offer->joined_us;
	rec->made_us = clock_now_us();
	memcpy(rec->remote_ufrag, offer->remote_ufrag, sizeof(rec->remote_ufrag));
	memcpy(rec->remote_pwd, offer->remote_pwd, sizeof(rec->remote_pwd));
	memcpy(rec->fingerprint, offer->fingerprint, sizeof(rec->fingerprint));
	rec->paused = offer->paused;
	rec->mlines_len = offer->mlines_len;
	memcpy(rec->mline, offer->mline, offer->mlines_len * sizeof(rec->mline[0]));
	ice_credentials_make(index, rec->local_ufrag, rec->local_pwd);
}

int transport_new(struct mediad *md, const struct session_transport *offer_fields, struct transport **ret_t)
{
	struct transports *ts = md->transports;
	struct session_transport *rec;

	int err = session_transport_new(&md->table, &rec);
	if (err < 0)
		return err;
	uint64_t handle = session_transport_handle(&md->table, rec);
	struct transport *t = &ts->slot[session_handle_index(handle)];
	*t = (struct transport){ .md = md, .rec = rec, .handle = handle, .ice = calloc(1, sizeof(*t->ice)) };
	if (!t->ice) {
		session_transport_free(&md->table, rec);
		t->rec = NULL;
		return -ENOMEM;
	}
	fill_record(rec, offer_fields, index_of(t));
	stat_set(&md->counters->transports, ++ts->used);
	move(t, TRANSPORT_NEW, "offer");
	arm(t);
	*ret_t = t;
	return 0;
}

int transport_ice_restart(struct transport *t, const char *ufrag, const char *pwd)
{
	struct session_transport *rec = t->rec;

	if (strlen(ufrag) > SESSION_UFRAG_MAX || strlen(pwd) > SESSION_PWD_MAX)
		return -EINVAL;
	/* A second restart before the first was used: the peer still checks with those of before both. */
	if (!t->ice->old_ufrag[0] && state_of(t) != TRANSPORT_NEW) {
		memcpy(t->ice->old_ufrag, rec->local_ufrag, sizeof(t->ice->old_ufrag));
		memcpy(t->ice->old_pwd, rec->local_pwd, sizeof(t->ice->old_pwd));
	}
	ice_credentials_make(index_of(t), rec->local_ufrag, rec->local_pwd);
	strcpy(rec->remote_ufrag, ufrag);
	strcpy(rec->remote_pwd, pwd);
	return 0;
}

struct transport *transport_find(struct mediad *md, uint64_t handle)
{
	if (!session_transport_find(&md->table, handle))
		return NULL;
	struct transport *t = &md->transports->slot[session_handle_index(handle)];
	return t->rec && t->handle == handle ? t : NULL;
}

void transport_each(struct mediad *md, const struct id *call, void (*fn)(struct transport *t, void *arg), void *arg)
{
	struct transports *ts = md->transports;

	for (uint32_t i = 0; i < ts->slots_len; i++) {
		struct transport *t = &ts->slot[i];
		if (t->rec && (!call || id_equal(&t->rec->call, call)))
			fn(t, arg);
	}
}

bool transport_is_sending(const struct transport *t)
{
	return t->srtp_out && t->rec->send_to.family != 0 && state_of(t) != TRANSPORT_DISCONNECTED;
}

/* Of t, if it is. */
static void forget_address(struct transports *ts, const struct transport *t, const struct session_address *a)
{
	if (a->family == 0 || address_map_find(&ts->addresses, a) != index_of(t) + 1)
		return;
	address_map_remove(&ts->addresses, a);
	if (a->socket & SESSION_SOCKET_TCP)
		tcp_forget(ts->md->tcp, a);
}

static void forget_addresses(struct transports *ts, const struct transport *t)
{
	for (unsigned i = 0; i < ICE_ADDRESSES_MAX; i++)
		forget_address(ts, t, &t->ice->valid[i].address);
}

void transport_close(struct transport *t, const char *why)
{
	struct mediad *md = t->md;
	struct session_transport *rec = t->rec;

	media_on_closed(t);
	egress_flush(md->egress);
	if (t->dtls)
		dtls_close(t->dtls);
	move(t, TRANSPORT_FREE, why);
	forget_addresses(md->transports, t);
	release(t);
	session_transport_free(&md->table, rec);
	stat_set(&md->counters->transports, --md->transports->used);
}

/* ---- handshake ---- */

static void on_dtls_send(void *arg, const uint8_t *data, size_t len)
{
	struct transport *t = arg;
	struct sockaddr_storage to;
	socklen_t to_len = address_to_sockaddr(&t->rec->send_to, &to);

	if (to_len > 0)
		(void)egress_raw(t->md->egress, t->rec->send_to.socket, (const struct sockaddr *)&to, to_len, data,
				 len);
}

static int take_keys(struct transport *t)
{
	struct session_transport *rec = t->rec;
	struct dtls_keys keys;

	int err = dtls_keys(t->dtls, &keys);
	if (err < 0)
		return err;
	err = srtp_in_new(keys.profile, keys.rx, &t->srtp_in);
	if (err == 0)
		err = srtp_out_new(keys.profile, keys.tx, &t->srtp_out);
	if (err == 0) {
		memcpy(rec->rx_key, keys.rx, sizeof(rec->rx_key));
		memcpy(rec->tx_key, keys.tx, sizeof(rec->tx_key));
		rec->srtp_profile = (uint8_t)keys.profile;
		t->keyed_us = clock_now_us();
	}
	explicit_bzero(&keys, sizeof(keys));
	return err;
}

/* May close the transport: the caller must not touch it afterwards. */
static void on_dtls_state(struct transport *t, enum dtls_state state)
{
	struct stats_mediad *counters = t->md->counters;

	switch (state) {
	case DTLS_HANDSHAKE:
		arm(t);
		return;
	case DTLS_DONE:
		if (t->srtp_out)
			return;
		if (take_keys(t) < 0) {
			stat_add(&counters->dtls_failures, 1);
			transport_close(t, "no SRTP keys from the handshake");
			return;
		}
		stat_add(&counters->dtls_handshakes, 1);
		arm(t);
		return;
	case DTLS_CLOSED:
		transport_close(t, "closed by the peer");
		return;
	case DTLS_REFUSED:
		stat_add(&counters->dtls_fingerprint_mismatch, 1);
		transport_close(t, "the certificate is not the offer's");
		return;
	case DTLS_FAILED:
		stat_add(&counters->dtls_failures, 1);
		log_warn("transport: DTLS of %s failed: %s", t->rec->local_ufrag, dtls_error(t->dtls));
		transport_close(t, "DTLS failed");
		return;
	}
}

static void on_connected(struct transport *t, const char *why)
{
	move(t, TRANSPORT_CONNECTED, why);
	arm(t);
	media_on_connected(t);
}

/* ---- time ---- */

static int64_t state_deadline_us(const struct transport *t)
{
	switch (state_of(t)) {
	case TRANSPORT_NEW:
		return t->state_us + NEW_US;
	case TRANSPORT_HANDSHAKE:
		return t->keyed_us ? t->keyed_us + LISTENER_US : t->state_us + HANDSHAKE_US;
	case TRANSPORT_CONNECTED:
		return t->rec->consent_us + CONSENT_US;
	default:
		return t->state_us + DISCONNECTED_US;
	}
}

/* May close the transport. */
static void on_deadline(struct transport *t)
{
	switch (state_of(t)) {
	case TRANSPORT_NEW:
		transport_close(t, "no check for 30 s");
		return;
	case TRANSPORT_HANDSHAKE:
		if (t->keyed_us)
			on_connected(t, "keys, and the peer only listens");
		else
			transport_close(t, "no handshake for 30 s");
		return;
	case TRANSPORT_CONNECTED:
		stat_add(&t->md->counters->consent_lost, 1);
		move(t, TRANSPORT_DISCONNECTED, "no check for 15 s");
		arm(t);
		media_on_suspended(t, true);
		return;
	default:
		transport_close(t, "no check for 60 s");
		return;
	}
}

static void on_timer(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct transport *t = arg;

	(void)timer;
	if (now_us >= state_deadline_us(t)) {
		on_deadline(t);
		return;
	}
	if (t->dtls && dtls_timeout_us(t->dtls) == 0)
		on_dtls_state(t, dtls_on_timer(t->dtls));
	else
		arm(t);
}

/* Checks move the deadline without touching the timer: it looks again when it fires. */
static void arm(struct transport *t)
{
	int64_t at_us = state_deadline_us(t);
	int64_t repeat_us = t->dtls ? dtls_timeout_us(t->dtls) : -1;

	if (repeat_us >= 0)
		at_us = MIN(at_us, clock_now_us() + MAX(repeat_us, (int64_t)USEC_PER_MSEC));
	if (loop_timer_start(t->md->loop, &t->timer, at_us, on_timer, t) < 0)
		log_error("transport: no memory for the timer of %s", t->rec->local_ufrag);
}

/* ---- checks ---- */

struct check_subject {
	struct transports *ts;
	struct transport *t;
	bool old; /* credentials of before the ICE restart */
};

static const char *on_ufrag(void *arg, const char *ufrag)
{
	struct check_subject *subject = arg;
	uint32_t index;

	if (ice_ufrag_index(ufrag, &index) < 0 || index >= subject->ts->slots_len || !subject->ts->slot[index].rec)
		return NULL;
	subject->t = &subject->ts->slot[index];
	if (ice_ufrag_is(ufrag, subject->t->rec->local_ufrag))
		return subject->t->rec->local_pwd;
	subject->old = true;
	return ice_ufrag_is(ufrag, subject->t->ice->old_ufrag) ? subject->t->ice->old_pwd : NULL;
}

/* Where t's packets go from now on; those that wait were written for where they went until now. */
static void send_to(struct transport *t, const struct session_address *address)
{
	egress_flush(t->md->egress);
	t->no_segments = false;
	t->rec->send_to = *address;
}

/* Somebody else proved this address, or it is gone: we do not send there any more. */
static void lose_address(struct transport *t, struct ice_valid *lost)
{
	bool sent_there = address_equal(&lost->address, &t->rec->send_to);
	const struct ice_valid *newest = NULL;

	lost->address = (struct session_address){ 0 };
	if (!sent_there)
		return;
	for (unsigned i = 0; i < ICE_ADDRESSES_MAX; i++) {
		const struct ice_valid *v = &t->ice->valid[i];
		if (v->address.family != 0 && (!newest || v->checked_us > newest->checked_us))
			newest = v;
	}
	t->rec->nominated = 0;
	send_to(t, newest ? &newest->address : &nowhere);
}

/* The address is t's now, unless another transport checked from there within the consent time: a participant who
 * forges another's address must not get that one's packets. */
static bool claim_address(struct transports *ts, struct transport *t, const struct session_address *address,
			  int64_t now_us)
{
	uint32_t holder = address_map_find(&ts->addresses, address);
	struct ice_valid *v = ice_find(t->ice, address);
	struct session_address evicted;

	if (holder == index_of(t) + 1 && v) {
		v->checked_us = now_us;
		return true;
	}
	if (holder != 0) {
		struct transport *other = &ts->slot[holder - 1];
		struct ice_valid *theirs = ice_find(other->ice, address);
		if (theirs && now_us - theirs->checked_us < CONSENT_US)
			return false;
		if (theirs)
			lose_address(other, theirs);
	}
	ice_remember(t->ice, address, &t->rec->send_to, now_us, &evicted);
	forget_address(ts, t, &evicted);
	return address_map_set(&ts->addresses, address, index_of(t) + 1) == 0;
}

bool transport_has_address(struct mediad *md, const struct session_address *address)
{
	return address_map_find(&md->transports->addresses, address) != 0;
}

void transport_on_address_gone(struct mediad *md, const struct session_address *address)
{
	struct transports *ts = md->transports;
	uint32_t holder = address_map_find(&ts->addresses, address);

	if (holder == 0)
		return;
	struct ice_valid *v = ice_find(ts->slot[holder - 1].ice, address);
	if (v)
		lose_address(&ts->slot[holder - 1], v);
	address_map_remove(&ts->addresses, address);
}

static void choose_address(struct transport *t, const struct session_address *address, bool nominated)
{
	struct session_transport *rec = t->rec;
	char text[ADDRESS_TEXT_LEN];

	if (!nominated && rec->send_to.family != 0)
		return;
	if (nominated)
		rec->nominated = 1;
	if (address_equal(&rec->send_to, address))
		return;
	send_to(t, address);
	log_debug("transport: %s sends to %s%s", rec->local_ufrag, address_format(address, text),
		  nominated ? ", nominated" : "");
}

/* He is there, and wants what we send. */
static void on_consent(struct transport *t, const char *why, int64_t now_us)
{
	t->rec->consent_us = now_us;
	if (state_of(t) != TRANSPORT_DISCONNECTED)
		return;
	move(t, TRANSPORT_CONNECTED, why);
	arm(t);
	media_on_suspended(t, false);
}

/* May close the transport. */
static void on_valid_check(struct transport *t, const struct session_address *address, bool nominated, bool old,
			   int64_t now_us)
{
	struct transports *ts = t->md->transports;

	t->rec->consent_us = now_us;
	if (!old && t->ice->old_ufrag[0]) {
		t->ice->old_ufrag[0] = 0;
		t->rec->nominated = 0;
		/* Where we sent is dead: the restarted session begins with its first valid address. */
		if (state_of(t) == TRANSPORT_DISCONNECTED)
			send_to(t, &nowhere);
	}
	choose_address(t, address, nominated);
	if (state_of(t) == TRANSPORT_NEW) {
		if (dtls_new(ts->dtls, t->rec->fingerprint, on_dtls_send, t, &t->dtls) < 0) {
			transport_close(t, "no memory for DTLS");
			return;
		}
		move(t, TRANSPORT_HANDSHAKE, "first check");
		arm(t);
	} else {
		on_consent(t, "checked again", now_us);
	}
}

static void on_stun(struct transports *ts, unsigned socket, const struct sockaddr *peer, socklen_t peer_len,
		    const uint8_t *data, size_t len, int64_t now_us)
{
	struct stats_mediad *counters = ts->md->counters;
	struct check_subject subject = { .ts = ts };
	struct session_address address;
	struct ice_check check;

	ice_check_read(ts->stun, data, len, peer, peer_len, on_ufrag, &subject, &check);
	if (check.result == ICE_BAD || address_from_sockaddr(socket, peer, peer_len, &address) < 0 ||
	    (check.result == ICE_VALID && !claim_address(ts, subject.t, &address, now_us))) {
		stat_add(&counters->stun_bad, 1);
		return;
	}
	stat_add(&counters->stun_ok, 1);
	if (check.reply_len > 0)
		(void)egress_raw(ts->md->egress, socket, peer, peer_len, check.reply, check.reply_len);
	if (check.result == ICE_VALID)
		on_valid_check(subject.t, &address, check.nominated, subject.old, now_us);
}

/* ---- media ---- */

static void count_srtp_error(struct stats_mediad *counters, int err, bool rtcp)
{
	if (err == -EBADMSG)
		stat_add(&counters->srtp_auth_failures, 1);
	else if (err == -EALREADY)
		stat_add(&counters->srtp_replays, 1);
	else if (err == -ENOSPC)
		stat_add(&counters->rtp_unknown_ssrc, 1);
	else
		stat_add(rtcp ? &counters->rtcp_bad : &counters->rtp_bad, 1);
}

static void on_authentic(struct transport *t)
{
	stat_add(&t->md->counters->srtp_decrypted, 1);
	if (UNLIKELY(state_of(t) == TRANSPORT_HANDSHAKE))
		on_connected(t, "keys and media");
}

static bool on_rtp(struct transport *t, uint32_t slot, size_t len, int64_t now_us)
{
	struct ring_slot *s = &t->md->ring.slot[slot];
	uint64_t index;

	int err = srtp_in_rtp(t->srtp_in, s->packet, len, &len, &index);
	if (UNLIKELY(err < 0)) {
		count_srtp_error(t->md->counters, err, false);
		return false;
	}
	on_authentic(t);
	s->head.arrival_us = now_us;
	s->head.index = index;
	s->head.len = (uint16_t)len;
	s->head.ssrc = (uint32_t)s->packet[8] << 24 | (uint32_t)s->packet[9] << 16 | (uint32_t)s->packet[10] << 8 |
		       s->packet[11];
	return media_on_rtp(t, slot, len, now_us);
}

static void on_rtcp(struct transport *t, const struct session_address *from, uint8_t *data, size_t len, int64_t now_us)
{
	int err = srtp_in_rtcp(t->srtp_in, data, len, &len);

	if (UNLIKELY(err < 0)) {
		count_srtp_error(t->md->counters, err, true);
		return;
	}
	on_authentic(t);
	/* libnice checks no more once it has chosen, it keeps alive by indications that nobody signed. */
	struct ice_valid *v = address_equal(from, &t->rec->send_to) ? ice_find(t->ice, from) : NULL;
	if (v && state_of(t) != TRANSPORT_HANDSHAKE) {
		v->checked_us = now_us;
		on_consent(t, "RTCP again", now_us);
	}
	stat_add(&t->md->counters->rtcp_received, 1);
	media_on_rtcp(t, data, len, now_us);
}

bool transport_on_datagram(struct mediad *md, unsigned socket, const struct sockaddr *peer, socklen_t peer_len,
			   uint32_t slot, size_t len, int64_t now_us)
{
	struct transports *ts = md->transports;
	uint8_t *data = md->ring.slot[slot].packet;
	enum demux_kind kind = demux_classify(data, len);
	struct session_address address;
	uint32_t place = 0;

	if (kind == DEMUX_STUN) {
		on_stun(ts, socket, peer, peer_len, data, len, now_us);
		return false;
	}
	if (kind != DEMUX_UNKNOWN && address_from_sockaddr(socket, peer, peer_len, &address) == 0)
		place = address_map_find(&ts->addresses, &address);
	if (place == 0) {
		stat_add(&md->counters->datagrams_unknown, 1);
		return false;
	}
	struct transport *t = &ts->slot[place - 1];
	if (kind == DEMUX_DTLS) {
		on_dtls_state(t, dtls_on_datagram(t->dtls, data, len));
		return false;
	}
	if (UNLIKELY(!t->srtp_in)) {
		/* Media that overtook the end of the handshake. */
		stat_add(&md->counters->datagrams_unknown, 1);
		return false;
	}
	if (kind == DEMUX_RTP)
		return on_rtp(t, slot, len, now_us);
	on_rtcp(t, &address, data, len, now_us);
	return false;
}
