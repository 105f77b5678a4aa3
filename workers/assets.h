/* workers/assets.h - the built page in memory, the OpenAPI file, and the reference made from it.
 *
 * All regular files below conf.server.web_root are read at start, each with its NAME.br and NAME.gz when
 * they exist; a request never touches the disk. /assets/… carry a hash in their name and are cached for
 * ever, all else is revalidated by ETag. A GET that accepts text/html and matches no file gets index.html,
 * because the page does its own routing.
 *
 * Limits: 2,000 files, 64 MiB in total; links and special files are skipped.
 * Errors: a web_root that cannot be read is logged, and the page is then answered 503 (a worker without a
 *         page still serves the API). */
#ifndef PARLEY_WORKERS_ASSETS_H
#define PARLEY_WORKERS_ASSETS_H

#include "workers/request.h"

struct assets;
struct worker;

int assets_start(struct worker *worker, struct assets **ret_assets);
struct assets *assets_stop(struct assets *assets);
/* Answers a GET or HEAD outside /api. */
void assets_reply(const struct assets *assets, struct request *req);
/* Answers with the reference of the API, web_root's api/docs.html, under a policy of its own. */
void assets_reply_docs(const struct assets *assets, struct request *req);
/* Answers with the OpenAPI file as JSON. */
void assets_reply_openapi(const struct assets *assets, struct request *req);

#endif
