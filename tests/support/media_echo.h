/* tests/support/media_echo.h - a test double of mediad/media.h: what comes from a transport goes back to it.
 *
 * Each incoming SSRC gets an outgoing one (SSRC + 1) with an index of its own, first 65500, so that a test soon sees a
 * rollover. Link it before the mediad library. */
#ifndef PARLEY_TESTS_MEDIA_ECHO_H
#define PARLEY_TESTS_MEDIA_ECHO_H

#include "mediad/media.h"

#define MEDIA_ECHO_FIRST_INDEX 65500

struct media_echo {
	unsigned offers, connected, suspended, resumed, closed, rtp, rtcp, peer_msgs, peer_restarts;
	uint64_t last_index; /* of the slot's head, as the transport side set it */
	bool publish;	     /* keep the slots */
	bool refuse;	     /* media_on_offer() says -ENOSPC */
};

extern struct media_echo media_echo;

#endif
