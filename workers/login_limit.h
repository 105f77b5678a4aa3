/* workers/login_limit.h - how often somebody may be wrong about a password.
 *
 * Failures are counted for the pair of account and address, and for the address; nobody's failures count against
 * somebody who signs in from elsewhere. Attempts of any outcome are counted for the pair, too, with more room, since
 * those that run at the same time have not failed yet. (limits.logins_per_minute.)
 *
 * Callers: the worker's only thread. name: the user name as sent, or the id of who is signed in. */
#ifndef PARLEY_WORKERS_LOGIN_LIMIT_H
#define PARLEY_WORKERS_LOGIN_LIMIT_H

#include "workers/request.h"

/* May this be tried? False: 429 was answered. */
bool login_limit_admit(struct request *req, const char *name);
/* How it went, in the count and in the headers of the reply (RateLimit: what may still go wrong). */
void login_limit_passed(struct request *req, const char *name);
void login_limit_failed(struct request *req, const char *name);

#endif
