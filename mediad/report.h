/* mediad/report.h - RTCP of one transport: what comes in is dispatched, and what is due goes out.
 *
 * Out: once a second on average (0.5 to 1.5, RFC 3550 6.2) sender reports of all seats that sent, receiver
 * reports about all layers that came, the CNAME, and REMB for a peer without transport-wide feedback; in
 * between NACK, PLI, FIR and transport-wide feedback as they fall due. Nothing before the transport is
 * connected.
 *
 * A sign of life: from a peer's last media on, in or out, he is sent something at least every 300 ms for two seconds,
 * an empty report when there is nothing else. A client to whom nothing at all comes then knows that its way here is
 * dead and that the others are not merely silent (web/src/call/ways.ts). */
#ifndef PARLEY_MEDIAD_REPORT_H
#define PARLEY_MEDIAD_REPORT_H

#include "mediad/call.h"

#define REPORT_PACKET_MAX  1200 /* bytes of one compound */
#define REPORT_REMB_BPS	   UINT64_C(20000000)
#define REPORT_SIGN_US	   (150 * USEC_PER_MSEC) /* from look to look */
#define REPORT_SIGN_FOR_US (2 * USEC_PER_SEC)

void report_on_rtcp(struct media_peer *peer, const uint8_t *data, size_t len, int64_t now_us);
/* Everything that is due by now; returns when to come again. */
int64_t report_run(struct media_peer *peer, int64_t now_us);
/* The sender report of one seat, at once: with the first packet after a switch. */
void report_seat(struct seat *seat, int64_t now_us);

#endif
