#include "mediad/recover.h"

#include "shm/msg.h"

static void report(struct mediad *md, const struct session_transport *rec)
{
	struct msg_transport_state event = {
		.transport = session_transport_handle(&md->table, rec),
		.call = rec->call,
		.member = rec->member,
		.sign_in = rec->sign_in,
		.state = TRANSPORT_FREE,
		.made_us = rec->made_us,
	};

	(void)mediad_event(md, rec->worker, MSG_MEDIA_LOST, &event, sizeof(event));
}

unsigned recover_table(struct mediad *md)
{
	struct session_table *table = &md->table;
	unsigned lost = 0;

	/* Relaxed: whoever wrote these is dead. Records above the tops were never used. */
	for (uint32_t i = 0; i < table->shm->seats_top; i++) {
		if (atomic_load_explicit(&table->seat[i].state, memory_order_relaxed) != 0)
			session_seat_free(table, &table->seat[i]);
	}
	for (uint32_t i = 0; i < table->shm->tracks_top; i++) {
		if (atomic_load_explicit(&table->track[i].state, memory_order_relaxed) != 0)
			session_track_free(table, &table->track[i]);
	}
	for (uint32_t i = 0; i < table->shm->transports_top; i++) {
		struct session_transport *rec = &table->transport[i];
		if (atomic_load_explicit(&rec->state, memory_order_relaxed) == TRANSPORT_FREE)
			continue;
		report(md, rec);
		session_transport_free(table, rec);
		lost++;
	}
	return lost;
}
