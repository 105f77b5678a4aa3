/* mediad/demux.h - which protocol a datagram speaks, by its first bytes (RFC 7983, RFC 5761).
 *
 * Says nothing about whether it is valid; only that it is long enough for its fixed header. */
#ifndef PARLEY_MEDIAD_DEMUX_H
#define PARLEY_MEDIAD_DEMUX_H

#include <stddef.h>
#include <stdint.h>

enum demux_kind { DEMUX_UNKNOWN, DEMUX_STUN, DEMUX_DTLS, DEMUX_RTP, DEMUX_RTCP };

enum demux_kind demux_classify(const uint8_t *data, size_t len);

#endif
