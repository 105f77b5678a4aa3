/* mediad/ice.h - ICE-lite: answers connectivity checks and remembers which addresses have proved themselves.
 *
 * We are lite and therefore always controlled: we send no checks, only answers. A check is a STUN binding
 * request with USERNAME "our ufrag:theirs", MESSAGE-INTEGRITY under our password and FINGERPRINT. What is not
 * authenticated is dropped without an answer (a stranger gets nothing reflected). An authenticated one is
 * always answered:
 *
 *   ICE-CONTROLLED (the peer believes that we control)   487 Role Conflict; it does not count as a check
 *   a comprehension-required attribute we do not know    420; does not count
 *   else                                                 success with XOR-MAPPED-ADDRESS
 *
 * STUN itself is libnice's. No sockets, no clock: bytes and now_us in, bytes out.
 * Callers:   transport.c, one thread. */
#ifndef PARLEY_MEDIAD_ICE_H
#define PARLEY_MEDIAD_ICE_H

#include "mediad/address.h"

#define ICE_ADDRESSES_MAX 8
#define ICE_REPLY_MAX	  1024 /* the answer repeats USERNAME: 16 + 1 + 256 bytes */
#define ICE_UFRAG_LEN	  12
#define ICE_UFRAG_MORE	  4
#define ICE_PWD_LEN	  32

struct ice_stun; /* libnice's agent; one a process */

int ice_stun_new(struct ice_stun **ret_stun);
struct ice_stun *ice_stun_free(struct ice_stun *stun);

enum ice_result {
	ICE_BAD,   /* malformed or not authenticated: no answer */
	ICE_QUIET, /* authenticated, not a request: no answer */
	ICE_ERROR, /* authenticated; the answer is an error */
	ICE_VALID, /* authenticated; the answer is success */
};

struct ice_check {
	enum ice_result result;
	bool nominated; /* USE-CANDIDATE */
	size_t reply_len;
	uint8_t reply[ICE_REPLY_MAX];
};

/* The NUL-terminated password that belongs to our ufrag; NULL when there is none. */
typedef const char *ice_password(void *arg, const char *ufrag);

void ice_check_read(struct ice_stun *stun, const uint8_t *data, size_t len, const struct sockaddr *from,
		    socklen_t from_len, ice_password *password, void *arg, struct ice_check *ret_check);

/* Our ufrag says which record it belongs to, so that no hash is needed: 4 characters of index, 8 of chance. Up to
 * ICE_UFRAG_MORE characters may stand behind it and say nothing: a client whose way here is dead, the one for requests
 * too, restarts ICE alone, with the answer that it has, and for its side of ICE a restart is a new ufrag. */
void ice_credentials_make(uint32_t index, char ret_ufrag[ICE_UFRAG_LEN + 1], char ret_pwd[ICE_PWD_LEN + 1]);
/* -EPROTO. The caller compares with the record's by ice_ufrag_is(). */
int ice_ufrag_index(const char *ufrag, uint32_t *ret_index);
/* Is it ours, with or without something behind? An empty one of ours is never. */
bool ice_ufrag_is(const char *ufrag, const char *ours);

struct ice_valid {
	struct session_address address; /* family 0 = free */
	int64_t checked_us;		/* last authenticated check, or other consent, from there */
};

/* One transport's addresses, and the credentials of before an ICE restart. */
struct ice_agent {
	struct ice_valid valid[ICE_ADDRESSES_MAX];
	char old_ufrag[ICE_UFRAG_LEN + 1], old_pwd[ICE_PWD_LEN + 1]; /* "" = none */
};

/* NULL when it has not proved itself. */
struct ice_valid *ice_find(struct ice_agent *agent, const struct session_address *address);
/* Remembers a new one; the oldest that is not `keep` makes room and goes to *ret_evicted (family 0: none). */
void ice_remember(struct ice_agent *agent, const struct session_address *address, const struct session_address *keep,
		  int64_t now_us, struct session_address *ret_evicted);

#endif
