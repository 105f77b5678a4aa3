#include "master/listen.h"

#include "lib/cleanup.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LISTEN_BACKLOG 4096

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int open_bound(const struct conf_addr *addr, int type, int *ret_fd)
{
	auto_close int fd = socket(addr->sa.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_storage sa = addr->sa;
	int err = fd < 0 ? -errno : 0;

	if (err == 0 && type == SOCK_STREAM)
		err = set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	/* [::] and 0.0.0.0 are two sockets, each in its own family. */
	if (err == 0 && sa.ss_family == AF_INET6)
		err = set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (err < 0)
		return err;
	if (sa.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&sa)->sin6_port = htons(addr->port);
	else
		((struct sockaddr_in *)&sa)->sin_port = htons(addr->port);
	if (bind(fd, (const struct sockaddr *)&sa, addr->len) < 0)
		return -errno;
	*ret_fd = STEAL_FD(fd);
	return 0;
}

int listen_tcp(const struct conf_addr *addr, int *ret_fd)
{
	auto_close int fd = -1;
	int err = open_bound(addr, SOCK_STREAM, &fd);

	if (err < 0)
		return err;
	if (listen(fd, LISTEN_BACKLOG) < 0)
		return -errno;
	*ret_fd = STEAL_FD(fd);
	return 0;
}

/* Nobody answers at path: it is left over from a process that died. */
static bool is_dead(const struct sockaddr_un *sun)
{
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) < 0 && errno == ECONNREFUSED;
}

int listen_unix(const char *path, int *ret_fd)
{
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	if (fd < 0)
		return -errno;
	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	strcpy(sun.sun_path, path);
	if (is_dead(&sun))
		unlink(path);
	if (bind(fd, (const struct sockaddr *)&sun, sizeof(sun)) < 0 || chmod(path, 0660) < 0 ||
	    listen(fd, LISTEN_BACKLOG) < 0)
		return -errno;
	*ret_fd = STEAL_FD(fd);
	return 0;
}

/* As much as asked with CAP_NET_ADMIN, else as much as the system's maximum allows. The kernel doubles the number
 * for its own bookkeeping and tells the doubled one. */
static int buffer_grow(int fd, int name, int force_name)
{
	int got = 0;
	socklen_t len = sizeof(got);

	if (set_int(fd, SOL_SOCKET, force_name, UDP_BUFFER_BYTES) < 0)
		(void)set_int(fd, SOL_SOCKET, name, UDP_BUFFER_BYTES);
	if (getsockopt(fd, SOL_SOCKET, name, &got, &len) < 0)
		return 0;
	return got / 2;
}

int listen_udp(const struct conf_addr *addr, int *ret_fd, struct udp_buffers *ret_buffers)
{
	auto_close int fd = -1;
	int err = open_bound(addr, SOCK_DGRAM, &fd);

	if (err < 0)
		return err;
	/* A path narrower than our 1200-byte packets shall fragment them rather than swallow them. */
	if (addr->sa.ss_family == AF_INET6)
		(void)set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
	else
		(void)set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
	ret_buffers->receive = buffer_grow(fd, SO_RCVBUF, SO_RCVBUFFORCE);
	ret_buffers->send = buffer_grow(fd, SO_SNDBUF, SO_SNDBUFFORCE);
	*ret_fd = STEAL_FD(fd);
	return 0;
}

int listen_prepare_passed(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	return 0;
}
