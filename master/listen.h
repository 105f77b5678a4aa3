/* master/listen.h - one socket, bound and ready. Errors: -errno, silent. */
#ifndef PARLEY_MASTER_LISTEN_H
#define PARLEY_MASTER_LISTEN_H

#include "lib/conf.h"

#define UDP_BUFFER_BYTES (4 * 1024 * 1024)

struct udp_buffers {
	int receive, send; /* bytes the kernel really gave */
};

int listen_tcp(const struct conf_addr *addr, int *ret_fd);
/* Replaces a dead socket at path; a living one is -EADDRINUSE. Mode 0660. */
int listen_unix(const char *path, int *ret_fd);
int listen_udp(const struct conf_addr *addr, int *ret_fd, struct udp_buffers *ret_buffers);
/* A listening socket made by someone else: close-on-exec and non-blocking. */
int listen_prepare_passed(int fd);

#endif
