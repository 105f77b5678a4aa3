/* links: */
/* What another process may have written: as a message (two bytes of type, then the payload), and as a link
 * region whose counters, slots and lengths are these bytes. */
#include "shm/msg.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CAP 4u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define REQUIRE(condition)        \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

/* What a receiver relies on after msg_check(). */
static void use(uint16_t type, const uint8_t *payload, size_t len)
{
	switch (type) {
	case MSG_OFFER_BEGIN:
		REQUIRE(strlen(((const struct msg_offer *)payload)->ufrag) <= SESSION_UFRAG_MAX);
		REQUIRE(strlen(((const struct msg_offer *)payload)->pwd) <= SESSION_PWD_MAX);
		break;
	case MSG_OFFER_MLINE: {
		const struct session_mline *m = &((const struct msg_mline *)payload)->mline;
		REQUIRE(strlen(m->mid) <= SESSION_MID_MAX);
		REQUIRE(m->codecs_len <= SESSION_CODECS_MAX && m->layers_len <= SESSION_LAYERS_MAX);
		for (unsigned i = 0; i < m->layers_len; i++)
			REQUIRE(strlen(m->layer[i].rid) <= SESSION_RID_MAX);
		break;
	}
	case MSG_ERROR:
		REQUIRE(strlen(((const struct msg_error *)payload)->text) < 124);
		break;
	case MSG_SEATS: {
		const struct msg_seats *m = (const void *)payload;
		REQUIRE(m->count <= MSG_SEATS_MAX && m->first + m->count <= m->total);
		for (unsigned i = 0; i < m->count; i++)
			REQUIRE(strlen(m->seat[i].mid) <= SESSION_MID_MAX);
		break;
	}
	case MSG_TRACK_NACK:
		REQUIRE(((const struct msg_nack *)payload)->count <= 64);
		break;
	case MSG_EVENT: {
		const struct msg_fragment *m = (const void *)payload;
		REQUIRE(m->offset + (len - sizeof(*m)) <= m->total && m->total <= MSG_EVENT_MAX);
		break;
	}
	}
}

static void check_one(const struct link_msg *msg, const uint8_t *payload)
{
	/* Exactly msg->len bytes on the heap, so that a sanitizer sees one byte too far. */
	uint8_t *copy = malloc(msg->len ? msg->len : 1);

	REQUIRE(copy);
	if (msg->len)
		memcpy(copy, payload, msg->len);
	REQUIRE(msg_type_name(msg->type));
	if (msg_check(msg, copy) == 0)
		use(msg->type, copy, msg->len);
	free(copy);
}

static void as_message(const uint8_t *data, size_t len)
{
	struct link_msg msg = { 0 };

	if (len < 2 || len - 2 > LINK_PAYLOAD_MAX)
		return;
	memcpy(&msg.type, data, 2);
	msg.len = (uint16_t)(len - 2);
	check_one(&msg, data + 2);
}

/* Head and tail of the other side, then 32 bytes at the start of each slot. */
static void as_region(const uint8_t *data, size_t len)
{
	static struct link hostile, ours;
	static bool ready;
	uint8_t payload[LINK_PAYLOAD_MAX];
	struct link_msg msg;
	uint32_t counters[2];
	int a = -1, b = -1, err;

	if (!ready) {
		REQUIRE(link_create("a", CAP, &a) == 0 && link_create("b", CAP, &b) == 0);
		REQUIRE(link_attach(&hostile, a, b, -1, 1) == 0 && link_attach(&ours, b, a, -1, 1) == 0);
		close(a);
		close(b);
		ready = true;
	}
	if (len < sizeof(counters))
		return;
	memcpy(counters, data, sizeof(counters));
	data += sizeof(counters);
	len -= sizeof(counters);
	for (uint32_t i = 0; i < CAP; i++) {
		size_t n = len < 32 ? len : 32;
		memcpy(hostile.out->slots + i * LINK_SLOT_BYTES, data, n);
		data += n;
		len -= n;
	}
	atomic_store(&hostile.out->out.head, counters[0]);
	atomic_store(&hostile.out->in.tail, counters[1]);
	uint32_t room = link_room(&ours);
	REQUIRE(room <= CAP);
	for (uint32_t i = 0; i < CAP + 1; i++) {
		err = link_push(&ours, 1, 0, NULL, 0);
		REQUIRE(err == (i < room ? 0 : -EAGAIN));
	}
	for (uint32_t i = 0; (err = link_pop(&ours, &msg, payload)) != -EAGAIN; i++) {
		REQUIRE(i <= CAP);
		if (err == 0)
			check_one(&msg, payload);
	}
	REQUIRE(ours.tail == counters[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	as_message(data, len);
	as_region(data, len);
	return 0;
}
