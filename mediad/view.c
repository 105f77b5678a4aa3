#include "mediad/view.h"

#include "mediad/seating.h"

static const struct msg_view_item *find(const struct media_peer *peer, const struct member *member, unsigned kind)
{
	for (unsigned i = 0; i < peer->view_len; i++) {
		if (peer->view[i].kind == kind && id_equal(&peer->view[i].member, &member->id))
			return &peer->view[i];
	}
	return NULL;
}

bool view_hides(const struct media_peer *peer, const struct track *track)
{
	const struct msg_view_item *item = find(peer, track->member, track->kind);

	return item && item->height == 0;
}

uint16_t view_height(const struct media_peer *peer, const struct track *track)
{
	const struct msg_view_item *item = find(peer, track->member, track->kind);

	return item ? item->height : LAYER_TALLEST;
}

bool view_shows(const struct media_peer *peer, const struct member *member)
{
	const struct msg_view_item *item = find(peer, member, TRACK_CAMERA);

	return item && item->height > 0;
}

void view_set(struct media *media, const struct msg_view *msg, int64_t now_us)
{
	struct call *call = call_find(media, &msg->call);
	bool found = false;

	for (struct media_peer *peer = call ? call->peers : NULL; peer; peer = peer->next) {
		if (!id_equal(&peer->member->id, &msg->member))
			continue;
		found = true;
		peer->view_len = MIN(msg->count, MSG_VIEW_MAX);
		memcpy(peer->view, msg->item, peer->view_len * sizeof(msg->item[0]));
		for (unsigned i = 0; i < SESSION_MLINES_MAX; i++) {
			if (peer->seat[i])
				seat_on_view(peer->seat[i], now_us);
		}
	}
	if (found && call->crowded)
		seating_update(call);
}
