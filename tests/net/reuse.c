#include "tests/net/reuse.h"

#include "lib/ids.h"
#include "lib/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE	  1024
#define PAGES	  64 /* of a stream: 65,536 indexes */
#define RANDOM	  32 /* of a ServerHello, bytes */
#define FIRST_ROC 1  /* so that what comes before the first packet has an index, too */

/* What was seen under PAGE indexes in a row; turn: the index's upper bits and one, 0: nothing yet. */
struct page {
	uint64_t hash[PAGE];
	uint32_t turn[PAGE];
};

struct stream {
	struct stream *next;
	uint32_t ssrc;
	enum reuse_direction direction;
	bool rtcp;
	uint64_t highest;
	struct page *page[PAGES];
};

/* RFC 5764, 4.1.2 and RFC 7714, 14.2 */
enum profile {
	PROFILE_UNKNOWN = 0,
	PROFILE_CM_SHA1_80 = 1,
	PROFILE_CM_SHA1_32 = 2,
	PROFILE_GCM_128 = 7,
	PROFILE_GCM_256 = 8,
};

struct reuse_association {
	unsigned flows;
	uint64_t last; /* the clock at its last packet */
	struct stream *streams;
	bool begun; /* its handshake was seen */
	enum profile profile;
	uint8_t random[RANDOM]; /* of the last ServerHello */
	/* A ServerHello came, the change of cipher did not yet. */
	bool hello;
	enum profile hello_profile;
};

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)be16(p) << 16 | be16(p + 2);
}

void reuse_init(struct reuse *r)
{
	*r = (struct reuse){ 0 };
}

static void forget_streams(struct reuse *r, struct reuse_association *a)
{
	while (a->streams) {
		struct stream *s = a->streams;
		a->streams = s->next;
		for (unsigned i = 0; i < PAGES; i++) {
			r->pages -= s->page[i] != NULL;
			free(s->page[i]);
		}
		free(s);
		r->streams--;
	}
}

static void leave(struct reuse *r, struct reuse_flow *f)
{
	struct reuse_association *a = f->of;

	f->of = NULL;
	if (!a || --a->flows > 0)
		return;
	forget_streams(r, a);
	free(a);
}

/* What is known of the first one's own streams is forgotten. */
static void become(struct reuse *r, struct reuse_association *from, struct reuse_association *to)
{
	for (struct reuse_flow *f = r->flows; f; f = f->next)
		if (f->of == from) {
			to->flows++;
			leave(r, f);
			f->of = to;
		}
}

void reuse_fini(struct reuse *r)
{
	for (; r->flows; r->flows = r->flows->next)
		leave(r, r->flows);
	*r = (struct reuse){ 0 };
}

/* ---- which association ---- */

/* True when the flow has one. */
static bool flow_begin(struct reuse *r, struct reuse_flow *f)
{
	if (f->of)
		return true;
	f->of = calloc(1, sizeof(*f->of));
	if (!f->of)
		return false;
	f->of->flows = 1;
	f->next = r->flows;
	r->flows = f;
	return true;
}

/* A check from the client: USERNAME (RFC 8489, 14.3) holds both fragments. */
static void on_stun(struct reuse *r, struct reuse_flow *f, const uint8_t *data, size_t len)
{
	size_t at = 20, n;

	while (at + 4 <= len && be16(data + at) != 0x0006)
		at += 4 + (be16(data + at + 2) + 3u) / 4 * 4;
	if (at + 4 > len || at + 4 + (n = be16(data + at + 2)) > len)
		return;
	uint64_t name = hash_bytes(data + at + 4, n);
	if (name == f->name)
		return;
	f->name = name;
	struct reuse_flow *other = r->flows;
	while (other && !(other->name == name && other->of != f->of))
		other = other->next;
	if (!other)
		return;
	/* Mostly this flow is the new one, and a handshake may be under way over the other. */
	if (f->of->begun && !other->of->begun)
		become(r, other->of, f->of);
	else
		become(r, f->of, other->of);
}

/* The profile that the server has chosen: use_srtp (RFC 5764, 4.1.1) among the extensions of a whole ServerHello. */
static enum profile chosen_profile(const uint8_t *body, size_t len)
{
	size_t at = 2 + RANDOM;

	at += at < len ? 1u + body[at] : 0; /* session id */
	at += 2 + 1 + 2;		    /* cipher, compression, length of the extensions */
	while (at + 4 <= len) {
		size_t n = be16(body + at + 2);
		if (be16(body + at) == 14 && n >= 4 && at + 8 <= len)
			return (enum profile)be16(body + at + 6);
		at += 4 + n;
	}
	return PROFILE_UNKNOWN;
}

static void on_handshake(struct reuse_association *a, const uint8_t *data, size_t len)
{
	const uint8_t *body = data + 12;

	/* ServerHello, its first fragment; what is sent again has the same random. */
	if (len < 12 + 2 + RANDOM || data[0] != 2 || (be16(data + 6) | data[8]) != 0 ||
	    memcmp(a->random, body + 2, RANDOM) == 0)
		return;
	memcpy(a->random, body + 2, RANDOM);
	a->hello = true;
	a->hello_profile = chosen_profile(body, len - 12);
}

/* The records of a datagram from the server (RFC 6347, 4.1). */
static void on_dtls(struct reuse *r, struct reuse_association *a, const uint8_t *data, size_t len)
{
	while (len >= 13) {
		size_t n = be16(data + 11);
		if (n > len - 13)
			return;
		if (data[0] == 22 && be16(data + 3) == 0)
			on_handshake(a, data + 13, n);
		if (data[0] == 20 && a->hello) {
			forget_streams(r, a);
			a->profile = a->hello_profile;
			a->hello = false;
			a->begun = true;
		}
		data += 13 + n;
		len -= 13 + n;
	}
}

/* ---- which index ---- */

static struct stream *find(const struct reuse_association *a, enum reuse_direction direction, bool rtcp, uint32_t ssrc)
{
	struct stream *s = a->streams;

	while (s && !(s->ssrc == ssrc && s->rtcp == rtcp && s->direction == direction))
		s = s->next;
	return s;
}

/* True when something was forgotten for the sake of this one. */
static bool make_room(struct reuse *r, const struct reuse_association *keep)
{
	struct reuse_association *silent = NULL;

	for (struct reuse_flow *f = r->flows; f; f = f->next)
		if (f->of != keep && f->of->streams && (!silent || f->of->last < silent->last))
			silent = f->of;
	if (silent)
		forget_streams(r, silent);
	return silent;
}

static struct stream *stream_of(struct reuse *r, struct reuse_association *a, enum reuse_direction direction, bool rtcp,
				uint32_t ssrc)
{
	struct stream *s = find(a, direction, rtcp, ssrc);

	if (s || (r->streams == REUSE_STREAMS_MAX && !make_room(r, a)))
		return s;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	*s = (struct stream){ .next = a->streams, .ssrc = ssrc, .direction = direction, .rtcp = rtcp };
	a->streams = s;
	r->streams++;
	return s;
}

/* No handshake was seen here: is it a new way of an association whose SSRC this is? */
static struct reuse_association *home_of(const struct reuse *r, enum reuse_direction direction, uint32_t ssrc)
{
	for (const struct reuse_flow *f = r->flows; f; f = f->next)
		if (f->of->begun && find(f->of, direction, false, ssrc))
			return f->of;
	return NULL;
}

/* RFC 3711, 3.3.1: of all indexes with this sequence number the one nearest to the highest. */
static uint64_t guess(struct stream *s, uint16_t seq)
{
	if (s->highest == 0)
		s->highest = (uint64_t)FIRST_ROC << 16 | seq;
	uint64_t index = s->highest + (uint64_t)(int64_t)(int16_t)(uint16_t)(seq - (uint16_t)s->highest);
	s->highest = index > s->highest ? index : s->highest;
	return index;
}

enum verdict { FRESH, COPY, USED_AGAIN, NO_ROOM };

static enum verdict note(struct reuse *r, const struct reuse_association *a, struct stream *s, uint64_t index,
			 uint64_t hash)
{
	unsigned slot = index % PAGE;
	struct page **page = &s->page[index / PAGE % PAGES];
	uint32_t turn = (uint32_t)(index / PAGE / PAGES) + 1;

	if (!*page && (r->pages < REUSE_PAGES_MAX || make_room(r, a)) && (*page = calloc(1, sizeof(**page))))
		r->pages++;
	if (!*page)
		return NO_ROOM;
	if ((*page)->turn[slot] == turn)
		return (*page)->hash[slot] == hash ? COPY : USED_AGAIN;
	if ((*page)->turn[slot] > turn)
		return USED_AGAIN; /* of SRTCP, from further back than the table goes; a guess never is */
	(*page)->turn[slot] = turn;
	(*page)->hash[slot] = hash;
	return FRESH;
}

/* Where the index of an SRTCP packet stands; 0: it is not known, or the packet is too short for it. */
static size_t rtcp_index_at(enum profile profile, size_t len)
{
	/* Behind the index comes the tag with AES-CM: 80 bits, also in the profile that shortens those of SRTP. */
	size_t behind = profile == PROFILE_CM_SHA1_80 || profile == PROFILE_CM_SHA1_32 ? 4 + 10 : 4;

	if (profile != PROFILE_GCM_128 && profile != PROFILE_GCM_256 && behind == 4)
		return 0;
	return len >= 8 + behind ? len - behind : 0;
}

static bool on_srtp(struct reuse *r, struct reuse_flow *f, enum reuse_direction direction, const uint8_t *data,
		    size_t len, struct reuse_found *ret_found)
{
	/* RFC 5761, 4 */
	bool rtcp = data[1] >= 192 && data[1] <= 223;
	uint32_t ssrc = be32(data + (rtcp ? 4 : 8));

	if (!rtcp && !f->of->begun && !find(f->of, direction, false, ssrc)) {
		struct reuse_association *home = home_of(r, direction, ssrc);
		if (home)
			become(r, f->of, home);
	}
	struct reuse_association *a = f->of;
	size_t at = rtcp ? rtcp_index_at(a->profile, len) : 0;
	if (rtcp && at == 0) {
		r->counts[direction].unread++;
		return false;
	}
	a->last = ++r->clock;
	struct stream *s = stream_of(r, a, direction, rtcp, ssrc);
	uint64_t index = !s ? 0 : rtcp ? be32(data + at) & 0x7fffffff : guess(s, be16(data + 2));
	enum verdict verdict = s ? note(r, a, s, index, hash_bytes(data, len)) : NO_ROOM;
	if (verdict == NO_ROOM) {
		r->counts[direction].full++;
		return false;
	}
	r->counts[direction].checked++;
	if (verdict != USED_AGAIN)
		return false;
	r->counts[direction].reused++;
	*ret_found = (struct reuse_found){ .rtcp = rtcp, .ssrc = ssrc, .index = index };
	return true;
}

bool reuse_see(struct reuse *r, struct reuse_flow *flow, enum reuse_direction direction, const uint8_t *data,
	       size_t len, struct reuse_found *ret_found)
{
	if (len < 12 || !flow_begin(r, flow))
		return false;
	/* RFC 7983, 7 */
	if (data[0] < 4 && direction == REUSE_UP)
		on_stun(r, flow, data, len);
	else if (data[0] >= 20 && data[0] < 64 && direction == REUSE_DOWN)
		on_dtls(r, flow->of, data, len);
	else if (data[0] >= 128 && data[0] < 192)
		return on_srtp(r, flow, direction, data, len, ret_found);
	return false;
}

int reuse_write(const struct reuse *r, char *to, size_t size)
{
	const struct reuse_counts *up = &r->counts[REUSE_UP], *down = &r->counts[REUSE_DOWN];

	return snprintf(to, size,
			"{\"up\":{\"checked\":%llu,\"reused\":%llu,\"unread\":%llu,\"full\":%llu},"
			"\"down\":{\"checked\":%llu,\"reused\":%llu,\"unread\":%llu,\"full\":%llu}}",
			(unsigned long long)up->checked, (unsigned long long)up->reused, (unsigned long long)up->unread,
			(unsigned long long)up->full, (unsigned long long)down->checked,
			(unsigned long long)down->reused, (unsigned long long)down->unread,
			(unsigned long long)down->full);
}

void reuse_tell(const struct reuse_found *found, enum reuse_direction direction, unsigned port)
{
	log_error("port %u, %s: SSRC %08x of %s has used index %llu twice, with different packets", port,
		  direction == REUSE_DOWN ? "from the server" : "from the client", found->ssrc,
		  found->rtcp ? "SRTCP" : "SRTP", (unsigned long long)found->index);
}
