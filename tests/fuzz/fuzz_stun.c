/* links: mediad */
#include "mediad/demux.h"
#include "mediad/ice.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <stun/stunagent.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* First byte: bit 0 = what follows are attributes of a request that we finish with the right password, so that a
 * fuzzer comes behind the integrity check; bits 1 and 2 = class; bit 3 = from IPv6. Else a datagram as it is. */

static const char password[] = "0123456789abcdefghijklmnopqrstuv";

static const char *on_ufrag(void *arg, const char *ufrag)
{
	(void)arg;
	if (strlen(ufrag) > 16)
		abort();
	return password;
}

static size_t seal(uint8_t *buf, size_t room, unsigned class, const uint8_t *attributes, size_t len)
{
	static StunAgent agent;
	static const uint16_t known[] = { 0 };
	StunTransactionId id = "fuzzfuzzfuzz";
	StunMessage msg;

	stun_agent_init(&agent, known, STUN_COMPATIBILITY_RFC5389,
			STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS | STUN_AGENT_USAGE_USE_FINGERPRINT);
	msg = (StunMessage){ .agent = &agent, .buffer = buf, .buffer_len = room };
	/* RFC 5389: the cookie stands first in what libnice calls the id. */
	id[0] = 0x21;
	id[1] = 0x12;
	id[2] = 0xa4;
	id[3] = 0x42;
	if (!stun_message_init(&msg, (StunClass) class, STUN_BINDING, id))
		return 0;
	len = MIN(len, (size_t)1200) & ~(size_t)3;
	memcpy(buf + 20, attributes, len);
	buf[2] = (uint8_t)(len >> 8);
	buf[3] = (uint8_t)len;
	return stun_agent_finish_message(&agent, &msg, (const uint8_t *)password, strlen(password));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct ice_stun *stun;
	struct sockaddr_storage from = { .ss_family = AF_INET };
	socklen_t from_len = sizeof(struct sockaddr_in);
	struct ice_check check;
	uint8_t buf[1500];

	if (!stun && ice_stun_new(&stun) < 0)
		abort();
	if (len == 0)
		return 0;
	uint8_t mode = data[0];
	if (mode & 8) {
		from.ss_family = AF_INET6;
		from_len = sizeof(struct sockaddr_in6);
	}
	data++;
	len--;
	(void)demux_classify(data, len);
	if (mode & 1) {
		len = seal(buf, sizeof(buf), mode >> 1 & 3, data, len);
		data = buf;
	}
	ice_check_read(stun, data, len, (struct sockaddr *)&from, from_len, on_ufrag, NULL, &check);
	if (check.reply_len > ICE_REPLY_MAX)
		abort();
	if ((check.result == ICE_BAD || check.result == ICE_QUIET) && check.reply_len > 0)
		abort();
	if (check.nominated && check.result != ICE_VALID)
		abort();
	return 0;
}
