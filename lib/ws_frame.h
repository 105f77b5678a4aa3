/* lib/ws_frame.h - RFC 6455 frames into messages, and messages into frames, for both ends.
 *
 * Bytes in, events out: no sockets. Clients' frames must be masked and a server's must not; none carries extension
 * bits; control frames are whole and at most 125 bytes; text and close reasons are UTF-8; lengths have no needless
 * bytes.
 * Errors: the close code to answer with, negative: -1002 (protocol), -1007 (not UTF-8), -1009 (too big),
 *         -1011 (out of memory). After an error the decoder is not fed again. */
#ifndef PARLEY_LIB_WS_FRAME_H
#define PARLEY_LIB_WS_FRAME_H

#include "lib/buf.h"

#define WS_CONTROL_MAX	125
#define WS_HEAD_MAX	14 /* with a mask … */
#define WS_OUT_HEAD_MAX 10 /* … and without */

enum ws_opcode {
	WS_CONTINUATION = 0,
	WS_TEXT = 1,
	WS_BINARY = 2,
	WS_CLOSE = 8,
	WS_PING = 9,
	WS_PONG = 10,
};

struct ws_frame {
	bool fin;
	uint8_t opcode;
	uint8_t mask[4];
	uint64_t len;
};

struct ws_event {
	enum ws_opcode opcode; /* never WS_CONTINUATION */
	const uint8_t *data;   /* valid until the next feed; text is followed by a NUL */
	size_t len;
	uint16_t code; /* WS_CLOSE: 1005 when none was given; data is the reason */
};

/* A zeroed one with message_max set is ready. */
struct ws_decoder {
	size_t message_max;
	bool from_server; /* its frames are not masked */
	uint8_t head[WS_HEAD_MAX];
	uint8_t head_len;
	bool in_payload;
	bool delivered;		/* the message in `message` was handed out: drop it at the next feed */
	uint8_t message_opcode; /* of an unfinished message, 0 = none */
	uint8_t control_len;
	struct ws_frame frame;
	uint64_t payload_done;
	struct buf message;
	uint8_t control[WS_CONTROL_MAX];
};

void ws_decoder_fini(struct ws_decoder *d);
/* Takes *ret_used bytes: 1 with an event (feed the rest again), 0 all were taken, or a negative close code. */
int ws_decoder_feed(struct ws_decoder *d, const uint8_t *data, size_t len, size_t *ret_used,
		    struct ws_event *ret_event);

/* The head of an unmasked final frame, a server's; returns its length. */
size_t ws_frame_head(uint8_t ret_head[WS_OUT_HEAD_MAX], enum ws_opcode opcode, uint64_t len);
/* A client's whole final frame is appended to out, whose failed says when memory was short. The mask should be
 * random. */
void ws_frame_append_masked(struct buf *out, enum ws_opcode opcode, const void *data, size_t len,
			    const uint8_t mask[4]);

#endif
