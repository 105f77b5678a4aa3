#include "tools/load/api.h"

#include "lib/buf.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_MAX = 16 * 1024 * 1024, TIMEOUT_S = 60, RETRY_MAX_S = 30 };

struct request {
	struct api *api;
	struct request *next, **link;
	CURL *easy;
	struct curl_slist *headers;
	struct loop_timer again;
	char url[1024], error[CURL_ERROR_SIZE];
	char *body;
	struct buf answer;
	api_done *done;
	void *arg;
	unsigned tries;
	uint64_t sent, received;
	int64_t began_us;
};

struct watched {
	struct loop_fd io;
};

struct api {
	struct loop *loop;
	CURLM *multi;
	struct loop_timer timer;
	struct request *requests;
	unsigned pending;
	bool insecure;
	char base[512];
};

static void collect(struct api *api);

/* ---- libcurl's view of our loop ---- */

static void on_socket(struct loop_fd *io, uint32_t events, void *arg)
{
	struct api *api = arg;
	int running, what = 0;

	if (events & (EPOLLIN | EPOLLHUP))
		what |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		what |= CURL_CSELECT_OUT;
	if (events & EPOLLERR)
		what |= CURL_CSELECT_ERR;
	curl_multi_socket_action(api->multi, io->fd, what, &running);
	collect(api);
}

static int on_watch(CURL *easy, curl_socket_t fd, int what, void *arg, void *of_socket)
{
	struct api *api = arg;
	struct watched *w = of_socket;
	const uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (w)
			loop_fd_del(&w->io);
		free(w);
		curl_multi_assign(api->multi, fd, NULL);
		return 0;
	}
	if (w)
		return loop_fd_mod(&w->io, events) < 0 ? -1 : 0;
	w = calloc(1, sizeof(*w));
	if (!w || loop_fd_add(api->loop, &w->io, fd, events, on_socket, api) < 0) {
		free(w);
		return -1;
	}
	curl_multi_assign(api->multi, fd, w);
	return 0;
}

static void on_timeout(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct api *api = arg;
	int running;

	(void)timer;
	(void)now_us;
	curl_multi_socket_action(api->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	collect(api);
}

static int on_timer_wish(CURLM *multi, long ms, void *arg)
{
	struct api *api = arg;

	(void)multi;
	if (ms < 0)
		loop_timer_stop(&api->timer);
	else if (loop_timer_start(api->loop, &api->timer, clock_now_us() + ms * USEC_PER_MSEC, on_timeout, api) < 0)
		return -1;
	return 0;
}

int api_new(struct loop *loop, const char *base, bool insecure, unsigned connections, struct api **ret_api)
{
	struct api *api = calloc(1, sizeof(*api));

	if (!api)
		return -ENOMEM;
	api->loop = loop;
	api->insecure = insecure;
	snprintf(api->base, sizeof(api->base), "%s", base);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(api->multi = curl_multi_init())) {
		free(api);
		return -ENOMEM;
	}
	curl_multi_setopt(api->multi, CURLMOPT_SOCKETFUNCTION, on_watch);
	curl_multi_setopt(api->multi, CURLMOPT_SOCKETDATA, api);
	curl_multi_setopt(api->multi, CURLMOPT_TIMERFUNCTION, on_timer_wish);
	curl_multi_setopt(api->multi, CURLMOPT_TIMERDATA, api);
	curl_multi_setopt(api->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)connections);
	curl_multi_setopt(api->multi, CURLMOPT_MAXCONNECTS, (long)connections);
	*ret_api = api;
	return 0;
}

static void request_free(struct request *r)
{
	*r->link = r->next;
	if (r->next)
		r->next->link = r->link;
	r->api->pending--;
	loop_timer_stop(&r->again);
	if (r->easy) {
		curl_multi_remove_handle(r->api->multi, r->easy);
		curl_easy_cleanup(r->easy);
	}
	curl_slist_free_all(r->headers);
	buf_fini(&r->answer);
	free(r->body);
	free(r);
}

struct api *api_free(struct api *api)
{
	if (!api)
		return NULL;
	while (api->requests)
		request_free(api->requests);
	curl_multi_cleanup(api->multi);
	loop_timer_stop(&api->timer);
	free(api);
	return NULL;
}

unsigned api_pending(const struct api *api)
{
	return api->pending;
}

/* ---- one request ---- */

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct request *r = arg;

	if (r->answer.len + size * n > ANSWER_MAX)
		return 0;
	buf_append(&r->answer, data, size * n);
	return r->answer.failed ? 0 : size * n;
}

static void header_add(struct request *r, const char *name, const char *value)
{
	char line[600];

	snprintf(line, sizeof(line), "%s:%s%s", name, *value ? " " : "", value);
	struct curl_slist *longer = curl_slist_append(r->headers, line);
	r->headers = longer ? longer : r->headers;
}

int api_request(struct api *api, const char *token, const char *method, const char *path, const char *type,
		const char *body, api_done *done, void *arg)
{
	struct request *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->api = api;
	r->next = api->requests;
	r->link = &api->requests;
	if (r->next)
		r->next->link = &r->next;
	api->requests = r;
	api->pending++;
	r->done = done;
	r->arg = arg;
	r->began_us = clock_now_us();
	r->easy = curl_easy_init();
	r->body = body ? strdup(body) : NULL;
	if (!r->easy || (body && !r->body)) {
		request_free(r);
		return -ENOMEM;
	}
	snprintf(r->url, sizeof(r->url), "%s%s", api->base, path);
	if (token) {
		char bearer[300];
		snprintf(bearer, sizeof(bearer), "Bearer %s", token);
		header_add(r, "Authorization", bearer);
	}
	header_add(r, "Expect", "");
	curl_easy_setopt(r->easy, CURLOPT_URL, r->url);
	curl_easy_setopt(r->easy, CURLOPT_CUSTOMREQUEST, method);
	if (body) {
		header_add(r, "Content-Type", type ? type : "application/json");
		curl_easy_setopt(r->easy, CURLOPT_POSTFIELDS, r->body);
	} else if (strcmp(method, "POST") == 0) {
		header_add(r, "Content-Type", "");
		curl_easy_setopt(r->easy, CURLOPT_POSTFIELDS, "");
	}
	curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, r->headers);
	curl_easy_setopt(r->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(r->easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(r->easy, CURLOPT_WRITEDATA, r);
	curl_easy_setopt(r->easy, CURLOPT_ERRORBUFFER, r->error);
	curl_easy_setopt(r->easy, CURLOPT_PRIVATE, r);
	curl_easy_setopt(r->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(r->easy, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
	curl_easy_setopt(r->easy, CURLOPT_USERAGENT, "parley-load");
	curl_easy_setopt(r->easy, CURLOPT_SSL_VERIFYPEER, api->insecure ? 0L : 1L);
	curl_easy_setopt(r->easy, CURLOPT_SSL_VERIFYHOST, api->insecure ? 0L : 2L);
	if (curl_multi_add_handle(api->multi, r->easy) != CURLM_OK) {
		request_free(r);
		return -ENOMEM;
	}
	return 0;
}

static void on_again(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct request *r = arg;

	(void)timer;
	(void)now_us;
	curl_multi_add_handle(r->api->multi, r->easy);
}

static void count_bytes(struct request *r)
{
	curl_off_t down = 0;
	long request = 0, head = 0;

	/* CURLINFO_REQUEST_SIZE has the head and what is sent along with it: bodies of less than 64 KiB, as all here.
	 */
	curl_easy_getinfo(r->easy, CURLINFO_REQUEST_SIZE, &request);
	curl_easy_getinfo(r->easy, CURLINFO_HEADER_SIZE, &head);
	curl_easy_getinfo(r->easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
	r->sent += (uint64_t)request;
	r->received += (uint64_t)head + (uint64_t)down;
}

static const char *header_value(CURL *easy, const char *name)
{
	struct curl_header *header;

	return curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK ? header->value : "";
}

/* true: it is sent again later. */
static bool retried(struct request *r, long status)
{
	const char *after = header_value(r->easy, "Retry-After");

	if ((status != 429 && status != 503) || !*after || ++r->tries >= API_TRIES)
		return false;
	int64_t wait_us = MIN(MAX(atoi(after), 1), RETRY_MAX_S) * USEC_PER_SEC;
	buf_clear(&r->answer);
	curl_multi_remove_handle(r->api->multi, r->easy);
	return loop_timer_start(r->api->loop, &r->again, clock_now_us() + wait_us, on_again, r) == 0;
}

static void finish(struct request *r, CURLcode result)
{
	char location[512];
	long status = 0;

	count_bytes(r);
	if (result == CURLE_OK)
		curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
	if (result == CURLE_OK && retried(r, status))
		return;
	buf_append(&r->answer, "", 1);
	snprintf(location, sizeof(location), "%s", result == CURLE_OK ? header_value(r->easy, "Location") : "");
	const struct api_answer answer = {
		.status = r->answer.failed ? 0 : (int)status,
		.error = *r->error ? r->error : curl_easy_strerror(result),
		.body = r->answer.failed ? "" : (const char *)r->answer.data,
		.len = r->answer.failed ? 0 : r->answer.len - 1,
		.location = location,
		.sent = r->sent,
		.received = r->received,
		.took_us = clock_now_us() - r->began_us,
	};
	if (r->done)
		r->done(&answer, r->arg);
	request_free(r);
}

static void collect(struct api *api)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(api->multi, &left))) {
		struct request *r = NULL;
		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&r);
		finish(r, msg->data.result);
	}
}
