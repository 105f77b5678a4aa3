/* mediad/view.h - what a client shows: its word (event `view`) about tracks of members.
 *
 * A track that is hidden (height 0) is not forwarded to that client, and not between mediads when nobody else
 * watches it; shown again it begins with a key frame. Somebody who is shown but has no place gets that of one
 * who is not shown and does not speak. What is not listed is ours to decide. */
#ifndef PARLEY_MEDIAD_VIEW_H
#define PARLEY_MEDIAD_VIEW_H

#include "mediad/call.h"

/* Replaces what that member's devices said before. */
void view_set(struct media *media, const struct msg_view *msg, int64_t now_us);
bool view_hides(const struct media_peer *peer, const struct track *track);
/* How high its tile is; LAYER_TALLEST when the client does not say. */
uint16_t view_height(const struct media_peer *peer, const struct track *track);
/* The client says that it shows that member's camera. */
bool view_shows(const struct media_peer *peer, const struct member *member);

#endif
