#include "master/regions.h"

#include "lib/ids.h"
#include "lib/log.h"
#include "master/certificate.h"
#include "shm/directory.h"
#include "shm/limits.h"
#include "shm/link.h"
#include "shm/ring.h"
#include "shm/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define TICKET_KEY_BYTES 96

static int *fds_new(size_t n)
{
	int *fds = malloc(n * sizeof(*fds));

	for (size_t i = 0; fds && i < n; i++)
		fds[i] = -1;
	return fds;
}

static int *fds_free(int *fds, size_t n)
{
	for (size_t i = 0; fds && i < n; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	free(fds);
	return NULL;
}

/* "w0" or "m1", for the names that /proc/PID/maps shows. */
static void node_name(const struct regions *r, unsigned node, char buf[16])
{
	bool worker = node < r->workers;

	snprintf(buf, 16, "%c%u", worker ? 'w' : 'm', worker ? node : node - r->workers);
}

static int create_links(struct regions *r)
{
	int err = 0;

	for (unsigned a = 0; a < r->nodes; a++) {
		for (unsigned b = 0; err == 0 && b < r->nodes; b++) {
			char name[64], from[16], to[16];
			if (a == b)
				continue;
			node_name(r, a, from);
			node_name(r, b, to);
			snprintf(name, sizeof(name), "parley-link-%s-%s", from, to);
			err = link_create(name, LINK_SLOTS_DEFAULT, &r->link[a * r->nodes + b]);
		}
		if (err == 0) {
			r->bell[a] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
			err = r->bell[a] < 0 ? -errno : 0;
		}
	}
	return err;
}

static int create_workers(struct regions *r, const struct conf *conf)
{
	uint32_t entries = directory_entries_for(conf->limits.websockets);
	char name[64];
	int err = limits_create(LIMITS_BUCKETS_DEFAULT, &r->limits_fd);

	for (unsigned i = 0; err == 0 && i < r->workers; i++) {
		snprintf(name, sizeof(name), "parley-directory-%u", i);
		err = directory_create(name, entries, &r->directory[i]);
	}
	return err;
}

static int create_mediads(struct regions *r, const struct conf *conf)
{
	uint32_t slots = conf->media.ring_slots ? conf->media.ring_slots : RING_SLOTS_DEFAULT;
	char name[64];
	int err = 0;

	for (unsigned i = 0; err == 0 && i < r->mediads; i++) {
		snprintf(name, sizeof(name), "parley-ring-%u", i);
		err = ring_create(name, slots, r->mediads, &r->ring[i]);
		if (err < 0)
			break;
		snprintf(name, sizeof(name), "parley-table-%u", i);
		err = session_create(name, conf->media.max_transports, &r->table[i]);
	}
	return err;
}

static int create_secrets(struct regions *r)
{
	uint8_t tickets[TICKET_KEY_BYTES];
	struct buf pem = { 0 };
	int err;

	random_bytes(tickets, sizeof(tickets));
	err = shm_blob_create("parley-tickets", tickets, sizeof(tickets), &r->tickets_fd);
	explicit_bzero(tickets, sizeof(tickets));
	if (err == 0)
		err = certificate_make_dtls(&pem);
	if (err == 0)
		err = shm_blob_create("parley-dtls", pem.data, pem.len, &r->dtls_fd);
	if (pem.data)
		explicit_bzero(pem.data, pem.cap);
	buf_fini(&pem);
	return err;
}

static int create_all(struct regions *r, const struct conf *conf)
{
	int err = 0;

	r->bell = fds_new(r->nodes);
	r->link = fds_new((size_t)r->nodes * r->nodes);
	r->directory = fds_new(r->workers);
	r->ring = fds_new(r->mediads);
	r->table = fds_new(r->mediads);
	if (!r->bell || !r->link || !r->directory || !r->ring || !r->table)
		return -ENOMEM;
	err = stats_create(&r->stats_fd);
	if (err == 0)
		err = stats_attach(&r->stats, r->stats_fd);
	if (err == 0)
		err = create_links(r);
	if (err == 0)
		err = create_workers(r, conf);
	if (err == 0)
		err = create_mediads(r, conf);
	if (err == 0)
		err = create_secrets(r);
	return err;
}

int regions_create(const struct conf *conf, unsigned workers, unsigned mediads, struct regions *ret_regions)
{
	struct regions r = { .workers = workers,
			     .mediads = mediads,
			     .nodes = workers + mediads,
			     .stats_fd = -1,
			     .limits_fd = -1,
			     .dtls_fd = -1,
			     .tickets_fd = -1 };
	int err = create_all(&r, conf);

	if (err < 0) {
		regions_close(&r);
		return err;
	}
	*ret_regions = r;
	return 0;
}

void regions_close(struct regions *regions)
{
	int *const single[] = { &regions->stats_fd, &regions->limits_fd, &regions->dtls_fd, &regions->tickets_fd };

	if (regions->stats.shm)
		shm_detach(&regions->stats.map);
	regions->stats.shm = NULL;
	for (size_t i = 0; i < ARRAY_LEN(single); i++) {
		if (*single[i] >= 0)
			close(*single[i]);
		*single[i] = -1;
	}
	regions->bell = fds_free(regions->bell, regions->nodes);
	regions->link = fds_free(regions->link, (size_t)regions->nodes * regions->nodes);
	regions->directory = fds_free(regions->directory, regions->workers);
	regions->ring = fds_free(regions->ring, regions->mediads);
	regions->table = fds_free(regions->table, regions->mediads);
}

/* Adds a read-only descriptor of the same memory, which belongs to the set. */
static int add_readonly(struct fdset *set, int fd, const char *what, unsigned index)
{
	int copy, err = shm_reopen_readonly(fd, &copy);

	if (err < 0)
		return err;
	err = fdset_add(set, copy, "%s.%u", what, index);
	if (err < 0) {
		close(copy);
		return err;
	}
	set->entry[set->len - 1].owned = true;
	return 0;
}

/* Links with and bells of everybody else. */
static int share_links(const struct regions *r, unsigned self, struct fdset *set)
{
	int err = fdset_add(set, r->bell[self], "bell");

	for (unsigned k = 0; err == 0 && k < r->nodes; k++) {
		bool worker = k < r->workers;
		unsigned index = worker ? k : k - r->workers;
		char role = worker ? 'w' : 'm';
		if (k == self)
			continue;
		err = fdset_add(set, r->bell[k], "bell.%c.%u", role, index);
		if (err == 0)
			err = fdset_add(set, r->link[self * r->nodes + k], "link.out.%c.%u", role, index);
		if (err == 0)
			err = add_readonly(set, r->link[k * r->nodes + self], worker ? "link.in.w" : "link.in.m",
					   index);
	}
	return err;
}

int regions_share_worker(const struct regions *regions, unsigned index, struct fdset *set)
{
	int err = fdset_add(set, regions->stats_fd, "stats");

	if (err == 0)
		err = share_links(regions, index, set);
	for (unsigned k = 0; err == 0 && k < regions->workers; k++) {
		if (k == index)
			err = fdset_add(set, regions->directory[k], "dir.own");
		else
			err = add_readonly(set, regions->directory[k], "dir", k);
	}
	if (err == 0)
		err = fdset_add(set, regions->limits_fd, "limits");
	if (err == 0)
		err = fdset_add(set, regions->tickets_fd, "tickets");
	return err;
}

int regions_share_mediad(const struct regions *regions, unsigned index, struct fdset *set)
{
	int err = fdset_add(set, regions->stats_fd, "stats");

	if (err == 0)
		err = share_links(regions, regions->workers + index, set);
	for (unsigned k = 0; err == 0 && k < regions->mediads; k++) {
		if (k == index)
			err = fdset_add(set, regions->ring[k], "ring.own");
		else
			err = add_readonly(set, regions->ring[k], "ring", k);
	}
	if (err == 0)
		err = fdset_add(set, regions->table[index], "table");
	if (err == 0)
		err = fdset_add(set, regions->dtls_fd, "dtls");
	return err;
}
