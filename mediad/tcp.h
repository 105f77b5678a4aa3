/* mediad/tcp.h - media over TCP, for networks that let no UDP out: passive ICE candidates (RFC 6544) on the ports of
 * the UDP sockets, packets framed by RFC 4571 (frame.h).
 *
 * A packet that comes out of a connection is a datagram like any other: transport_on_datagram() gets it, with the
 * socket SESSION_SOCKET_TCP | K, K being the address it came to. A struct session_address with that bit stands for one
 * connection, since our port is the listener's; so what is sent to it goes into that connection.
 *
 *   STRANGER ──a check that its transport took for valid──▶ KNOWN
 *   STRANGER ──10 s, too many packets, one that is no check, or newer ones need the room──▶ closed
 *   KNOWN ──its transport ends or gives the address up──▶ closed
 *   any ──the peer ends it, an error, a length out of range──▶ closed, and its transport is told
 *
 * Sending:   what one turn brings is gathered and written at its end (tcp_flush); what the kernel does not take waits,
 *            up to TCP_QUEUE_BYTES, and pictures only up to TCP_QUEUE_PICTURES: beyond, packets are dropped whole, as a
 *            network would, and counted. The kernel is told to keep little unsent itself.
 * Limits:    TCP_STRANGERS_MAX; 64 KiB of queue for a known one, made at the first answer. A transport has at most
 *            ICE_ADDRESSES_MAX addresses and so connections.
 * Callers:   one thread. Connections may be closed from within transport_on_datagram() and the loop's callbacks. */
#ifndef PARLEY_MEDIAD_TCP_H
#define PARLEY_MEDIAD_TCP_H

#include "mediad/mediad.h"

#define TCP_STRANGERS_MAX  256
#define TCP_QUEUE_BYTES	   (64 * 1024)
#define TCP_QUEUE_PICTURES (40 * 1024)

struct tcp;

/* Takes tcp.* from md->fds and adds them to md->loop; none is no error. */
int tcp_start(struct mediad *md, struct tcp **ret_tcp);
/* Ends all connections without a word to their transports. */
struct tcp *tcp_stop(struct tcp *tcp);
/* Queues a packet for that connection; picture: one that may be dropped first. Never blocks, closes nothing. */
void tcp_send(struct tcp *tcp, const struct session_address *to, const void *data, size_t len, bool picture);
/* Its transport has no use for it any more: what waits is tried once, then it is closed. */
void tcp_forget(struct tcp *tcp, const struct session_address *address);
/* Called by the idle hook; cheap when nothing waits. */
void tcp_flush(struct tcp *tcp);

#endif
