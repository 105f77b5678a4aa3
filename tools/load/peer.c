#include "tools/load/peer_internal.h"

#include "lib/ids.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stun/usages/ice.h>

enum {
	CHECK_FAST_US = 50 * 1000,   /* before the first answer */
	CHECK_SLOW_US = 2500 * 1000, /* as browsers do on a working pair */
};

static const uint16_t known_attributes[] = { STUN_ATTRIBUTE_USERNAME,	    STUN_ATTRIBUTE_MESSAGE_INTEGRITY,
					     STUN_ATTRIBUTE_ERROR_CODE,	    STUN_ATTRIBUTE_XOR_MAPPED_ADDRESS,
					     STUN_ATTRIBUTE_PRIORITY,	    STUN_ATTRIBUTE_USE_CANDIDATE,
					     STUN_ATTRIBUTE_MAPPED_ADDRESS, 0 };

/* ---- one peer ---- */

static void random_text(char *ret, size_t len)
{
	static const char chars[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint8_t chance[32];

	random_bytes(chance, sizeof(chance));
	for (size_t i = 0; i < len; i++)
		ret[i] = chars[chance[i] & 63];
	ret[len] = 0;
}

static void stun_start(struct peer *peer)
{
	stun_agent_init(&peer->stun, known_attributes, STUN_COMPATIBILITY_RFC5389,
			STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS | STUN_AGENT_USAGE_USE_FINGERPRINT);
}
int peer_new(const struct peer_config *config, struct peer **ret_peer)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	if (!peer)
		return -ENOMEM;
	peer->config = *config;
	if (config->ops)
		peer->ops = *config->ops;
	peer->checking = UINT32_MAX;
	peer->profile = "";
	peer_restart(peer);
	random_bytes(&peer->tie, sizeof(peer->tie));
	stun_start(peer);
	int err = peer_dtls_new(peer);
	if (err < 0) {
		free(peer);
		return err;
	}
	*ret_peer = peer;
	return 0;
}

struct peer *peer_free(struct peer *peer)
{
	if (!peer)
		return NULL;
	loop_timer_stop(&peer->check_timer);
	peer_sockets_close(peer);
	peer_dtls_free(peer);
	free(peer);
	return NULL;
}

const char *peer_ufrag(const struct peer *peer)
{
	return peer->ufrag;
}

const char *peer_pwd(const struct peer *peer)
{
	return peer->pwd;
}

enum peer_state peer_state(const struct peer *peer)
{
	return peer->state;
}

const char *peer_error(const struct peer *peer)
{
	return peer->error;
}

const char *peer_profile(const struct peer *peer)
{
	return peer->profile;
}

void peer_restart(struct peer *peer)
{
	random_text(peer->ufrag, sizeof(peer->ufrag) - 1);
	random_text(peer->pwd, sizeof(peer->pwd) - 1);
}

void peer_move(struct peer *peer, enum peer_state state)
{
	if (peer->state == state)
		return;
	peer->state = state;
	if (peer->ops.on_state)
		peer->ops.on_state(peer, state, peer->config.arg);
}

/* ---- ICE ---- */

int peer_check(struct peer *peer, unsigned socket, bool use_candidate, bool controlled)
{
	uint8_t buf[1024];
	StunMessage msg;
	char username[520];

	int n = snprintf(username, sizeof(username), "%s:%s", peer->remote_ufrag, peer->ufrag);
	size_t len = stun_usage_ice_conncheck_create(&peer->stun, &msg, buf, sizeof(buf), (uint8_t *)username,
						     (size_t)n, (uint8_t *)peer->remote_pwd, strlen(peer->remote_pwd),
						     use_candidate, !controlled, 0x6e001effu - socket, peer->tie, NULL,
						     STUN_USAGE_ICE_COMPATIBILITY_RFC5245);
	if (len == 0) {
		/* Its memory is full of requests that were never answered. */
		stun_start(peer);
		return -EAGAIN;
	}
	peer_send_datagram(peer, socket, buf, len);
	return 0;
}

static void on_check_timer(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct peer *peer = arg;
	bool all = true;

	for (unsigned i = 0; i < peer->sockets_len; i++) {
		if (!(peer->checking >> i & 1))
			continue;
		(void)peer_check(peer, i, i == peer->nominated, false);
		all &= peer->socket[i].answered > 0;
	}
	if (peer->state != PEER_CLOSED && peer->state != PEER_FAILED)
		loop_timer_start(peer->config.loop, timer, now_us + (all ? CHECK_SLOW_US : CHECK_FAST_US),
				 on_check_timer, peer);
}

int peer_remote_set(struct peer *peer, const struct peer_remote *remote)
{
	if (strlen(remote->ufrag) >= sizeof(peer->remote_ufrag) || strlen(remote->pwd) >= sizeof(peer->remote_pwd))
		return -EINVAL;
	strcpy(peer->remote_ufrag, remote->ufrag);
	strcpy(peer->remote_pwd, remote->pwd);
	peer->remote = *remote;
	return 0;
}

int peer_connect(struct peer *peer, const struct peer_remote *remote)
{
	int err = peer_remote_set(peer, remote);
	if (err < 0)
		return err;
	if (peer->sockets_len == 0) {
		err = peer_socket_add(peer, NULL, 0);
		if (err < 0)
			return err;
	}
	peer_move(peer, PEER_CHECKING);
	on_check_timer(&peer->check_timer, clock_now_us(), peer);
	return 0;
}

void peer_nominate(struct peer *peer, unsigned socket)
{
	peer->nominated = socket;
}

void peer_checks_set(struct peer *peer, uint32_t sockets)
{
	peer->checking = sockets;
}

unsigned peer_checks_answered(const struct peer *peer, unsigned socket)
{
	return peer->socket[socket].answered;
}

int peer_check_error(const struct peer *peer, unsigned socket)
{
	return peer->socket[socket].error;
}

/* A check of theirs, where the server is a full agent (or a lite one that checks nevertheless, as libnice does). */
static void on_request(struct peer *peer, unsigned socket, const uint8_t *data, size_t len)
{
	char username[600];
	uint8_t reply[1024];
	size_t reply_len = sizeof(reply);
	bool controlling = true;
	StunMessage request, msg;

	int n = snprintf(username, sizeof(username), "%s:%s", peer->ufrag, peer->remote_ufrag);
	StunDefaultValidaterData own[] = { { (uint8_t *)username, (size_t)n, (uint8_t *)peer->pwd, strlen(peer->pwd) },
					   { NULL, 0, NULL, 0 } };
	if (stun_agent_validate(&peer->stun, &request, data, len, stun_agent_default_validater, own) !=
		    STUN_VALIDATION_SUCCESS ||
	    stun_usage_ice_conncheck_create_reply(
		    &peer->stun, &request, &msg, reply, &reply_len, &peer->remote.address, peer->remote.address_len,
		    &controlling, peer->tie, STUN_USAGE_ICE_COMPATIBILITY_RFC5245) != STUN_USAGE_ICE_RETURN_SUCCESS)
		return;
	peer_send_datagram(peer, socket, reply, reply_len);
}

static void on_stun(struct peer *peer, unsigned socket, const uint8_t *data, size_t len)
{
	struct peer_socket *s = &peer->socket[socket];
	StunMessage msg = { .agent = &peer->stun, .buffer = (uint8_t *)data, .buffer_len = len };
	int code;

	if (len < 20 || stun_message_validate_buffer_length(data, len, true) != (int)len)
		return;
	if (stun_message_get_class(&msg) == STUN_REQUEST) {
		on_request(peer, socket, data, len);
		return;
	}
	if (stun_message_get_class(&msg) == STUN_ERROR) {
		if (stun_message_find_error(&msg, &code) == STUN_MESSAGE_RETURN_SUCCESS)
			s->error = code;
		return;
	}
	/* Of a request of ours, and under their password. */
	if (stun_agent_validate(&peer->stun, &msg, data, len, NULL, NULL) != STUN_VALIDATION_SUCCESS ||
	    stun_message_get_class(&msg) != STUN_RESPONSE)
		return;
	s->answered++;
	if (peer->state == PEER_CHECKING && socket == peer->nominated)
		(void)peer_begin_dtls(peer);
}

void peer_on_datagram(struct peer *peer, unsigned socket, uint8_t *data, size_t len)
{
	if (peer->ops.on_receive && !peer->ops.on_receive(peer, socket, data, len, peer->config.arg))
		return;
	if (len == 0)
		return;
	if (data[0] <= 3) {
		on_stun(peer, socket, data, len);
	} else if (data[0] >= 20 && data[0] <= 63) {
		if (peer->state != PEER_HANDSHAKE && peer->state != PEER_CONNECTED)
			return;
		peer_on_dtls(peer, data, len);
	} else if (data[0] >= 128 && data[0] <= 191) {
		peer_on_media(peer, socket, data, len);
	}
}
