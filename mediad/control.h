/* mediad/control.h - what workers ask of a mediad: offers, closing, listing, member state.
 *
 * An offer comes in parts (MSG_OFFER_BEGIN, MLINE …, END), assembled per worker; a new BEGIN drops an unfinished
 * one. It is acted upon when it is whole and when the link has room for the whole answer, else nothing happens:
 *
 *   new        record, m-lines, tracks and seats are made, or nothing is; MSG_ANSWER_*
 *   re-offer   m-lines replace the old ones (put back when the media side refuses); other ufrag or password: ICE
 *              restart; another fingerprint is MSG_ERR_BAD: that takes a new transport
 *   errors     MSG_ERR_GONE (no such transport, another member's, or another sign-in's), MSG_ERR_FULL, MSG_ERR_BAD
 *
 * A list may be longer than the link: its items go out as room comes, MSG_LIST_END ends it; items of one list may
 * come between other answers, with their own corr.
 * Callers:   mediad.c, on the mediad's thread. */
#ifndef PARLEY_MEDIAD_CONTROL_H
#define PARLEY_MEDIAD_CONTROL_H

#include "mediad/mediad.h"

#define CONTROL_CANDIDATES_MAX 32

int control_start(struct mediad *md, struct control **ret_control);
struct control *control_stop(struct control *control);
/* Messages of all workers, at most budget of each; true when more wait. */
bool control_drain(struct control *control, unsigned budget);

#endif
