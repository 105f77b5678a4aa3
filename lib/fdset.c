#include "lib/fdset.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int name_valid(const char *name, size_t len)
{
	if (len == 0 || len > FDSET_NAME_MAX)
		return -EINVAL;
	if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") < len)
		return -EINVAL;
	return 0;
}

static struct fdset_entry *find(const struct fdset *set, const char *name)
{
	for (size_t i = 0; i < set->len; i++) {
		if (set->entry[i].fd >= 0 && strcmp(set->entry[i].name, name) == 0)
			return (struct fdset_entry *)&set->entry[i];
	}
	return NULL;
}

static int name_format(char name[FDSET_NAME_MAX + 1], const char *fmt, va_list ap)
{
	int n = vsnprintf(name, FDSET_NAME_MAX + 1, fmt, ap);

	return n < 0 ? -EINVAL : name_valid(name, (size_t)n);
}

int fdset_add(struct fdset *set, int fd, const char *fmt, ...)
{
	char name[FDSET_NAME_MAX + 1];
	va_list ap;

	va_start(ap, fmt);
	int err = name_format(name, fmt, ap);
	va_end(ap);
	if (err < 0)
		return err;
	if (fd < 0)
		return -EBADF;
	if (find(set, name))
		return -EEXIST;
	if (set->len == FDSET_MAX)
		return -ENOSPC;
	struct fdset_entry *e = &set->entry[set->len++];
	memcpy(e->name, name, sizeof(name));
	e->fd = fd;
	e->owned = false;
	return 0;
}

char *fdset_exec_prepare(struct fdset *set)
{
	int base = 3 + (int)set->len;
	char *at = set->env;

	/* First out of the way of the target numbers, then into place; neither copy is close-on-exec. */
	for (size_t i = 0; i < set->len; i++) {
		int fd = fcntl(set->entry[i].fd, F_DUPFD_CLOEXEC, base);
		if (fd < 0)
			return NULL;
		set->entry[i].fd = fd;
	}
	for (size_t i = 0; i < set->len; i++) {
		if (dup2(set->entry[i].fd, 3 + (int)i) < 0)
			return NULL;
		set->entry[i].fd = 3 + (int)i;
	}
	if (syscall(SYS_close_range, (unsigned)base, ~0U, 0) < 0)
		return NULL;
	memcpy(at, FDSET_ENV "=", sizeof(FDSET_ENV));
	at += sizeof(FDSET_ENV);
	for (size_t i = 0; i < set->len; i++) {
		size_t len = strlen(set->entry[i].name);
		if (i > 0)
			*at++ = ':';
		memcpy(at, set->entry[i].name, len);
		at += len;
	}
	*at = 0;
	return set->env;
}

/* One name of the variable; its number follows from its place. */
static int receive_one(struct fdset *set, const char *name, size_t len)
{
	int err = name_valid(name, len);

	if (err < 0)
		return err;
	if (set->len == FDSET_MAX)
		return -ENOSPC;
	struct fdset_entry *e = &set->entry[set->len];
	memcpy(e->name, name, len);
	e->name[len] = 0;
	if (find(set, e->name))
		return -EEXIST;
	e->fd = 3 + (int)set->len;
	e->owned = true;
	if (fcntl(e->fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	set->len++;
	return 0;
}

int fdset_receive(struct fdset *ret_set)
{
	const char *env = getenv(FDSET_ENV);

	if (!env)
		return -ENOENT;
	ret_set->len = 0;
	while (*env) {
		size_t len = strcspn(env, ":");
		int err = receive_one(ret_set, env, len);
		if (err < 0) {
			ret_set->len = 0;
			return err;
		}
		env += len;
		if (*env == ':')
			env++;
	}
	unsetenv(FDSET_ENV);
	return 0;
}

int fdset_take(struct fdset *set, const char *fmt, ...)
{
	char name[FDSET_NAME_MAX + 1];
	va_list ap;

	va_start(ap, fmt);
	int err = name_format(name, fmt, ap);
	va_end(ap);
	if (err < 0)
		return err;
	struct fdset_entry *e = find(set, name);
	if (!e)
		return -ENOENT;
	int fd = e->fd;
	e->fd = -1;
	return fd;
}

bool fdset_has(const struct fdset *set, const char *fmt, ...)
{
	char name[FDSET_NAME_MAX + 1];
	va_list ap;

	va_start(ap, fmt);
	int err = name_format(name, fmt, ap);
	va_end(ap);
	return err == 0 && find(set, name);
}

void fdset_close_rest(struct fdset *set)
{
	for (size_t i = 0; i < set->len; i++) {
		if (set->entry[i].fd >= 0 && set->entry[i].owned)
			close(set->entry[i].fd);
		set->entry[i].fd = -1;
	}
}
