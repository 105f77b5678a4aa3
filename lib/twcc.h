/* lib/twcc.h - arrivals of a publisher's packets by transport-wide sequence number, and the feedback that
 * its bandwidth estimation lives on (draft-holmer-rmcat-transport-wide-cc-extensions-01).
 *
 * One per transport: all its m-lines share one counter. Feedback is due 100 ms after the first arrival that
 * was not told, 50 ms after the last feedback at the end of a frame (marker), and at once when half of
 * the window waits; never sooner than apart_us after the last one, for who has a narrow way back. What is missing is
 * told as lost; when it comes later it is told again.
 *
 * Pure: times in, bytes out. */
#ifndef PARLEY_LIB_TWCC_H
#define PARLEY_LIB_TWCC_H

#include "lib/rtcp.h"

#define TWCC_WINDOW    1024
#define TWCC_NEVER_DUE INT64_MAX

struct twcc {
	bool started;
	uint8_t number;
	int64_t highest;  /* unwrapped number seen */
	int64_t begin;	  /* the first that no feedback has told */
	int64_t told_us;  /* when the last feedback was built */
	int64_t apart_us; /* the caller's; 0 = as above */
	int64_t due_us;
	int64_t at_us[TWCC_WINDOW]; /* by number mod TWCC_WINDOW */
};

void twcc_init(struct twcc *twcc);
void twcc_on_packet(struct twcc *twcc, uint16_t seq, bool marker, int64_t now_us);
int64_t twcc_due_us(const struct twcc *twcc);
/* One feedback packet. -ENOENT: nothing (more) to tell. Call again until then. */
int twcc_build(struct twcc *twcc, struct rtcp_out *out, uint32_t sender, uint32_t media, int64_t now_us);

#endif
