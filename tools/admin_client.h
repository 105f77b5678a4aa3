/* tools/admin_client.h - asks the admin listener, and reads what /metrics says.
 *
 * Blocking, with a deadline of 5 s a request. Errors: -errno; -EPROTO when the answer is not HTTP. */
#ifndef PARLEY_TOOLS_ADMIN_CLIENT_H
#define PARLEY_TOOLS_ADMIN_CLIENT_H

#include "lib/buf.h"

#include <stdbool.h>

/* admin as in server.admin: "127.0.0.1:9464" or "unix:/path". The body is NUL-terminated (not counted). */
int admin_request(const char *admin, const char *method, const char *path, const char *json, int *ret_status,
		  struct buf *ret_body); /* json NULL: no body */
int admin_get(const char *admin, const char *path, int *ret_status, struct buf *ret_body);
/* Value of the sample `name` whose labels hold label="value"; label NULL: of the one without labels. */
bool metric_find(const char *metrics, const char *name, const char *label, unsigned value, double *ret_value);

#endif
