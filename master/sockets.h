/* master/sockets.h - every socket of Parley: listening ones, and the UDP and TCP sockets of the mediads.
 *
 * Opened once at start, before privileges are given up, and kept until the end: a child's death closes
 * nothing. Listening sockets come from systemd when it passes any (sd_listen_fds_with_names): those named https,
 * redirect or admin are taken by name, others by the port they share with server.listen,
 * server.redirect or server.admin. What was not passed is opened here.
 *
 * Errors: -errno, and one line in the log that says which socket and why. An IPv6 address on a machine
 *         without IPv6 is skipped with a warning as long as another one of its kind remains, and so is a TCP
 *         port for media that somebody else has: media goes by UDP, TCP is for those who have no other way. */
#ifndef PARLEY_MASTER_SOCKETS_H
#define PARLEY_MASTER_SOCKETS_H

#include "lib/buf.h"
#include "lib/conf.h"

#define SOCKETS_KIND_MAX 16

enum socket_kind { SOCKET_HTTPS, SOCKET_REDIRECT, SOCKET_ADMIN, SOCKET_KINDS };

struct socket_list {
	int fd[SOCKETS_KIND_MAX];
	size_t len;
};

struct sockets {
	struct socket_list listening[SOCKET_KINDS];
	struct conf_addrs media;    /* the addresses media is received on, in the order of the sockets */
	struct socket_list udp[64]; /* per mediad: one socket per address */
	struct socket_list tcp[64]; /* the same, listening; none with media.tcp = off, fd -1 where not to be had */
	unsigned mediads;
	char *admin_path; /* of a unix socket that we made */
};

extern const char *const socket_kind_names[SOCKET_KINDS];

int sockets_open(const struct conf *conf, unsigned mediads, struct sockets *ret_sockets);
void sockets_close(struct sockets *sockets);
/* Lines of "ADDRESS:PORT" and "tcp ADDRESS:PORT" for mediad i: what goes into ICE candidates. */
int sockets_advertise(const struct sockets *sockets, const struct conf *conf, unsigned mediad, struct buf *ret_text);

#endif
