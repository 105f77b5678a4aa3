/* tools/load/api.h - HTTP requests to a server, many at once, by libcurl on our loop.
 *
 * Connections are kept and shared by all participants, at most so many at a time; what has to wait for one waits
 * inside. An answer 429 or 503 with Retry-After is not handed on: the request is sent again after that time, API_TRIES
 * times.
 *
 * Callers:   one thread. done may make further requests.
 * Counts:    bytes of requests and answers with their headers, of all tries; what TLS adds is not in them. */
#ifndef PARLEY_LOAD_API_H
#define PARLEY_LOAD_API_H

#include "lib/err.h"
#include "lib/loop.h"

#include <stddef.h>
#include <stdint.h>

#define API_TRIES 5

struct api;

struct api_answer {
	int status; /* 0: there was none, and error says why */
	const char *error;
	const char *body; /* followed by a NUL */
	size_t len;
	const char *location; /* "" without */
	uint64_t sent, received;
	int64_t took_us;
};

typedef void api_done(const struct api_answer *answer, void *arg);

/* base: https://host[:port]/api/v1 or the like; paths are put behind it. */
int api_new(struct loop *loop, const char *base, bool insecure, unsigned connections, struct api **ret_api);
/* Requests that wait for an answer are dropped without a word. */
struct api *api_free(struct api *api);
/* body NULL = none; type NULL = application/json; token NULL = none. All of it is copied. -ENOMEM. */
int api_request(struct api *api, const char *token, const char *method, const char *path, const char *type,
		const char *body, api_done *done, void *arg);
/* Requests whose answer has not come. */
unsigned api_pending(const struct api *api);

#endif
