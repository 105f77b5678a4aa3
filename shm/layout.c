#include "shm/layout.h"

#include "lib/cleanup.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALS_SIZE (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static int write_all(int fd, const void *data, size_t len)
{
	const uint8_t *at = data;

	while (len > 0) {
		ssize_t n = write(fd, at, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int shm_create(const char *name, uint32_t magic, size_t size, int *ret_fd)
{
	struct shm_header header = { .magic = magic, .layout = SHM_LAYOUT_VERSION, .size = size };

	if (size < sizeof(header) || size > INT64_MAX)
		return -EINVAL;
	auto_close int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) < 0)
		return -errno;
	int err = write_all(fd, &header, sizeof(header));
	if (err < 0)
		return err;
	if (fcntl(fd, F_ADD_SEALS, SEALS_SIZE) < 0)
		return -errno;
	*ret_fd = STEAL_FD(fd);
	return 0;
}

int shm_reopen_readonly(int fd, int *ret_fd)
{
	char path[32];

	/* A second open file description: dup() would share the writable one. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int copy = open(path, O_RDONLY | O_CLOEXEC);
	if (copy < 0)
		return -errno;
	*ret_fd = copy;
	return 0;
}

int shm_attach(int fd, uint32_t magic, size_t min_size, bool writable, struct shm_map *ret_map)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	/* Without this seal the memory could vanish under us (SIGBUS). */
	int seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || !(seals & F_SEAL_SHRINK))
		return -EPROTO;
	size_t size = (size_t)st.st_size;
	if (size < MAX(min_size, sizeof(struct shm_header)))
		return -EPROTO;
	void *base = mmap(NULL, size, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	const struct shm_header *header = base;
	if (header->magic != magic || header->layout != SHM_LAYOUT_VERSION || header->size != size) {
		munmap(base, size);
		return -EPROTO;
	}
	*ret_map = (struct shm_map){ .base = base, .size = size, .writable = writable };
	return 0;
}

void shm_detach(struct shm_map *map)
{
	if (map->base)
		munmap(map->base, map->size);
	*map = (struct shm_map){ 0 };
}

int shm_blob_create(const char *name, const void *data, size_t len, int *ret_fd)
{
	auto_close int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	int err = write_all(fd, data, len);
	if (err < 0)
		return err;
	if (fcntl(fd, F_ADD_SEALS, SEALS_SIZE | F_SEAL_WRITE) < 0)
		return -errno;
	*ret_fd = STEAL_FD(fd);
	return 0;
}

int shm_blob_read(int fd, size_t max, char **ret_data, size_t *ret_len)
{
	struct stat st;
	size_t at = 0;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < 0 || (uint64_t)st.st_size > max)
		return -EFBIG;
	size_t len = (size_t)st.st_size;
	auto_free char *data = malloc(len + 1);
	if (!data)
		return -ENOMEM;
	/* pread: the descriptor may be shared with a predecessor that has read it already. */
	while (at < len) {
		ssize_t n = pread(fd, data + at, len - at, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		at += (size_t)n;
	}
	data[len] = 0;
	*ret_data = STEAL_PTR(data);
	*ret_len = len;
	return 0;
}
