#include "workers/assets.h"

#include "lib/cleanup.h"
#include "lib/log.h"
#include "workers/http_parser.h"
#include "workers/worker.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ASSETS_MAX	 2000
#define ASSETS_BYTES_MAX (64u << 20)
#define ASSETS_DEPTH_MAX 8
#define ETAG_DIGITS	 20

enum encoding { ENCODING_NONE, ENCODING_BR, ENCODING_GZIP, ENCODING_COUNT };

static const struct {
	const char *suffix;  /* of the file beside the plain one */
	const char *token;   /* in Accept-Encoding */
	const char *in_etag; /* each form has its own */
} encodings[] = {
	[ENCODING_NONE] = { "", "identity", "" },
	[ENCODING_BR] = { ".br", "br", "-br" },
	[ENCODING_GZIP] = { ".gz", "gzip", "-gz" },
};

struct asset {
	char *path; /* "/assets/index-1a2b.js" */
	const char *type;
	struct buf data[ENCODING_COUNT]; /* no data: not there in that encoding */
	char etag[ETAG_DIGITS + 1];
	const char *csp;
	bool immutable;
};

struct assets {
	struct asset *item; /* sorted by path */
	size_t len;
	size_t bytes;
	struct asset openapi;
};

static const char page_csp[] =
	"default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self' 'unsafe-inline'; "
	"img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self'; connect-src 'self'; "
	"manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/* The reference of the API shows text; it asks the server for nothing. */
static const char docs_path[] = "/api/docs.html";
static const char docs_csp[] =
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
	"frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

static const struct {
	const char *suffix, *type;
} types[] = {
	{ ".html", "text/html; charset=utf-8" },
	{ ".js", "text/javascript; charset=utf-8" },
	{ ".mjs", "text/javascript; charset=utf-8" },
	{ ".css", "text/css; charset=utf-8" },
	{ ".json", "application/json" },
	{ ".map", "application/json" },
	{ ".webmanifest", "application/manifest+json" },
	{ ".svg", "image/svg+xml" },
	{ ".png", "image/png" },
	{ ".jpg", "image/jpeg" },
	{ ".webp", "image/webp" },
	{ ".avif", "image/avif" },
	{ ".ico", "image/x-icon" },
	{ ".woff2", "font/woff2" },
	{ ".txt", "text/plain; charset=utf-8" },
	{ ".wasm", "application/wasm" },
	{ ".mp3", "audio/mpeg" },
	{ ".ogg", "audio/ogg" },
	{ ".wav", "audio/wav" },
};

static bool ends_with(const char *text, const char *suffix)
{
	size_t len = strlen(text), suffix_len = strlen(suffix);

	return len >= suffix_len && strcmp(text + len - suffix_len, suffix) == 0;
}

static const char *type_of(const char *path)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (ends_with(path, types[i].suffix))
			return types[i].type;
	}
	return "application/octet-stream";
}

/* Loading */

static int read_whole(int fd, size_t max, struct buf *ret_data)
{
	struct buf data = { 0 };

	for (;;) {
		uint8_t *at = buf_reserve(&data, 65536);
		ssize_t n = at ? read(fd, at, 65536) : -1;
		if (n == 0 && data.data)
			break;
		if (n < 0 || data.len + (size_t)n > max) {
			int err = !at ? -ENOMEM : n < 0 ? -errno : -EFBIG;
			buf_fini(&data);
			return err;
		}
		data.len += (size_t)n;
	}
	/* The reserve of the last read is given back. */
	uint8_t *fitting = realloc(data.data, MAX(data.len, (size_t)1));
	if (fitting) {
		data.data = fitting;
		data.cap = MAX(data.len, (size_t)1);
	}
	*ret_data = data;
	return 0;
}

/* 1: read, 0: no such regular file. */
static int file_read(int dir_fd, const char *name, size_t max, struct buf *ret_data)
{
	struct stat st;
	auto_close int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return errno == ENOENT || errno == ELOOP ? 0 : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return 0;
	int err = read_whole(fd, max, ret_data);
	return err < 0 ? err : 1;
}

static void etag_make(struct asset *a)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];

	SHA256(a->data[ENCODING_NONE].data, a->data[ENCODING_NONE].len, digest);
	hex_format(digest, ETAG_DIGITS / 2, a->etag);
}

static void asset_fini(struct asset *a)
{
	for (size_t e = 0; e < ENCODING_COUNT; e++)
		buf_fini(&a->data[e]);
	free(a->path);
}

/* The file in all its encodings. */
static int asset_read(struct assets *assets, int dir_fd, const char *name, struct asset *a)
{
	for (size_t e = 0; e < ENCODING_COUNT; e++) {
		char file[300];
		snprintf(file, sizeof(file), "%s%s", name, encodings[e].suffix);
		int got = file_read(dir_fd, file, ASSETS_BYTES_MAX - assets->bytes, &a->data[e]);
		if (got < 0)
			return got;
		if (got == 0 && e == ENCODING_NONE)
			return -ENOENT;
		assets->bytes += a->data[e].len;
	}
	etag_make(a);
	return 0;
}

static int asset_add(struct assets *assets, int dir_fd, const char *prefix, const char *name)
{
	struct asset a = { .type = type_of(name) };

	if (assets->len == ASSETS_MAX)
		return -EFBIG;
	if (asprintf(&a.path, "%s/%s", prefix, name) < 0)
		return -ENOMEM;
	a.immutable = strncmp(a.path, "/assets/", 8) == 0;
	a.csp = strcmp(a.path, docs_path) == 0 ? docs_csp : page_csp;
	int err = asset_read(assets, dir_fd, name, &a);
	if (err < 0) {
		asset_fini(&a);
		return err == -ENOENT ? 0 : err;
	}
	assets->item[assets->len++] = a;
	return 0;
}

/* Is this the compressed form of a file that is there too? It was read with that one. */
static bool is_sibling(int dir_fd, const char *name)
{
	char plain[256];

	for (size_t e = ENCODING_BR; e < ENCODING_COUNT; e++) {
		if (!ends_with(name, encodings[e].suffix))
			continue;
		snprintf(plain, sizeof(plain), "%.*s", (int)(strlen(name) - 3), name);
		return faccessat(dir_fd, plain, F_OK, 0) == 0;
	}
	return false;
}

static int folder_load(struct assets *assets, int parent_fd, const char *name, const char *prefix, unsigned depth);

static int entry_load(struct assets *assets, DIR *dir, const char *name, const char *prefix, unsigned depth)
{
	auto_free char *path = NULL;
	struct stat st;

	if (name[0] == '.' || fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (S_ISREG(st.st_mode))
		return is_sibling(dirfd(dir), name) ? 0 : asset_add(assets, dirfd(dir), prefix, name);
	if (!S_ISDIR(st.st_mode) || depth == ASSETS_DEPTH_MAX)
		return 0;
	if (asprintf(&path, "%s/%s", prefix, name) < 0)
		return -ENOMEM;
	return folder_load(assets, dirfd(dir), name, path, depth + 1);
}

static int folder_load(struct assets *assets, int parent_fd, const char *name, const char *prefix, unsigned depth)
{
	int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;
	int err = 0;

	if (!dir) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	while (err == 0 && (e = readdir(dir)))
		err = entry_load(assets, dir, e->d_name, prefix, depth);
	closedir(dir);
	return err;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct asset *)a)->path, ((const struct asset *)b)->path);
}

int assets_start(struct worker *worker, struct assets **ret_assets)
{
	struct assets *assets = calloc(1, sizeof(*assets));
	const char *root = worker->conf.server.web_root, *openapi = worker->conf.server.openapi;
	int err;

	if (!assets)
		return -ENOMEM;
	assets->item = calloc(ASSETS_MAX, sizeof(*assets->item));
	if (!assets->item) {
		free(assets);
		return -ENOMEM;
	}
	err = root && *root ? folder_load(assets, AT_FDCWD, root, "", 0) : -ENOENT;
	if (err < 0)
		log_error("assets: the page in %s cannot be loaded: %s; it is answered 503", root ? root : "(none)",
			  strerror(-err));
	qsort(assets->item, assets->len, sizeof(*assets->item), by_path);
	assets->openapi.type = "application/json";
	assets->openapi.csp = page_csp;
	err = openapi && *openapi ? asset_read(assets, AT_FDCWD, openapi, &assets->openapi) : -ENOENT;
	if (err < 0)
		log_warn("assets: %s cannot be loaded: %s; openapi.json is answered 404", openapi ? openapi : "(none)",
			 strerror(-err));
	*ret_assets = assets;
	return 0;
}

struct assets *assets_stop(struct assets *assets)
{
	if (!assets)
		return NULL;
	for (size_t i = 0; i < assets->len; i++)
		asset_fini(&assets->item[i]);
	asset_fini(&assets->openapi);
	free(assets->item);
	free(assets);
	return NULL;
}

/* Answering */

static const struct asset *asset_find(const struct assets *assets, const char *path)
{
	struct asset key = { .path = (char *)path };

	return assets->len ? bsearch(&key, assets->item, assets->len, sizeof(key), by_path) : NULL;
}

/* "br;q=0.5": does the client take this? q=0 says no. */
static bool encoding_accepted(const char *accept, const char *token)
{
	while (accept && *accept) {
		size_t item = strcspn(accept, ",");
		size_t skip = strspn(accept, " \t");
		size_t name = strcspn(accept + skip, " \t;,");
		if (http_span_is((struct http_span){ accept + skip, name }, token)) {
			char params[64] = "";
			snprintf(params, sizeof(params), "%.*s", (int)(item - MIN(item, skip + name)),
				 accept + skip + name);
			const char *q = strstr(params, "q=");
			return !q || strtod(q + 2, NULL) > 0;
		}
		accept += item + (accept[item] == ',');
	}
	return false;
}

static enum encoding encoding_choose(const struct asset *a, const struct request *req)
{
	const char *accept = request_header(req, "accept-encoding");

	for (enum encoding e = ENCODING_BR; e < ENCODING_COUNT; e++) {
		if (a->data[e].len > 0 && encoding_accepted(accept, encodings[e].token))
			return e;
	}
	return ENCODING_NONE;
}

/* Is etag (with its quotes) in the list of If-None-Match? */
static bool etag_matches(const char *list, const char *etag)
{
	size_t len = strlen(etag);

	while (list && *list) {
		list += strspn(list, " \t,");
		if (*list == '*')
			return true;
		if (strncmp(list, "W/", 2) == 0)
			list += 2;
		size_t item = strcspn(list, " \t,");
		if (item == len && memcmp(list, etag, len) == 0)
			return true;
		list += item;
	}
	return false;
}

static void asset_reply(const struct asset *a, struct request *req)
{
	enum encoding e = encoding_choose(a, req);
	char etag[ETAG_DIGITS + 8];

	snprintf(etag, sizeof(etag), "\"%s%s\"", a->etag, encodings[e].in_etag);
	request_add_header(req, "ETag", etag);
	request_add_header(req, "Vary", "Accept-Encoding");
	request_add_header(req, "Permissions-Policy",
			   "camera=(self), microphone=(self), display-capture=(self), speaker-selection=(self), "
			   "fullscreen=(self), picture-in-picture=(self), screen-wake-lock=(self), geolocation=(), "
			   "payment=(), usb=()");
	request_add_header(req, "Cross-Origin-Opener-Policy", "same-origin");
	struct reply r = { .status = 200,
			   .content_type = a->type,
			   .body = a->data[e].data,
			   .len = a->data[e].len,
			   .body_stays = true,
			   .cache_control = a->immutable ? "public, max-age=31536000, immutable" : "no-cache",
			   .csp = a->csp };
	if (etag_matches(request_header(req, "if-none-match"), etag)) {
		r.status = 304;
		r.len = 0;
	} else if (e != ENCODING_NONE) {
		request_add_header(req, "Content-Encoding", encodings[e].token);
	}
	reply_full(req, &r);
}

static bool wants_page(const struct request *req)
{
	const char *accept = request_header(req, "accept");

	return accept && strstr(accept, "text/html") && strncmp(req->path, "/assets/", 8) != 0;
}

void assets_reply(const struct assets *assets, struct request *req)
{
	const struct asset *a = asset_find(assets, strcmp(req->path, "/") == 0 ? "/index.html" : req->path);

	if (!a && wants_page(req))
		a = asset_find(assets, "/index.html");
	if (a)
		asset_reply(a, req);
	else if (!asset_find(assets, "/index.html"))
		reply_retry(req, 503, "overloaded", "The page is not installed on this server.", 60);
	else
		reply_problem(req, 404, "not_found", NULL, "There is nothing at this path.");
}

void assets_reply_docs(const struct assets *assets, struct request *req)
{
	const struct asset *a = asset_find(assets, docs_path);

	if (a)
		asset_reply(a, req);
	else
		reply_problem(req, 404, "not_found", NULL, "The reference is not installed on this server.");
}

void assets_reply_openapi(const struct assets *assets, struct request *req)
{
	if (assets->openapi.data[ENCODING_NONE].len > 0)
		asset_reply(&assets->openapi, req);
	else
		reply_problem(req, 404, "not_found", NULL, "The description is not installed on this server.");
}
