#include "workers/login_limit.h"

#include "lib/clock.h"
#include "shm/limits.h"
#include "workers/auth.h"
#include "workers/worker.h"

#include <string.h>

#define NAME_MAX_BYTES 256
#define ADDRESS_FACTOR 5 /* many people may share an address: so many times what one may do */
#define WINDOW_S       60
#define WINDOW_US      (WINDOW_S * USEC_PER_SEC)
#define POLICY	       "logins"
#define POLICY_ADDRESS "logins-address"

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
	uint64_t burst = req->worker->conf.limits.logins_per_minute, told = burst * ADDRESS_FACTOR;
	const char *policy = POLICY_ADDRESS;
	struct subject s = subject_of(req, name);
	int64_t now_us = clock_now_us();
	struct limits_verdict verdict =
		limits_peek(limits, "login-failed-address", s.key, s.address_len, told, WINDOW_US, now_us);

	if (verdict.allowed) {
		policy = POLICY;
		told = burst;
		verdict = limits_peek(limits, "login-failed", s.key, s.len, burst, WINDOW_US, now_us);
	}
	if (verdict.allowed) {
		told = burst * ADDRESS_FACTOR;
		verdict = limits_take(limits, "login", s.key, s.len, told, WINDOW_US, now_us);
	}
	if (!verdict.allowed) {
		auth_tell_limit(req, policy, told, WINDOW_S, &verdict);
		auth_reply_throttled(req, &verdict, "Too many attempts; wait before the next one.");
	}
	return verdict.allowed;
}

void login_limit_failed(struct request *req, const char *name)
{
	struct limits *limits = req->worker->limits;
	uint64_t burst = req->worker->conf.limits.logins_per_minute;
	struct subject s = subject_of(req, name);
	int64_t now_us = clock_now_us();

	limits_take(limits, "login-failed-address", s.key, s.address_len, burst * ADDRESS_FACTOR, WINDOW_US, now_us);
	struct limits_verdict verdict = limits_take(limits, "login-failed", s.key, s.len, burst, WINDOW_US, now_us);
	auth_tell_limit(req, POLICY, burst, WINDOW_S, &verdict);
}

void login_limit_passed(struct request *req, const char *name)
{
	uint64_t burst = req->worker->conf.limits.logins_per_minute;
	struct subject s = subject_of(req, name);
	struct limits_verdict verdict =
		limits_peek(req->worker->limits, "login-failed", s.key, s.len, burst, WINDOW_US, clock_now_us());

	if (burst == 0)
		return;
	/* A peek says what would be left after one more failure. */
	if (verdict.allowed) {
		verdict.remaining++;
		verdict.reset_us -= MIN(verdict.reset_us, (uint64_t)WINDOW_US / burst);
	}
	auth_tell_limit(req, POLICY, burst, WINDOW_S, &verdict);
}
