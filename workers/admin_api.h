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
 * Shapes and errors are those of the API; parleyctl is the client. tests/integ/admin.test.mjs has each of them:
 *   every operation  403 forbidden (see below) · 405 method_not_allowed with Allow · 415 unsupported_media_type (a body
 *                    that is not application/json, or one too many) · 413 body_too_large (4 KiB) ·
 *                    503 database_unavailable
 *   with a body      400 invalid_json · 422 invalid_field, unknown_field; with a password also 503 overloaded
 *   with NAME or ID  404 not_found, also for an ID that cannot be one
 *   POST users       409 username_taken
 *   POST calls end   409 wrong_state with the call
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
