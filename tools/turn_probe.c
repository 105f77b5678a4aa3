#include "tools/turn_probe.h"

#include "lib/cleanup.h"
#include "lib/ids.h"

#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define WAIT_MS	 1000
#define STUN_LEN 20
#define STUN_COOKIE                    \
	{                              \
		0x21, 0x12, 0xa4, 0x42 \
	}
#define STUN_REQUEST 0x0001
#define STUN_SUCCESS 0x0101
#define STUN_FAILURE 0x0111 /* an answer too: somebody speaks STUN there */

/* Waits for events on a socket; 0 or -errno. */
static int wait_for(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };
	int err = 0, n = poll(&p, 1, WAIT_MS);
	socklen_t len = sizeof(err);

	if (n < 0)
		return -errno;
	if (n == 0)
		return -ETIMEDOUT;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		return -errno;
	return -err;
}

static int ask_stun(int fd)
{
	uint8_t request[STUN_LEN] = { STUN_REQUEST >> 8, STUN_REQUEST & 0xff }, answer[512];
	const uint8_t cookie[] = STUN_COOKIE;

	memcpy(request + 4, cookie, sizeof(cookie));
	random_bytes(request + 8, STUN_LEN - 8);
	if (send(fd, request, sizeof(request), MSG_NOSIGNAL) < 0)
		return -errno;
	int err = wait_for(fd, POLLIN);
	if (err < 0)
		return err;
	ssize_t len = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);
	if (len < 0)
		return -errno;
	unsigned type = len >= STUN_LEN ? (unsigned)answer[0] << 8 | answer[1] : 0;
	bool ours = len >= STUN_LEN && memcmp(answer + 4, request + 4, STUN_LEN - 4) == 0;
	return ours && (type == STUN_SUCCESS || type == STUN_FAILURE) ? 0 : -EPROTO;
}

static int probe_address(const struct turn_url *url, const struct addrinfo *ai)
{
	auto_close int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) < 0 && errno != EINPROGRESS)
		return -errno;
	return url->tcp ? wait_for(fd, POLLOUT) : ask_stun(fd);
}

int turn_probe(const struct turn_url *url)
{
	struct addrinfo hints = { .ai_socktype = url->tcp ? SOCK_STREAM : SOCK_DGRAM }, *list;
	char port[8];
	int err = -EHOSTUNREACH;

	snprintf(port, sizeof(port), "%u", url->port);
	if (getaddrinfo(url->host, port, &hints, &list) != 0)
		return -EHOSTUNREACH;
	for (const struct addrinfo *ai = list; ai && err < 0; ai = ai->ai_next)
		err = probe_address(url, ai);
	freeaddrinfo(list);
	return err;
}
