#include "master/sockets.h"

#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/addresses.h"
#include "master/listen.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

const char *const socket_kind_names[SOCKET_KINDS] = { "https", "redirect", "admin" };

static int list_add(struct socket_list *list, int fd)
{
	if (list->len == SOCKETS_KIND_MAX)
		return -ENOSPC;
	list->fd[list->len++] = fd;
	return 0;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t len = sizeof(sa);

	if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		return 0;
	if (sa.ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)&sa)->sin_port);
	if (sa.ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)&sa)->sin6_port);
	return 0;
}

static bool has_port(const struct conf_addrs *addrs, uint16_t port)
{
	for (size_t i = 0; i < addrs->len; i++) {
		if (addrs->item[i].port == port)
			return true;
	}
	return false;
}

/* Which kind a passed socket is; SOCKET_KINDS when it is none of ours. */
static enum socket_kind kind_of(const struct conf *conf, int fd, const char *name)
{
	struct conf_addr admin = { 0 };
	uint16_t port = port_of(fd);

	for (unsigned k = 0; k < SOCKET_KINDS; k++) {
		if (strcmp(name, socket_kind_names[k]) == 0)
			return k;
	}
	if (sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) > 0)
		return SOCKET_ADMIN;
	if (port && has_port(&conf->server.listen, port))
		return SOCKET_HTTPS;
	if (port && has_port(&conf->server.redirect, port))
		return SOCKET_REDIRECT;
	if (port && conf_addr_parse(conf->server.admin, &admin) == 0 && admin.port == port)
		return SOCKET_ADMIN;
	return SOCKET_KINDS;
}

static int take_passed_one(struct sockets *s, const struct conf *conf, int fd, const char *name)
{
	enum socket_kind kind;

	if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0) {
		log_error("sockets: '%s' passed by systemd is not a listening stream socket", name);
		return -EINVAL;
	}
	kind = kind_of(conf, fd, name);
	if (kind == SOCKET_KINDS) {
		log_error("sockets: '%s' (port %u) passed by systemd is named neither https, redirect nor admin and "
			  "its port is none of [server]",
			  name, port_of(fd));
		return -EINVAL;
	}
	int err = listen_prepare_passed(fd);
	if (err == 0)
		err = list_add(&s->listening[kind], fd);
	if (err < 0)
		log_error("sockets: '%s' passed by systemd: %s", name, strerror(-err));
	return err;
}

static int take_passed(struct sockets *s, const struct conf *conf)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(1, &names), err = n < 0 ? n : 0;

	if (n < 0)
		log_error("sockets: what systemd passed: %s", strerror(-n));
	for (int i = 0; i < n; i++) {
		if (err == 0)
			err = take_passed_one(s, conf, SD_LISTEN_FDS_START + i, names[i]);
		free(names[i]);
	}
	free(names);
	return err;
}

static int open_addrs(struct sockets *s, enum socket_kind kind, const struct conf_addrs *addrs)
{
	struct socket_list *list = &s->listening[kind];
	char text[64];

	if (list->len > 0)
		return 0; /* systemd has them */
	for (size_t i = 0; i < addrs->len; i++) {
		const struct conf_addr *addr = &addrs->item[i];
		int fd, err = listen_tcp(addr, &fd);
		conf_addr_format(addr, text, sizeof(text));
		if ((err == -EAFNOSUPPORT || err == -EADDRNOTAVAIL) && addr->sa.ss_family == AF_INET6 &&
		    (list->len > 0 || i + 1 < addrs->len)) {
			log_warn("sockets: %s %s: %s, going on without it", socket_kind_names[kind], text,
				 strerror(-err));
			continue;
		}
		if (err < 0) {
			log_error("sockets: server.%s: cannot listen on %s: %s",
				  kind == SOCKET_HTTPS ? "listen" : "redirect", text, strerror(-err));
			return err;
		}
		list_add(list, fd);
	}
	if (addrs->len > 0 && list->len == 0) {
		log_error("sockets: server.%s: none of the addresses exists here",
			  kind == SOCKET_HTTPS ? "listen" : "redirect");
		return -EADDRNOTAVAIL;
	}
	return 0;
}

static int open_admin(struct sockets *s, const struct conf *conf)
{
	const char *admin = conf->server.admin;
	bool is_unix = strncmp(admin, "unix:", 5) == 0;
	struct conf_addr addr;
	int fd = -1, err;

	if (s->listening[SOCKET_ADMIN].len > 0 || !*admin)
		return 0;
	if (is_unix)
		err = listen_unix(admin + 5, &fd);
	else
		err = conf_addr_parse(admin, &addr) < 0 ? -EINVAL : listen_tcp(&addr, &fd);
	if (err < 0) {
		log_error("sockets: server.admin: cannot listen on %s: %s", admin, strerror(-err));
		return err;
	}
	if (is_unix)
		s->admin_path = strdup(admin + 5);
	return list_add(&s->listening[SOCKET_ADMIN], fd);
}

static int open_udp(struct sockets *s, const struct conf *conf, unsigned mediad)
{
	char text[64];

	for (size_t i = 0; i < s->media.len; i++) {
		struct conf_addr addr = s->media.item[i];
		struct udp_buffers got;
		int fd, err;
		addr.port = (uint16_t)(conf->media.port + mediad);
		conf_addr_format(&addr, text, sizeof(text));
		err = listen_udp(&addr, &fd, &got);
		if (err < 0) {
			log_error("sockets: media.port: cannot receive on %s (UDP): %s", text, strerror(-err));
			return err;
		}
		if (mediad == 0 && i == 0 && (got.receive < UDP_BUFFER_BYTES || got.send < UDP_BUFFER_BYTES))
			log_info("sockets: UDP buffers of %d and %d KiB instead of %d; raise net.core.rmem_max and "
				 "wmem_max for busy servers",
				 got.receive / 1024, got.send / 1024, UDP_BUFFER_BYTES / 1024);
		list_add(&s->udp[mediad], fd);
	}
	return 0;
}

static void open_tcp(struct sockets *s, const struct conf *conf, unsigned mediad)
{
	char text[64];

	for (size_t i = 0; i < s->media.len; i++) {
		struct conf_addr addr = s->media.item[i];
		int fd = -1;
		addr.port = (uint16_t)(conf->media.port + mediad);
		int err = listen_tcp(&addr, &fd);
		if (err < 0)
			log_warn("sockets: media.port: cannot listen on %s (TCP): %s; whose network lets no UDP out "
				 "cannot "
				 "connect there. An outgoing connection may have the port: see media.port in "
				 "parley.conf(5)",
				 conf_addr_format(&addr, text, sizeof(text)), strerror(-err));
		list_add(&s->tcp[mediad], fd);
	}
}

static int open_all(struct sockets *s, const struct conf *conf, unsigned mediads)
{
	int err = take_passed(s, conf);

	if (err == 0)
		err = open_addrs(s, SOCKET_HTTPS, &conf->server.listen);
	if (err == 0)
		err = open_addrs(s, SOCKET_REDIRECT, &conf->server.redirect);
	if (err == 0)
		err = open_admin(s, conf);
	if (err < 0)
		return err;
	err = addresses_find(conf, &s->media);
	if (err < 0) {
		log_error("sockets: media.listen: no usable address: %s", strerror(-err));
		return err;
	}
	for (unsigned i = 0; err == 0 && i < mediads; i++)
		err = open_udp(s, conf, i);
	for (unsigned i = 0; err == 0 && conf->media.tcp == CONF_ON && i < mediads; i++)
		open_tcp(s, conf, i);
	return err;
}

int sockets_open(const struct conf *conf, unsigned mediads, struct sockets *ret_sockets)
{
	struct sockets s = { .mediads = mediads };
	int err = open_all(&s, conf, mediads);

	if (err < 0) {
		sockets_close(&s);
		return err;
	}
	*ret_sockets = s;
	return 0;
}

static void list_close(struct socket_list *list)
{
	for (size_t i = 0; i < list->len; i++) {
		if (list->fd[i] >= 0)
			close(list->fd[i]);
	}
	list->len = 0;
}

void sockets_close(struct sockets *sockets)
{
	for (unsigned k = 0; k < SOCKET_KINDS; k++)
		list_close(&sockets->listening[k]);
	for (unsigned i = 0; i < sockets->mediads; i++) {
		list_close(&sockets->udp[i]);
		list_close(&sockets->tcp[i]);
	}
	if (sockets->admin_path)
		unlink(sockets->admin_path);
	free(sockets->admin_path);
	sockets->admin_path = NULL;
}

static bool has_tcp(const struct socket_list *list, size_t i)
{
	return i < list->len && list->fd[i] >= 0;
}

/* media.advertise names addresses of somebody else, who forwards to any of ours. */
static bool is_tcp_advertised(const struct sockets *sockets, const struct conf *conf, unsigned mediad, size_t i)
{
	const struct socket_list *list = &sockets->tcp[mediad];
	bool any = false;

	if (conf->media.advertise.len == 0)
		return has_tcp(list, i);
	for (size_t k = 0; k < list->len; k++)
		any |= has_tcp(list, k);
	return any;
}

int sockets_advertise(const struct sockets *sockets, const struct conf *conf, unsigned mediad, struct buf *ret_text)
{
	const struct conf_addrs *addrs = conf->media.advertise.len > 0 ? &conf->media.advertise : &sockets->media;
	struct buf tcp = { 0 };
	char text[64];

	for (size_t i = 0; i < addrs->len; i++) {
		struct conf_addr addr = addrs->item[i];
		addr.port = (uint16_t)((addr.port ? addr.port : conf->media.port) + mediad);
		conf_addr_format(&addr, text, sizeof(text));
		buf_appendf(ret_text, "%s\n", text);
		if (is_tcp_advertised(sockets, conf, mediad, i))
			buf_appendf(&tcp, "tcp %s\n", text);
	}
	if (tcp.len > 0)
		buf_append(ret_text, tcp.data, tcp.len);
	bool failed = ret_text->failed || tcp.failed;
	buf_fini(&tcp);
	return failed ? -ENOMEM : 0;
}
