#include "workers/auth.h"

#include "lib/clock.h"
#include "lib/log.h"
#include "shm/limits.h"
#include "shm/stats.h"
#include "workers/answer.h"
#include "workers/server.h"
#include "workers/worker.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#define COOKIE_AGE_S (30 * 24 * 3600)
#define HOST_MAX     256
#define TOO_MANY     "Too many requests; wait as long as Retry-After says."

/* Between the question and the database's answer. */
struct auth_wait {
	struct request *req;
	void (*then)(struct request *req);
	enum auth_kind kind;
	bool optional;
	const char *refused; /* what is said of a token that opens nothing */
};

struct credential {
	enum auth_kind kind; /* AUTH_NONE: there is none */
	const char *token;
	size_t len;
};

/* Tokens */

static void base64url(const uint8_t *data, size_t len, char *ret_text)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	uint32_t bits = 0;
	unsigned n = 0;

	for (size_t i = 0; i < len; i++) {
		bits = bits << 8 | data[i];
		for (n += 8; n >= 6; n -= 6)
			*ret_text++ = digits[bits >> (n - 6) & 63];
	}
	if (n > 0)
		*ret_text++ = digits[bits << (6 - n) & 63];
	*ret_text = 0;
}

int auth_token_hash(const char *text, size_t len, char ret_hash_hex[64 + 1])
{
	uint8_t hash[SHA256_DIGEST_LENGTH];

	if (len != AUTH_TOKEN_LEN)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)text[i]) && text[i] != '-' && text[i] != '_')
			return -EINVAL;
	}
	if (!EVP_Digest(text, len, hash, NULL, EVP_sha256(), NULL))
		return -EINVAL;
	hex_format(hash, sizeof(hash), ret_hash_hex);
	return 0;
}

void auth_token_new(char ret_token[AUTH_TOKEN_LEN + 1], char ret_hash_hex[64 + 1])
{
	uint8_t bytes[32];

	random_bytes(bytes, sizeof(bytes));
	base64url(bytes, sizeof(bytes), ret_token);
	OPENSSL_cleanse(bytes, sizeof(bytes));
	auth_token_hash(ret_token, AUTH_TOKEN_LEN, ret_hash_hex);
}

void auth_invite_new(char ret_code[AUTH_INVITE_LEN + 1])
{
	/* Without those that look alike. */
	static const char digits[] = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
	uint8_t bytes[16];

	random_bytes(bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++) {
		if (i > 0 && i % 4 == 0)
			*ret_code++ = '-';
		*ret_code++ = digits[bytes[i] & 31];
	}
	*ret_code = 0;
}

void auth_invite_hash(const char *code, char ret_hash_hex[64 + 1])
{
	uint8_t hash[SHA256_DIGEST_LENGTH];
	EVP_MD_CTX *md = EVP_MD_CTX_new();

	memset(hash, 0, sizeof(hash));
	if (md && EVP_DigestInit_ex(md, EVP_sha256(), NULL)) {
		for (; *code; code++) {
			char c = (char)toupper((unsigned char)*code);
			if (c != '-' && c != ' ')
				EVP_DigestUpdate(md, &c, 1);
		}
		EVP_DigestFinal_ex(md, hash, NULL);
	}
	EVP_MD_CTX_free(md);
	hex_format(hash, sizeof(hash), ret_hash_hex);
}

void auth_set_cookie(struct request *req, const char *token)
{
	char value[192];

	snprintf(value, sizeof(value), AUTH_COOKIE_NAME "=%s; Path=/; Max-Age=%d; Secure; HttpOnly; SameSite=Strict",
		 token ? token : "", token ? COOKIE_AGE_S : 0);
	request_add_header(req, "Set-Cookie", value);
}

const char *auth_cookie_value(const char *header, const char *name, size_t *ret_len, unsigned *ret_count)
{
	const char *found = NULL;
	size_t name_len = strlen(name);
	unsigned count = 0;

	for (const char *at = header; at && *at;) {
		at += strspn(at, " \t;");
		size_t len = strcspn(at, ";");
		if (len > name_len && at[name_len] == '=' && memcmp(at, name, name_len) == 0) {
			const char *value = at + name_len + 1;
			size_t value_len = len - name_len - 1;
			while (value_len > 0 && (value[value_len - 1] == ' ' || value[value_len - 1] == '\t'))
				value_len--;
			if (count++ == 0) {
				found = value;
				*ret_len = value_len;
			}
		}
		at += len;
	}
	*ret_count = count;
	return found;
}

/* Where a request may come from */

bool auth_url_host(const char *url, char *ret_host, size_t len)
{
	if (strncasecmp(url, "https://", 8) != 0)
		return false;
	size_t n = strcspn(url + 8, "/?#");
	if (n == 0 || n >= len || memchr(url + 8, '@', n))
		return false;
	for (size_t i = 0; i < n; i++)
		ret_host[i] = (char)tolower((unsigned char)url[8 + i]);
	ret_host[n] = 0;
	/* A browser leaves the usual port out. */
	if (n > 4 && strcmp(ret_host + n - 4, ":443") == 0)
		ret_host[n - 4] = 0;
	return true;
}

static bool url_is_of_host(const char *url, const char *host)
{
	char of_url[HOST_MAX];

	return url && auth_url_host(url, of_url, sizeof(of_url)) && strcmp(of_url, host) == 0;
}

/* Host as a browser would write it: lower case, without :443. False when it is no host at all. */
static bool host_normalize(const char *host, char *ret_host, size_t len)
{
	char url[HOST_MAX + 8];

	if (strpbrk(host, "/?#") || snprintf(url, sizeof(url), "https://%s", host) >= (int)sizeof(url))
		return false;
	return auth_url_host(url, ret_host, len);
}

static bool host_is_ours(const struct worker *worker, const char *host)
{
	const struct conf *conf = &worker->conf;

	if (url_is_of_host(conf->server.public_url, host))
		return true;
	for (size_t i = 0; i < conf->server.origins.len; i++) {
		if (url_is_of_host(conf->server.origins.item[i], host))
			return true;
	}
	return worker->server && server_is_own_name(worker->server, host);
}

/* Origin is ours and that of Host; missing is what the caller says about it. */
static bool origin_is_own(const struct request *req, bool otherwise)
{
	const char *origin = request_header(req, "origin");
	char host[HOST_MAX];

	if (!origin)
		return otherwise;
	return host_normalize(req->host, host, sizeof(host)) && host_is_ours(req->worker, host) &&
	       url_is_of_host(origin, host) && !strchr(origin + 8, '/');
}

static void reply_bad_origin(struct request *req)
{
	reply_problem(
		req, 403, "bad_origin", NULL,
		"This request does not come from a page of this server: with the cookie, Origin has to be https:// and "
		"the Host.");
}

bool auth_origin_allowed(struct request *req)
{
	if (origin_is_own(req, true))
		return true;
	reply_bad_origin(req);
	return false;
}

static bool is_upgrade(const struct request *req)
{
	return request_header(req, "upgrade") != NULL;
}

static bool changes_something(const struct request *req)
{
	return req->method != HTTP_GET && req->method != HTTP_HEAD;
}

/* How often */

size_t auth_address_key(const struct request *req, uint8_t ret_key[16])
{
	if (req->peer.ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)&req->peer;
		memcpy(ret_key, &in->sin_addr, 4);
		return 4;
	}
	if (req->peer.ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&req->peer;
		bool mapped = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);
		memcpy(ret_key, mapped ? in6->sin6_addr.s6_addr + 12 : in6->sin6_addr.s6_addr, mapped ? 4 : 8);
		return mapped ? 4 : 8;
	}
	return 0;
}

const char *auth_address_text(struct request *req)
{
	char text[INET6_ADDRSTRLEN] = "";

	if (req->peer.ss_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)&req->peer)->sin_addr, text, sizeof(text));
	else if (req->peer.ss_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)&req->peer)->sin6_addr, text, sizeof(text));
	const char *copy = arena_strdup(&req->arena, strncmp(text, "::ffff:", 7) == 0 ? text + 7 : text);
	return copy ? copy : "";
}

void auth_reply_throttled(struct request *req, const struct limits_verdict *verdict, const char *detail)
{
	stat_add(&req->worker->counters->throttled, 1);
	reply_retry(req, 429, "too_many_requests", detail,
		    (unsigned)(verdict->retry_after_us / (uint64_t)USEC_PER_SEC + 1));
}

void auth_tell_limit(struct request *req, const char *policy, uint64_t burst, unsigned window_s,
		     const struct limits_verdict *verdict)
{
	char text[96];

	if (burst == 0)
		return;
	snprintf(text, sizeof(text), "\"%s\";q=%" PRIu64 ";w=%u", policy, burst, window_s);
	request_add_header(req, "RateLimit-Policy", text);
	snprintf(text, sizeof(text), "\"%s\";r=%" PRIu64 ";t=%" PRIu64, policy, verdict->remaining,
		 (verdict->reset_us + USEC_PER_SEC - 1) / USEC_PER_SEC);
	request_add_header(req, "RateLimit", text);
}

bool auth_admit(struct request *req, const char *policy, const void *subject, size_t len, uint64_t burst,
		unsigned window_s, const char *detail)
{
	struct limits_verdict verdict = limits_take(req->worker->limits, policy, subject, len, burst,
						    window_s * (uint64_t)USEC_PER_SEC, clock_now_us());

	auth_tell_limit(req, policy, burst, window_s, &verdict);
	if (!verdict.allowed)
		auth_reply_throttled(req, &verdict, detail);
	return verdict.allowed;
}

/* limits.requests_per_second for that subject, and what the client is told of it. */
static bool admit(struct request *req, const char *policy, const void *subject, size_t len)
{
	unsigned burst = req->worker->conf.limits.requests_per_second;

	return burst == 0 || !req->worker->limits || auth_admit(req, policy, subject, len, burst, 1, TOO_MANY);
}

bool auth_admit_address(struct request *req)
{
	uint8_t key[16];
	size_t len = auth_address_key(req, key);

	return admit(req, "address", key, len);
}

/* Unknown tokens are counted per address, or each of them would have a count of its own. */
static bool guessing_is_over(struct request *req, bool failed)
{
	struct worker *worker = req->worker;
	unsigned burst = worker->conf.limits.requests_per_second;
	uint8_t key[16];
	size_t len = auth_address_key(req, key);

	if (burst == 0 || !worker->limits)
		return false;
	struct limits_verdict verdict =
		failed ? limits_take(worker->limits, "guesses", key, len, burst, USEC_PER_SEC, clock_now_us())
		       : limits_peek(worker->limits, "guesses", key, len, burst, USEC_PER_SEC, clock_now_us());
	if (verdict.allowed)
		return false;
	if (!failed) {
		auth_tell_limit(req, "guesses", burst, 1, &verdict);
		auth_reply_throttled(req, &verdict, TOO_MANY);
	}
	return true;
}

/* Who */

static void reply_unauthorized(struct request *req, const char *detail)
{
	request_add_header(req, "WWW-Authenticate", "Bearer realm=\"parley\"");
	reply_problem(req, 401, "unauthorized", NULL, detail);
}

/* "parley.v1, bearer.TOKEN" */
static struct credential credential_in_subprotocols(const struct request *req)
{
	const char *at = is_upgrade(req) ? request_header(req, "sec-websocket-protocol") : NULL;

	while (at && *at) {
		at += strspn(at, " \t,");
		size_t len = strcspn(at, " \t,");
		if (len > 7 && memcmp(at, "bearer.", 7) == 0)
			return (struct credential){ AUTH_BEARER, at + 7, len - 7 };
		at += len;
	}
	return (struct credential){ 0 };
}

/* What is wrong, or NULL. */
static const char *credential_find(struct request *req, struct credential *ret_credential)
{
	const char *authorization = request_header(req, "authorization");
	unsigned cookies = 0;
	size_t cookie_len = 0;
	const char *cookie = auth_cookie_value(request_header(req, "cookie"), AUTH_COOKIE_NAME, &cookie_len, &cookies);
	struct credential c = credential_in_subprotocols(req);

	if (authorization && c.kind == AUTH_NONE && cookies == 0 && strncasecmp(authorization, "bearer ", 7) == 0) {
		const char *token = authorization + 7 + strspn(authorization + 7, " ");
		c = (struct credential){ AUTH_BEARER, token, strlen(token) };
	} else if (authorization) {
		return cookies || c.kind ? "Send one token, not several."
					 : "This kind of Authorization is not known here; send Bearer and the token.";
	} else if (c.kind == AUTH_NONE && cookies > 1) {
		return "Send one token, not several.";
	} else if (c.kind == AUTH_NONE && cookies == 1) {
		c = (struct credential){ AUTH_COOKIE, cookie, cookie_len };
	}
	*ret_credential = c;
	return NULL;
}

static void on_found(const struct db_result *result, void *arg)
{
	struct auth_wait *wait = arg;
	struct request *req = wait->req;

	if (answer_failed(req, result))
		return;
	const char *user = result->rows > 0 ? db_text(result, 0, "user_id") : NULL;
	const char *session = user ? db_text(result, 0, "session_id") : NULL;
	if (!session || id_parse(user, strlen(user), &req->auth.user_id) < 0 ||
	    id_parse(session, strlen(session), &req->auth.session_id) < 0) {
		guessing_is_over(req, true);
		if (wait->kind == AUTH_COOKIE)
			auth_set_cookie(req, NULL);
		if (wait->optional)
			wait->then(req);
		else
			reply_unauthorized(req, wait->refused);
		return;
	}
	req->auth.kind = wait->kind;
	wait->then(req);
}

/* params[0] is the token's hash. */
static void ask(struct request *req, const struct auth_wait *how, const char *statement, const char *const *params,
		size_t params_len)
{
	if (guessing_is_over(req, false) || !admit(req, "user", params[0], strlen(params[0])))
		return;
	struct auth_wait *wait = arena_alloc(&req->arena, sizeof(*wait));
	if (!wait) {
		reply_problem(req, 500, "internal", NULL, NULL);
		return;
	}
	*wait = *how;
	int err = db_exec(req->worker->db, statement, DB_IDEMPOTENT, params, params_len, on_found, wait);
	if (err < 0)
		answer_failed(req, &(struct db_result){ .error = DB_LOST });
}

static void look_up(struct request *req, void (*then)(struct request *req), bool optional)
{
	struct credential credential = { 0 };
	char hash[64 + 1];
	const char *params[] = { hash };
	const char *problem = credential_find(req, &credential);

	if (problem || credential.kind == AUTH_NONE || auth_token_hash(credential.token, credential.len, hash) < 0) {
		if (!auth_admit_address(req))
			return;
		if (optional)
			then(req);
		else
			reply_unauthorized(req, problem ? problem : "Sign in first.");
		return;
	}
	if (credential.kind == AUTH_COOKIE && (changes_something(req) || is_upgrade(req)) &&
	    !origin_is_own(req, false)) {
		reply_bad_origin(req);
		return;
	}
	const struct auth_wait how = { .req = req,
				       .then = then,
				       .kind = credential.kind,
				       .optional = optional,
				       .refused = "This sign-in has ended, or never was one; sign in again." };
	ask(req, &how, "auth", params, ARRAY_LEN(params));
}

void auth_check(struct request *req, void (*then)(struct request *req))
{
	look_up(req, then, false);
}

void auth_look(struct request *req, void (*then)(struct request *req))
{
	look_up(req, then, true);
}

void auth_check_stream(struct request *req, const char *kind, void (*then)(struct request *req))
{
	const char *authorization = request_header(req, "authorization");
	bool is_bearer = authorization && strncasecmp(authorization, "bearer ", 7) == 0;
	const char *token = is_bearer ? authorization + 7 + strspn(authorization + 7, " ") : "";
	char hash[64 + 1];
	const char *params[] = { hash, req->param[0], kind };
	const struct auth_wait how = { .req = req,
				       .then = then,
				       .kind = AUTH_BEARER,
				       .refused = "This token does not open this stream, or not any more." };

	if (auth_token_hash(token, strlen(token), hash) == 0)
		ask(req, &how, "stream_auth", params, ARRAY_LEN(params));
	else if (auth_admit_address(req))
		reply_unauthorized(req, "Send the stream link's token: Authorization: Bearer TOKEN.");
}
