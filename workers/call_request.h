/* workers/call_request.h - what requests about a call have in common: who asks about which one, and what is muted.
 *
 * Everything is as text for the database, in the caller's memory; a function that gives false has answered req. */
#ifndef PARLEY_WORKERS_CALL_REQUEST_H
#define PARLEY_WORKERS_CALL_REQUEST_H

#include "lib/ids.h"
#include "workers/json.h"
#include "workers/request.h"

/* What most statements about calls begin with. */
struct call_who {
	char me[ID_TEXT_LEN + 1], sign_in[ID_TEXT_LEN + 1], call[ID_TEXT_LEN + 1];
	char other[ID_TEXT_LEN + 1]; /* the path's second id; of another form: an id that never was; "": it has none */
};

/* What a body says of sound and picture; what it does not name stays as it is. */
struct call_muted {
	bool audio, video, has_audio, has_video;
};

/* From the path /calls/{call_id}[/…/{id}]; 404. */
bool call_who_read(struct request *req, struct call_who *ret_who);
/* From the field "muted" of the body; NULL: it is not there. 422. */
bool call_muted_read(struct request *req, const struct json *object, struct call_muted *ret_muted);
/* A boolean for the database, NULL when it is absent. */
const char *call_truth(bool present, bool value);

#endif
