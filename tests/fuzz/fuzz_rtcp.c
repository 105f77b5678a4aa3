/* links: mediad */
#include "lib/rtcp.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static unsigned packets_told;

static void note(void *arg, uint16_t seq, bool received, int64_t at_us)
{
	(void)arg;
	(void)seq;
	(void)received;
	(void)at_us;
	packets_told++;
}

static void read_feedback(const struct rtcp_packet *packet)
{
	uint16_t first, bitmap;
	uint32_t ssrc;
	uint8_t command;
	uint64_t bps;
	struct rtcp_twcc twcc;

	(void)rtcp_media_ssrc(packet);
	if (packet->type == RTCP_RTPFB && packet->count == RTCP_RTPFB_TWCC) {
		packets_told = 0;
		if (rtcp_read_twcc(packet, &twcc, note, NULL) == 0 && packets_told != twcc.count)
			abort();
	} else if (packet->type == RTCP_RTPFB) {
		for (size_t i = 0; i < rtcp_nack_pairs(packet); i++)
			rtcp_read_nack(packet, i, &first, &bitmap);
	} else {
		for (size_t i = 0; i < rtcp_fir_entries(packet); i++)
			rtcp_read_fir(packet, i, &ssrc, &command);
		(void)rtcp_read_remb(packet, &bps);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct rtcp_packet packet;
	struct rtcp_sender sender;
	struct rtcp_block block;

	if (rtcp_check(data, len) < 0)
		return 0;
	const uint8_t *end = data + len;
	while (rtcp_next(&data, &len, &packet) == 0) {
		if (packet.body + packet.len > end)
			abort();
		if (packet.type == RTCP_SR)
			rtcp_read_sender(&packet, &sender);
		if (packet.type == RTCP_SR || packet.type == RTCP_RR) {
			for (unsigned i = 0; i < packet.count; i++)
				rtcp_read_block(&packet, i, &block);
		}
		if (packet.type == RTCP_RTPFB || packet.type == RTCP_PSFB)
			read_feedback(&packet);
	}
	if (len != 0)
		abort();
	return 0;
}
