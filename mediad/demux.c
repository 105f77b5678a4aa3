#include "mediad/demux.h"

enum {
	STUN_HEADER = 20,
	DTLS_RECORD_HEADER = 13,
	RTP_HEADER = 12,
	RTCP_HEADER = 8, /* with the sender's SSRC */
};

enum demux_kind demux_classify(const uint8_t *data, size_t len)
{
	if (len < RTCP_HEADER)
		return DEMUX_UNKNOWN;
	if (data[0] <= 3)
		return len >= STUN_HEADER ? DEMUX_STUN : DEMUX_UNKNOWN;
	if (data[0] >= 20 && data[0] <= 63)
		return len >= DTLS_RECORD_HEADER ? DEMUX_DTLS : DEMUX_UNKNOWN;
	if (data[0] < 128 || data[0] > 191)
		return DEMUX_UNKNOWN;
	if (data[1] >= 192 && data[1] <= 223)
		return DEMUX_RTCP;
	return len >= RTP_HEADER ? DEMUX_RTP : DEMUX_UNKNOWN;
}
