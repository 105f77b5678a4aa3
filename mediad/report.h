/* mediad/report.h - RTCP of one transport: what comes in is dispatched, and what is due goes out.
 *
 * Out: once a second on average (0.5 to 1.5, RFC 3550 6.2) sender reports of all seats that sent, receiver
 * reports about all layers that came, the CNAME, and REMB for a peer without transport-wide feedback; in
 * between NACK, PLI, FIR and transport-wide feedback as they fall due. Nothing before the transport is
 * connected. */
#ifndef PARLEY_MEDIAD_REPORT_H
#define PARLEY_MEDIAD_REPORT_H

#include "mediad/call.h"

#define REPORT_PACKET_MAX 1200 /* bytes of one compound */
#define REPORT_REMB_BPS	  UINT64_C(20000000)

void report_on_rtcp(struct media_peer *peer, const uint8_t *data, size_t len, int64_t now_us);
/* Everything that is due by now; returns when to come again. */
int64_t report_run(struct media_peer *peer, int64_t now_us);
/* The sender report of one seat, at once: with the first packet after a switch. */
void report_seat(struct seat *seat, int64_t now_us);

#endif
