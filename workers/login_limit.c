#include "workers/login_limit.h"

#include "lib/clock.h"
#include "shm/limits.h"
#include "workers/auth.h"
#include "workers/worker.h"

#include <string.h>

#define NAME_MAX_BYTES 256
#define ADDRESS_FACTOR 5 /* many people may share an address: so many times what one may do */
#define WINDOW_US      (60 * USEC_PER_SEC)

/* The address, and behind it the account. */
struct subject {
	uint8_t key[16 + NAME_MAX_BYTES];
	size_t address_len, len;
};

static struct subject subject_of(const struct request *req, const char *name)
{
	struct subject s;
	size_t name_len = MIN(strlen(name), (size_t)NAME_MAX_BYTES);

	s.address_len = auth_address_key(req, s.key);
	memcpy(s.key + s.address_len, name, name_len);
	s.len = s.address_len + name_len;
	return s;
}

bool login_limit_admit(struct request *req, const char *name)
{
	struct limits *limits = req->worker->limits;
	uint64_t burst = req->worker->conf.limits.logins_per_minute;
	struct subject s = subject_of(req, name);
	int64_t now_us = clock_now_us();
	struct limits_verdict verdict = limits_peek(limits, "login-failed-address", s.key, s.address_len,
						    burst * ADDRESS_FACTOR, WINDOW_US, now_us);

	if (verdict.allowed)
		verdict = limits_peek(limits, "login-failed", s.key, s.len, burst, WINDOW_US, now_us);
	if (verdict.allowed)
		verdict = limits_take(limits, "login", s.key, s.len, burst * ADDRESS_FACTOR, WINDOW_US, now_us);
	if (!verdict.allowed)
		auth_reply_throttled(req, &verdict, "Too many attempts; wait before the next one.");
	return verdict.allowed;
}

void login_limit_failed(struct request *req, const char *name)
{
	struct limits *limits = req->worker->limits;
	uint64_t burst = req->worker->conf.limits.logins_per_minute;
	struct subject s = subject_of(req, name);
	int64_t now_us = clock_now_us();

	limits_take(limits, "login-failed-address", s.key, s.address_len, burst * ADDRESS_FACTOR, WINDOW_US, now_us);
	limits_take(limits, "login-failed", s.key, s.len, burst, WINDOW_US, now_us);
}
