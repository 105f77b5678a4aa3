#include "tools/admin_client.h"

#include "lib/cleanup.h"
#include "lib/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#define ANSWER_MAX (8 * 1024 * 1024)

static int connect_unix(const char *path, int *ret_fd)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	strcpy(sun.sun_path, path);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) < 0)
		return -errno;
	*ret_fd = STEAL_FD(fd);
	return 0;
}

static int connect_tcp(const char *text, int *ret_fd)
{
	struct conf_addr addr;

	if (conf_addr_parse(text, &addr) < 0 || addr.port == 0)
		return -EINVAL;
	auto_close int fd = socket(addr.sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&addr.sa, addr.len) < 0)
		return -errno;
	*ret_fd = STEAL_FD(fd);
	return 0;
}

static int exchange(int fd, const char *method, const char *path, const char *json, struct buf *answer)
{
	const struct timeval limit = { .tv_sec = 5 };
	struct buf request = { 0 };

	buf_appendf(&request, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n", method, path);
	if (json)
		buf_appendf(&request, "Content-Type: application/json\r\nContent-Length: %zu\r\n", strlen(json));
	buf_appendf(&request, "\r\n%s", json ? json : "");

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	bool sent = !request.failed && send(fd, request.data, request.len, MSG_NOSIGNAL) == (ssize_t)request.len;
	int err = request.failed ? -ENOMEM : -errno;
	buf_fini(&request);
	if (!sent)
		return err;
	for (;;) {
		uint8_t *room = buf_reserve(answer, 65536);
		ssize_t n = room ? recv(fd, room, 65536, 0) : -1;
		if (n < 0)
			return room ? -errno : -ENOMEM;
		if (n == 0)
			break;
		answer->len += (size_t)n;
		if (answer->len > ANSWER_MAX)
			return -EFBIG;
	}
	buf_append(answer, "", 1);
	return answer->failed ? -ENOMEM : 0;
}

int admin_request(const char *admin, const char *method, const char *path, const char *json, int *ret_status,
		  struct buf *ret_body)
{
	auto_close int fd = -1;
	int err = strncmp(admin, "unix:", 5) == 0 ? connect_unix(admin + 5, &fd) : connect_tcp(admin, &fd);
	int status;

	buf_clear(ret_body);
	if (err == 0)
		err = exchange(fd, method, path, json, ret_body);
	if (err < 0)
		return err;
	const char *text = (const char *)ret_body->data, *body = strstr(text, "\r\n\r\n");
	if (!body || sscanf(text, "HTTP/1.%*1d %3d", &status) != 1)
		return -EPROTO;
	buf_consume(ret_body, (size_t)(body + 4 - text));
	ret_body->len--;
	*ret_status = status;
	return 0;
}

int admin_get(const char *admin, const char *path, int *ret_status, struct buf *ret_body)
{
	return admin_request(admin, "GET", path, NULL, ret_status, ret_body);
}

/* Does this line hold that sample? Returns the text of its value, or NULL. */
static const char *sample_value(const char *line, size_t len, const char *name, const char *want)
{
	size_t name_len = strlen(name);

	if (len <= name_len || strncmp(line, name, name_len) != 0)
		return NULL;
	const char *after = line + name_len, *end = line + len;
	if (*after == ' ')
		return want ? NULL : after + 1;
	if (*after != '{' || !want)
		return NULL;
	const char *close = memchr(after, '}', (size_t)(end - after));
	const char *found = memmem(after, (size_t)(end - after), want, strlen(want));
	if (!close || !found || found > close || close + 1 >= end)
		return NULL;
	return close + 2;
}

bool metric_find(const char *metrics, const char *name, const char *label, unsigned value, double *ret_value)
{
	char want[64];

	if (label)
		snprintf(want, sizeof(want), "%s=\"%u\"", label, value);
	for (const char *line = metrics; *line;) {
		size_t len = strcspn(line, "\n");
		const char *text = sample_value(line, len, name, label ? want : NULL);
		if (text) {
			*ret_value = strtod(text, NULL);
			return true;
		}
		line += len + (line[len] == '\n');
	}
	return false;
}
