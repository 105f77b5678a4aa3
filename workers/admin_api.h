/* workers/admin_api.h - administration over the admin listener: accounts, invitations, calls, audit log.
 *
 *     GET  /admin/v1/users?q=                POST /admin/v1/users {username, display_name, password}
 *     PATCH /admin/v1/users/NAME {disabled}  DELETE /admin/v1/users/NAME
 *     PUT  /admin/v1/users/NAME/password {password}
 *     GET  /admin/v1/invites                 POST /admin/v1/invites {uses, days, note} → {invite, code}
 *     DELETE /admin/v1/invites/ID
 *     GET  /admin/v1/calls                   GET /admin/v1/calls/ID   POST /admin/v1/calls/ID/end
 *     GET  /admin/v1/audit
 *
 * Shapes and errors are those of the API; parleyctl is the client.
 * Who may:  whoever can connect: the listener is a unix socket with its file's mode, or loopback. What a browser sends
 *           (Origin, Sec-Fetch-Site), or what names another host (DNS rebinding), is refused with 403.
 * Audit:    every change is a row of the table audit (same transaction) and a line of the log. */
#ifndef PARLEY_WORKERS_ADMIN_API_H
#define PARLEY_WORKERS_ADMIN_API_H

#include <stdbool.h>

struct request;

/* False: the path is not one of these, and nothing happened. */
bool admin_api_dispatch(struct request *req);

#endif
