/* tests/support/peer_nice.h - a peer whose ICE is libnice's full NiceAgent.
 *
 * The agent is controlling and runs on a GMainContext of its own, which a timer of the loop turns every 5 ms. */
#ifndef PARLEY_TESTS_PEER_NICE_H
#define PARLEY_TESTS_PEER_NICE_H

#include "tools/load/peer.h"

struct peer_nice;

/* config.send is set here. local: an address such as "127.0.0.1". */
int peer_nice_new(const struct peer_config *config, const char *local, struct peer_nice **ret_nice);
struct peer_nice *peer_nice_free(struct peer_nice *nice);
struct peer *peer_nice_peer(struct peer_nice *nice);
const char *peer_nice_ufrag(const struct peer_nice *nice);
const char *peer_nice_pwd(const struct peer_nice *nice);
int peer_nice_connect(struct peer_nice *nice, const struct peer_remote *remote);

#endif
