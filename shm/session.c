#include "shm/session.h"

#include "lib/cleanup.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SESSION_TRANSPORTS_MAX (1u << 16)

/* ---- layout ---- */

struct plan {
	uint32_t transports, tracks, seats;
	size_t transports_offset, tracks_offset, seats_offset, size;
};

static size_t align_line(size_t n)
{
	return (n + SHM_LINE - 1) & ~(size_t)(SHM_LINE - 1);
}

static struct plan plan_for(uint32_t max_transports)
{
	struct plan p = {
		.transports = max_transports,
		.tracks = max_transports * SESSION_TRACKS_PER_TRANSPORT,
		.seats = max_transports * SESSION_SEATS_PER_TRANSPORT,
	};

	p.transports_offset = align_line(sizeof(struct session_region));
	p.tracks_offset = align_line(p.transports_offset + p.transports * sizeof(struct session_transport));
	p.seats_offset = align_line(p.tracks_offset + p.tracks * sizeof(struct session_track));
	p.size = p.seats_offset + p.seats * sizeof(struct session_seat);
	return p;
}

size_t session_region_size(uint32_t max_transports)
{
	return plan_for(max_transports).size;
}

int session_create(const char *name, uint32_t max_transports, int *ret_fd)
{
	struct shm_map map;

	if (max_transports == 0 || max_transports > SESSION_TRANSPORTS_MAX)
		return -EINVAL;
	struct plan p = plan_for(max_transports);
	auto_close int fd = -1;
	int err = shm_create(name, SHM_MAGIC_TABLE, p.size, &fd);
	if (err < 0)
		return err;
	err = shm_attach(fd, SHM_MAGIC_TABLE, p.size, true, &map);
	if (err < 0)
		return err;
	struct session_region *shm = map.base;
	shm->max_transports = p.transports;
	shm->max_tracks = p.tracks;
	shm->max_seats = p.seats;
	shm->transports_offset = p.transports_offset;
	shm->tracks_offset = p.tracks_offset;
	shm->seats_offset = p.seats_offset;
	shm_detach(&map);
	*ret_fd = STEAL_FD(fd);
	return 0;
}

/* ---- what a predecessor must have left right ---- */

static bool transport_valid(const void *record)
{
	const struct session_transport *t = record;

	return atomic_load_explicit(&t->state, memory_order_relaxed) <= TRANSPORT_DISCONNECTED && t->generation != 0 &&
	       t->mlines_len <= SESSION_MLINES_MAX;
}

static bool track_valid(const void *record)
{
	const struct session_track *t = record;

	return atomic_load_explicit(&t->state, memory_order_relaxed) == 1 && t->generation != 0 &&
	       t->mline < SESSION_MLINES_MAX && t->layers_len <= SESSION_LAYERS_MAX && t->track_kind < TRACK_KIND_COUNT;
}

static bool seat_valid(const void *record)
{
	const struct session_seat *s = record;

	return atomic_load_explicit(&s->state, memory_order_relaxed) <= 1 + SEAT_PAUSED && s->generation != 0 &&
	       s->mline < SESSION_MLINES_MAX && s->layer < SESSION_LAYERS_MAX;
}

/* ---- records: what the three kinds have in common ---- */

/* One array of a table and its free stack: never used records at the bottom, freed ones on top. Every kind of
 * record begins with state and generation. */
struct records {
	uint8_t *base;
	size_t size; /* of one record */
	uint32_t max;
	uint32_t *top; /* in the region */
	uint32_t *free, *free_len;
};

#define RECORD_KEPT (2 * sizeof(uint32_t))
_Static_assert(offsetof(struct session_transport, generation) == 4, "state, generation, then the rest");
_Static_assert(offsetof(struct session_track, generation) == 4, "state, generation, then the rest");
_Static_assert(offsetof(struct session_seat, generation) == 4, "state, generation, then the rest");

static struct records transports_of(const struct session_table *t)
{
	struct session_table *table = (struct session_table *)t;

	return (struct records){ (uint8_t *)t->transport, sizeof(*t->transport), t->max_transports,
				 &t->shm->transports_top, t->free_transports,	 &table->free_transports_len };
}

static struct records tracks_of(const struct session_table *t)
{
	struct session_table *table = (struct session_table *)t;

	return (struct records){ (uint8_t *)t->track, sizeof(*t->track), t->max_tracks,
				 &t->shm->tracks_top, t->free_tracks,	 &table->free_tracks_len };
}

static struct records seats_of(const struct session_table *t)
{
	struct session_table *table = (struct session_table *)t;

	return (struct records){ (uint8_t *)t->seat, sizeof(*t->seat), t->max_seats,
				 &t->shm->seats_top, t->free_seats,    &table->free_seats_len };
}

static _Atomic uint32_t *state_of(void *record)
{
	return record;
}

static uint32_t *generation_of(void *record)
{
	return (uint32_t *)record + 1;
}

/* A record that makes no sense is dropped alone. Relaxed: the predecessor is dead. */
static void records_rebuild(struct records r, bool (*valid)(const void *record))
{
	uint32_t top = MIN(*r.top, r.max);

	*r.free_len = 0;
	for (uint32_t i = r.max; i-- > top;)
		r.free[(*r.free_len)++] = i;
	for (uint32_t i = top; i-- > 0;) {
		void *record = r.base + i * r.size;
		if (atomic_load_explicit(state_of(record), memory_order_relaxed) != 0 && valid(record))
			continue;
		atomic_store_explicit(state_of(record), 0, memory_order_relaxed);
		r.free[(*r.free_len)++] = i;
	}
}

/* State (0) and generation stay while the rest is zeroed: a death in between must not make the generation
 * begin again, or an old handle would find the next record. */
static void *record_new(struct records r)
{
	if (*r.free_len == 0)
		return NULL;
	uint32_t i = r.free[--*r.free_len];
	if (i >= *r.top)
		*r.top = i + 1;
	void *record = r.base + i * r.size;
	if (++*generation_of(record) == 0)
		*generation_of(record) = 1;
	memset((uint8_t *)record + RECORD_KEPT, 0, r.size - RECORD_KEPT);
	return record;
}

static uint32_t record_index(struct records r, const void *record)
{
	return (uint32_t)((size_t)((const uint8_t *)record - r.base) / r.size);
}

static void record_free(struct records r, void *record)
{
	if (!record)
		return;
	assert(*r.free_len < r.max);
	atomic_store_explicit(state_of(record), 0, memory_order_release);
	r.free[(*r.free_len)++] = record_index(r, record);
}

static uint64_t record_handle(struct records r, const void *record)
{
	return (uint64_t)*generation_of((void *)record) << 32 | (record_index(r, record) + 1);
}

static void *record_find(struct records r, uint64_t handle)
{
	uint32_t i = session_handle_index(handle);

	if (i >= r.max || i >= *r.top)
		return NULL;
	void *record = r.base + i * r.size;
	if (*generation_of(record) != handle >> 32 || atomic_load_explicit(state_of(record), memory_order_relaxed) == 0)
		return NULL;
	return record;
}

/* ---- attach ---- */

int session_attach(struct session_table *table, int fd, uint32_t epoch)
{
	struct session_table t = { 0 };

	int err = shm_attach(fd, SHM_MAGIC_TABLE, sizeof(struct session_region), true, &t.map);
	if (err < 0)
		return err;
	t.shm = t.map.base;
	t.max_transports = t.shm->max_transports;
	err = -EPROTO;
	if (t.max_transports == 0 || t.max_transports > SESSION_TRANSPORTS_MAX)
		goto fail;
	struct plan p = plan_for(t.max_transports);
	t.max_tracks = p.tracks;
	t.max_seats = p.seats;
	if (t.map.size != p.size || t.shm->max_tracks != p.tracks || t.shm->max_seats != p.seats ||
	    t.shm->transports_offset != p.transports_offset || t.shm->tracks_offset != p.tracks_offset ||
	    t.shm->seats_offset != p.seats_offset)
		goto fail;
	t.transport = (void *)((uint8_t *)t.map.base + p.transports_offset);
	t.track = (void *)((uint8_t *)t.map.base + p.tracks_offset);
	t.seat = (void *)((uint8_t *)t.map.base + p.seats_offset);
	err = -ENOMEM;
	t.free_transports = malloc(t.max_transports * sizeof(uint32_t));
	t.free_tracks = malloc(t.max_tracks * sizeof(uint32_t));
	t.free_seats = malloc(t.max_seats * sizeof(uint32_t));
	if (!t.free_transports || !t.free_tracks || !t.free_seats)
		goto fail;
	records_rebuild(transports_of(&t), transport_valid);
	records_rebuild(tracks_of(&t), track_valid);
	records_rebuild(seats_of(&t), seat_valid);
	atomic_store_explicit(&t.shm->header.epoch, epoch, memory_order_release);
	*table = t;
	return 0;
fail:
	session_detach(&t);
	return err;
}

void session_detach(struct session_table *table)
{
	free(table->free_transports);
	free(table->free_tracks);
	free(table->free_seats);
	shm_detach(&table->map);
	*table = (struct session_table){ 0 };
}

/* ---- transports, tracks, seats ---- */

int session_transport_new(struct session_table *table, struct session_transport **ret_transport)
{
	struct session_transport *transport = record_new(transports_of(table));

	if (!transport)
		return -ENOSPC;
	*ret_transport = transport;
	return 0;
}

int session_track_new(struct session_table *table, struct session_track **ret_track)
{
	struct session_track *track = record_new(tracks_of(table));

	if (!track)
		return -ENOSPC;
	*ret_track = track;
	return 0;
}

int session_seat_new(struct session_table *table, struct session_seat **ret_seat)
{
	struct session_seat *seat = record_new(seats_of(table));

	if (!seat)
		return -ENOSPC;
	*ret_seat = seat;
	return 0;
}

void session_transport_free(struct session_table *table, struct session_transport *transport)
{
	record_free(transports_of(table), transport);
	if (!transport)
		return;
	/* Keys and passwords do not outlive their transport. */
	explicit_bzero(transport->local_pwd, sizeof(transport->local_pwd));
	explicit_bzero(transport->remote_pwd, sizeof(transport->remote_pwd));
	explicit_bzero(transport->rx_key, sizeof(transport->rx_key));
	explicit_bzero(transport->tx_key, sizeof(transport->tx_key));
}

void session_track_free(struct session_table *table, struct session_track *track)
{
	record_free(tracks_of(table), track);
}

void session_seat_free(struct session_table *table, struct session_seat *seat)
{
	record_free(seats_of(table), seat);
}

uint64_t session_transport_handle(const struct session_table *table, const struct session_transport *transport)
{
	return record_handle(transports_of(table), transport);
}

uint64_t session_track_handle(const struct session_table *table, const struct session_track *track)
{
	return record_handle(tracks_of(table), track);
}

uint64_t session_seat_handle(const struct session_table *table, const struct session_seat *seat)
{
	return record_handle(seats_of(table), seat);
}

struct session_transport *session_transport_find(const struct session_table *table, uint64_t handle)
{
	return record_find(transports_of(table), handle);
}

struct session_track *session_track_find(const struct session_table *table, uint64_t handle)
{
	return record_find(tracks_of(table), handle);
}

struct session_seat *session_seat_find(const struct session_table *table, uint64_t handle)
{
	return record_find(seats_of(table), handle);
}
