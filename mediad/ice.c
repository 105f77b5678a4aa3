#include "mediad/ice.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <stun/stunagent.h>
#include <stun/usages/ice.h>

struct ice_stun {
	StunAgent agent;
};

/* Comprehension-required attributes that a check may carry. */
static const uint16_t known_attributes[] = {
	STUN_ATTRIBUTE_MAPPED_ADDRESS,
	STUN_ATTRIBUTE_USERNAME,
	STUN_ATTRIBUTE_MESSAGE_INTEGRITY,
	STUN_ATTRIBUTE_ERROR_CODE,
	STUN_ATTRIBUTE_UNKNOWN_ATTRIBUTES,
	STUN_ATTRIBUTE_REALM,
	STUN_ATTRIBUTE_NONCE,
	STUN_ATTRIBUTE_XOR_MAPPED_ADDRESS,
	STUN_ATTRIBUTE_PRIORITY,
	STUN_ATTRIBUTE_USE_CANDIDATE,
	0,
};

int ice_stun_new(struct ice_stun **ret_stun)
{
	struct ice_stun *stun = calloc(1, sizeof(*stun));

	if (!stun)
		return -ENOMEM;
	stun_agent_init(&stun->agent, known_attributes, STUN_COMPATIBILITY_RFC5389,
			STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS | STUN_AGENT_USAGE_USE_FINGERPRINT);
	*ret_stun = stun;
	return 0;
}

struct ice_stun *ice_stun_free(struct ice_stun *stun)
{
	free(stun);
	return NULL;
}

struct password_ask {
	ice_password *password;
	void *arg;
};

static bool on_username(StunAgent *agent, StunMessage *message, uint8_t *username, uint16_t username_len,
			uint8_t **ret_password, size_t *ret_len, void *arg)
{
	const struct password_ask *ask = arg;
	char ufrag[ICE_UFRAG_LEN + ICE_UFRAG_MORE + 1];
	const uint8_t *colon = memchr(username, ':', username_len);

	(void)agent;
	(void)message;
	if (!colon || colon == username || (size_t)(colon - username) >= sizeof(ufrag))
		return false;
	memcpy(ufrag, username, (size_t)(colon - username));
	ufrag[colon - username] = 0;
	const char *password = ask->password(ask->arg, ufrag);
	if (!password || !password[0])
		return false;
	*ret_password = (uint8_t *)password;
	*ret_len = strlen(password);
	return true;
}

/* What libnice takes for granted: MESSAGE-INTEGRITY has its 20 bytes and FINGERPRINT its 4, is the last, and the
 * attributes fill the message exactly. */
static bool stun_well_formed(const uint8_t *data, size_t len)
{
	size_t at = 20;
	bool fingerprint = false;

	if (len < 20 || len % 4 != 0 || (size_t)(data[2] << 8 | data[3]) != len - 20)
		return false;
	while (at < len) {
		unsigned type = (unsigned)(data[at] << 8 | data[at + 1]);
		size_t value_len = (size_t)(data[at + 2] << 8 | data[at + 3]);
		if (fingerprint)
			return false;
		if (type == STUN_ATTRIBUTE_MESSAGE_INTEGRITY && value_len != 20)
			return false;
		if (type == STUN_ATTRIBUTE_FINGERPRINT) {
			if (value_len != 4)
				return false;
			fingerprint = true;
		}
		at += 4 + ((value_len + 3) & ~(size_t)3);
	}
	return at == len && fingerprint;
}

static size_t error_reply(StunAgent *agent, const StunMessage *request, StunError code, uint8_t *buf, size_t len)
{
	StunMessage reply;

	if (!stun_agent_init_error(agent, &reply, buf, len, request, code))
		return 0;
	return stun_agent_finish_message(agent, &reply, NULL, 0);
}

/* To an authenticated request. */
static void answer_request(StunAgent *agent, StunMessage *request, const struct sockaddr *from, socklen_t from_len,
			   struct ice_check *ret_check)
{
	struct sockaddr_storage source = { 0 };
	size_t reply_len = ICE_REPLY_MAX;
	bool control = false;
	StunMessage reply;
	uint64_t tie;

	ret_check->result = ICE_ERROR;
	if (stun_message_get_method(request) != STUN_BINDING) {
		ret_check->reply_len =
			error_reply(agent, request, STUN_ERROR_BAD_REQUEST, ret_check->reply, ICE_REPLY_MAX);
		return;
	}
	/* A lite agent never controls, whatever the tie-breakers say (RFC 8445, 6.1.1). */
	if (stun_message_find64(request, STUN_ATTRIBUTE_ICE_CONTROLLED, &tie) == STUN_MESSAGE_RETURN_SUCCESS) {
		ret_check->reply_len =
			error_reply(agent, request, STUN_ERROR_ROLE_CONFLICT, ret_check->reply, ICE_REPLY_MAX);
		return;
	}
	memcpy(&source, from, from_len);
	if (stun_usage_ice_conncheck_create_reply(agent, request, &reply, ret_check->reply, &reply_len, &source,
						  from_len, &control, 0, STUN_USAGE_ICE_COMPATIBILITY_RFC5245) !=
	    STUN_USAGE_ICE_RETURN_SUCCESS)
		return;
	ret_check->result = ICE_VALID;
	ret_check->reply_len = reply_len;
	ret_check->nominated = stun_usage_ice_conncheck_use_candidate(request);
}

void ice_check_read(struct ice_stun *stun, const uint8_t *data, size_t len, const struct sockaddr *from,
		    socklen_t from_len, ice_password *password, void *arg, struct ice_check *ret_check)
{
	struct password_ask ask = { .password = password, .arg = arg };
	StunMessage request, reply;

	ret_check->result = ICE_BAD;
	ret_check->nominated = false;
	ret_check->reply_len = 0;
	if (!stun_well_formed(data, len) || from_len > sizeof(struct sockaddr_storage))
		return;
	StunValidationStatus status = stun_agent_validate(&stun->agent, &request, data, len, on_username, &ask);
	if (status == STUN_VALIDATION_UNKNOWN_REQUEST_ATTRIBUTE) {
		ret_check->result = ICE_ERROR;
		ret_check->reply_len = stun_agent_build_unknown_attributes_error(&stun->agent, &reply, ret_check->reply,
										 ICE_REPLY_MAX, &request);
		return;
	}
	if (status != STUN_VALIDATION_SUCCESS)
		return;
	if (stun_message_get_class(&request) != STUN_REQUEST) {
		ret_check->result = ICE_QUIET;
		return;
	}
	answer_request(&stun->agent, &request, from, from_len, ret_check);
}

static const char ice_chars[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void ice_credentials_make(uint32_t index, char ret_ufrag[ICE_UFRAG_LEN + 1], char ret_pwd[ICE_PWD_LEN + 1])
{
	uint8_t chance[ICE_UFRAG_LEN + ICE_PWD_LEN];

	random_bytes(chance, sizeof(chance));
	for (unsigned i = 0; i < 4; i++)
		ret_ufrag[i] = ice_chars[index >> (6 * i) & 63];
	for (unsigned i = 4; i < ICE_UFRAG_LEN; i++)
		ret_ufrag[i] = ice_chars[chance[i] & 63];
	for (unsigned i = 0; i < ICE_PWD_LEN; i++)
		ret_pwd[i] = ice_chars[chance[ICE_UFRAG_LEN + i] & 63];
	ret_ufrag[ICE_UFRAG_LEN] = 0;
	ret_pwd[ICE_PWD_LEN] = 0;
}

int ice_ufrag_index(const char *ufrag, uint32_t *ret_index)
{
	uint32_t index = 0;

	if (strlen(ufrag) < ICE_UFRAG_LEN || strlen(ufrag) > ICE_UFRAG_LEN + ICE_UFRAG_MORE)
		return -EPROTO;
	for (unsigned i = 0; i < 4; i++) {
		const char *at = memchr(ice_chars, ufrag[i], 64);
		if (!at)
			return -EPROTO;
		index |= (uint32_t)(at - ice_chars) << (6 * i);
	}
	*ret_index = index;
	return 0;
}

bool ice_ufrag_is(const char *ufrag, const char *ours)
{
	return ours[0] && strncmp(ufrag, ours, ICE_UFRAG_LEN) == 0;
}

struct ice_valid *ice_find(struct ice_agent *agent, const struct session_address *address)
{
	for (unsigned i = 0; i < ICE_ADDRESSES_MAX; i++) {
		if (agent->valid[i].address.family != 0 && address_equal(&agent->valid[i].address, address))
			return &agent->valid[i];
	}
	return NULL;
}

void ice_remember(struct ice_agent *agent, const struct session_address *address, const struct session_address *keep,
		  int64_t now_us, struct session_address *ret_evicted)
{
	struct ice_valid *place = NULL;

	for (unsigned i = 0; i < ICE_ADDRESSES_MAX; i++) {
		struct ice_valid *v = &agent->valid[i];
		if (v->address.family == 0) {
			place = v;
			break;
		}
		if (!address_equal(&v->address, keep) && (!place || v->checked_us < place->checked_us))
			place = v;
	}
	*ret_evicted = place->address;
	*place = (struct ice_valid){ .address = *address, .checked_us = now_us };
}
