#include "shm/directory.h"

#include "lib/cleanup.h"
#include "shm/fence.h"

#include <string.h>

#define DIRECTORY_ENTRIES_MAX (1u << 22)

/* How far from its place an entry may stand: a lookup of somebody who is not there ends for sure. */
#define DIRECTORY_PROBES 512

/* An entry that changes hands so often while it is read is not that of somebody who was there all the time. */
#define DIRECTORY_RETRIES 64

/* One entry as it was at one moment. */
struct entry {
	uint64_t user[2];
	uint32_t connections, presence;
	uint64_t devices;
};

static const uint64_t nobody[2];

static size_t region_size(uint32_t entries)
{
	return sizeof(struct directory_region) + (size_t)entries * sizeof(struct directory_entry);
}

static bool entries_valid(uint32_t entries)
{
	return entries > 0 && entries <= DIRECTORY_ENTRIES_MAX && (entries & (entries - 1)) == 0;
}

uint32_t directory_entries_for(uint32_t people)
{
	uint32_t entries = DIRECTORY_ENTRIES_DEFAULT;

	while (entries < DIRECTORY_ENTRIES_MAX && entries / 4 * 3 < people)
		entries *= 2;
	return entries;
}

int directory_create(const char *name, uint32_t entries, int *ret_fd)
{
	struct shm_map map;

	if (!entries_valid(entries))
		return -EINVAL;
	auto_close int fd = -1;
	int err = shm_create(name, SHM_MAGIC_DIRECTORY, region_size(entries), &fd);
	if (err < 0)
		return err;
	err = shm_attach(fd, SHM_MAGIC_DIRECTORY, region_size(entries), true, &map);
	if (err < 0)
		return err;
	((struct directory_region *)map.base)->entries = entries;
	shm_detach(&map);
	*ret_fd = STEAL_FD(fd);
	return 0;
}

/* ---- entries ---- */

static void user_words(const struct id *user, uint64_t ret_words[2])
{
	memcpy(ret_words, user->b, sizeof(user->b));
}

/* Where the search for that person begins. */
static uint32_t home_of(const struct id *user, uint32_t entries)
{
	return (uint32_t)hash_bytes(user->b, sizeof(user->b)) & (entries - 1);
}

static bool entry_unused(const struct entry *e)
{
	return (e->user[0] | e->user[1]) == 0;
}

static bool entry_is(const struct entry *e, const uint64_t words[2])
{
	return e->user[0] == words[0] && e->user[1] == words[1];
}

/* The words as they stand. Relaxed: the writer alone changes them; entry_read() sees to the rest. */
static struct entry entry_words(const struct directory_entry *e)
{
	uint64_t value = atomic_load_explicit(&e->value, memory_order_relaxed);

	return (struct entry){
		.user = { atomic_load_explicit(&e->user[0], memory_order_relaxed),
			  atomic_load_explicit(&e->user[1], memory_order_relaxed) },
		.connections = (uint32_t)value,
		.presence = (uint32_t)(value >> 32),
		.devices = atomic_load_explicit(&e->devices, memory_order_relaxed),
	};
}

/* Writer. Relaxed: one word, nothing else is published by it. */
static void entry_store(struct directory_entry *e, uint32_t connections, uint32_t presence)
{
	atomic_store_explicit(&e->value, (uint64_t)presence << 32 | connections, memory_order_relaxed);
}

/* Writer: nobody's entry (connections 0) becomes that of another, or unused. */
static void entry_hand_over(struct directory_entry *e, const uint64_t words[2], uint32_t connections, uint32_t presence)
{
	uint32_t seq = atomic_load_explicit(&e->seq, memory_order_relaxed) | 1;

	atomic_store_explicit(&e->seq, seq, memory_order_relaxed);
	/* R2: pairs with A2 in entry_read(). Whoever sees one of the new words sees the odd number too. */
	shm_fence_release();
	atomic_store_explicit(&e->user[0], words[0], memory_order_relaxed);
	atomic_store_explicit(&e->user[1], words[1], memory_order_relaxed);
	atomic_store_explicit(&e->devices, 0, memory_order_relaxed);
	entry_store(e, connections, presence);
	/* R1: pairs with A1 in entry_read(). All words are written before the even number. */
	atomic_store_explicit(&e->seq, seq + 1, memory_order_release);
}

/* Reader. False: nobody's at this moment. */
static bool entry_read(const struct directory_entry *e, struct entry *ret_value)
{
	for (int i = 0; i < DIRECTORY_RETRIES; i++) {
		/* A1: pairs with R1 in entry_hand_over(). */
		uint32_t seq = atomic_load_explicit(&e->seq, memory_order_acquire);
		if (seq & 1)
			return false;
		struct entry value = entry_words(e);
		/* A2: pairs with R2 in entry_hand_over(). */
		shm_fence_acquire();
		if (atomic_load_explicit(&e->seq, memory_order_relaxed) == seq) {
			*ret_value = value;
			return true;
		}
	}
	return false;
}

/* ---- sections ---- */

static int section_attach(int fd, bool writable, struct shm_map *ret_map, uint32_t *ret_entries)
{
	struct shm_map map;

	int err = shm_attach(fd, SHM_MAGIC_DIRECTORY, sizeof(struct directory_region), writable, &map);
	if (err < 0)
		return err;
	uint32_t entries = *(const volatile uint32_t *)&((const struct directory_region *)map.base)->entries;
	if (!entries_valid(entries) || map.size != region_size(entries)) {
		shm_detach(&map);
		return -EPROTO;
	}
	*ret_map = map;
	*ret_entries = entries;
	return 0;
}

/* Nobody looks at it meanwhile: its epoch is the predecessor's still. */
static void section_clear(struct directory_region *section, uint32_t entries)
{
	for (uint32_t i = 0; i < entries; i++) {
		struct directory_entry *e = &section->entry[i];
		struct entry old = entry_words(e);
		if ((atomic_load_explicit(&e->seq, memory_order_relaxed) & 1) || !entry_unused(&old))
			entry_hand_over(e, nobody, 0, 0);
	}
}

int directory_attach(struct directory *dir, const int *fds, unsigned workers, unsigned self, uint32_t epoch,
		     const struct stats_region *stats)
{
	struct directory d = { .self = self, .workers = workers, .stats = stats };

	if (workers > SHM_PROCESSES_MAX || self >= workers)
		return -EINVAL;
	for (unsigned k = 0; k < workers; k++) {
		int err = section_attach(fds[k], k == self, &d.map[k], &d.entries[k]);
		if (err < 0) {
			directory_detach(&d);
			return err;
		}
		d.section[k] = d.map[k].base;
	}
	section_clear(d.section[self], d.entries[self]);
	/* R3: pairs with A3 in section_alive(). The section is empty before it counts. */
	atomic_store_explicit(&d.section[self]->header.epoch, epoch, memory_order_release);
	*dir = d;
	return 0;
}

void directory_detach(struct directory *dir)
{
	for (unsigned k = 0; k < dir->workers; k++)
		shm_detach(&dir->map[k]);
	*dir = (struct directory){ 0 };
}

static bool section_alive(const struct directory *dir, unsigned k)
{
	/* A3: pairs with R3 in directory_attach(). */
	uint32_t epoch = atomic_load_explicit(&dir->section[k]->header.epoch, memory_order_acquire);

	return k == dir->self || !dir->stats || epoch == stat_get(&dir->stats->worker[k].process.epoch);
}

/* False: this worker has no connection of that person. */
static bool section_find(const struct directory *dir, unsigned k, const struct id *user, struct entry *ret_entry)
{
	uint32_t mask = dir->entries[k] - 1;
	uint64_t words[2];

	if (!section_alive(dir, k))
		return false;
	user_words(user, words);
	uint32_t at = home_of(user, dir->entries[k]);
	for (uint32_t i = 0; i < MIN(dir->entries[k], (uint32_t)DIRECTORY_PROBES); i++) {
		struct entry e;
		if (!entry_read(&dir->section[k]->entry[(at + i) & mask], &e))
			continue;
		if (entry_is(&e, words)) {
			if (e.connections == 0)
				return false;
			*ret_entry = e;
			return true;
		}
		if (entry_unused(&e))
			return false;
	}
	return false;
}

/* ---- writing ---- */

/* The entry of that person, or NULL; and the first place where it could stand, or NULL. */
static struct directory_entry *own_find(struct directory *dir, const uint64_t words[2], uint32_t home,
					struct directory_entry **ret_place)
{
	struct directory_region *section = dir->section[dir->self];
	uint32_t entries = dir->entries[dir->self];

	*ret_place = NULL;
	for (uint32_t i = 0; i < MIN(entries, (uint32_t)DIRECTORY_PROBES); i++) {
		struct directory_entry *e = &section->entry[(home + i) & (entries - 1)];
		struct entry value = entry_words(e);
		if (entry_is(&value, words))
			return e;
		if (!*ret_place && value.connections == 0)
			*ret_place = e;
		if (entry_unused(&value))
			return NULL;
	}
	return NULL;
}

/* Tombstones that nothing follows become unused again, so that lookups stay short. */
static void sweep_tombstones(struct directory *dir, const struct directory_entry *from)
{
	struct directory_region *section = dir->section[dir->self];
	uint32_t mask = dir->entries[dir->self] - 1;
	uint32_t at = (uint32_t)(from - section->entry);

	struct entry next = entry_words(&section->entry[(at + 1) & mask]);
	if (!entry_unused(&next))
		return;
	for (uint32_t i = 0; i <= mask; i++) {
		struct directory_entry *e = &section->entry[(at - i) & mask];
		struct entry value = entry_words(e);
		if (entry_unused(&value) || value.connections != 0)
			return;
		entry_hand_over(e, nobody, 0, 0);
	}
}

int directory_set(struct directory *dir, const struct id *user, uint32_t connections, enum presence presence)
{
	struct directory_entry *place;
	uint64_t words[2];

	if (id_is_none(user) || (unsigned)presence > PRESENCE_BUSY)
		return -EINVAL;
	user_words(user, words);
	struct directory_entry *e = own_find(dir, words, home_of(user, dir->entries[dir->self]), &place);
	if (connections == 0) {
		if (!e)
			return 0;
		entry_store(e, 0, 0);
		sweep_tombstones(dir, e);
		return 0;
	}
	if (e) {
		entry_store(e, connections, presence);
		return 0;
	}
	if (!place)
		return -ENOSPC;
	entry_hand_over(place, words, connections, presence);
	return 0;
}

/* Never 0. Two sign-ins of one person that have the same one would count as one device: 1 in 65535. */
static uint16_t mark_of(const struct id *sign_in)
{
	return (uint16_t)(hash_bytes(sign_in->b, sizeof(sign_in->b)) % UINT16_MAX + 1);
}

static bool mark_in(const uint16_t *marks, size_t len, uint16_t mark)
{
	for (size_t i = 0; i < len; i++) {
		if (marks[i] == mark)
			return true;
	}
	return false;
}

int directory_set_devices(struct directory *dir, const struct id *user, const struct id *sign_ins, size_t len)
{
	uint16_t marks[DIRECTORY_DEVICES];
	struct directory_entry *place;
	uint64_t words[2], devices = 0;
	size_t n = 0;

	user_words(user, words);
	struct directory_entry *e = own_find(dir, words, home_of(user, dir->entries[dir->self]), &place);
	if (!e || id_is_none(user))
		return -ENOENT;
	for (size_t i = 0; i < len && n < DIRECTORY_DEVICES; i++) {
		uint16_t mark = mark_of(&sign_ins[i]);
		if (mark_in(marks, n, mark))
			continue;
		devices |= (uint64_t)mark << 16 * n;
		marks[n++] = mark;
	}
	/* Relaxed: one word, nothing else is published by it. */
	atomic_store_explicit(&e->devices, devices, memory_order_relaxed);
	return 0;
}

/* ---- reading ---- */

uint64_t directory_find(const struct directory *dir, const struct id *user)
{
	uint64_t found = 0;
	struct entry e;

	if (id_is_none(user))
		return 0;
	for (unsigned k = 0; k < dir->workers; k++) {
		if (section_find(dir, k, user, &e))
			found |= UINT64_C(1) << k;
	}
	return found;
}

enum presence directory_presence(const struct directory *dir, const struct id *user)
{
	static const uint8_t rank[] = {
		[PRESENCE_OFFLINE] = 0, [PRESENCE_AWAY] = 1, [PRESENCE_ONLINE] = 2, [PRESENCE_BUSY] = 3
	};
	enum presence best = PRESENCE_OFFLINE;
	struct entry e;

	if (id_is_none(user))
		return best;
	for (unsigned k = 0; k < dir->workers; k++) {
		if (!section_find(dir, k, user, &e) || e.presence > PRESENCE_BUSY)
			continue;
		if (rank[e.presence] > rank[best])
			best = (enum presence)e.presence;
	}
	return best;
}

unsigned directory_devices(const struct directory *dir, const struct id *user)
{
	uint16_t marks[DIRECTORY_DEVICES * SHM_PROCESSES_MAX];
	bool somewhere = false;
	unsigned n = 0;
	struct entry e;

	if (id_is_none(user))
		return 0;
	for (unsigned k = 0; k < dir->workers; k++) {
		if (!section_find(dir, k, user, &e))
			continue;
		somewhere = true;
		for (uint64_t left = e.devices; left; left >>= 16) {
			uint16_t mark = (uint16_t)left;
			if (mark && !mark_in(marks, n, mark))
				marks[n++] = mark;
		}
	}
	/* A worker of an older build names no sign-ins. */
	return n == 0 && somewhere ? 1 : n;
}
