/* mediad/batch.h - messages for the kernel: many in one sendmmsg(), each of many datagrams by UDP_SEGMENT (udp(7)).
 *
 *     if (!batch_has_room(batch, socket, n)) { batch_send(batch); … the packets are free again }
 *     batch_begin(batch, socket, to, t);
 *     n × batch_add(batch, data, len);          all of one length, but for the last, which may be shorter
 *     batch_end(batch);
 *
 * Refusals:  EINVAL and EMSGSIZE (longer than the path takes in one piece: singly the kernel cuts it into fragments)
 * end it for that transport until it has another address, EIO (the device cannot) for that socket. The message's
 * datagrams are sent singly then, at once and in their order. Lost:      what the kernel does not take now is dropped,
 * as a network would, and counted. Ownership: data stays the caller's and in place until batch_send(). */
#ifndef PARLEY_MEDIAD_BATCH_H
#define PARLEY_MEDIAD_BATCH_H

#include "mediad/mediad.h"
#include "mediad/runs.h"

#include <sys/socket.h>
#include <sys/uio.h>

#define BATCH_MESSAGES 64
#define BATCH_SEGMENTS 512

struct transport;

union batch_control {
	struct cmsghdr head;
	uint8_t room[CMSG_SPACE(sizeof(uint16_t))];
};

struct batch {
	struct mediad *md;
	uint32_t refused; /* sockets whose device cannot segment */
	unsigned socket, len, iov_len;
	struct mmsghdr msg[BATCH_MESSAGES];
	struct sockaddr_storage to[BATCH_MESSAGES];
	struct transport *t[BATCH_MESSAGES];
	union batch_control control[BATCH_MESSAGES];
	struct iovec iov[BATCH_SEGMENTS];
};

void batch_init(struct batch *batch, struct mediad *md);
/* For one more message of n datagrams, over that socket. */
bool batch_has_room(const struct batch *batch, unsigned socket, unsigned n);
/* t: whose it is, when it may have more than one datagram; else NULL. */
void batch_begin(struct batch *batch, unsigned socket, const struct session_address *to, struct transport *t);
void batch_add(struct batch *batch, uint8_t *data, size_t len);
/* Nothing was added: there is no message. */
void batch_end(struct batch *batch);
bool batch_may_segment(const struct batch *batch, unsigned socket, const struct transport *t);
/* All of them, which leaves it empty. */
void batch_send(struct batch *batch);

#endif
