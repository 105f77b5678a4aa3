/* workers/http_answer.h - a struct reply as bytes: status line, the headers that every answer has, body.
 *
 * All answers carry Cache-Control, Content-Security-Policy, X-Content-Type-Options, Referrer-Policy and
 * Cross-Origin-Resource-Policy, and Strict-Transport-Security where the certificate allows it. HEAD, 204 and
 * 304 carry no body. */
#ifndef PARLEY_WORKERS_HTTP_ANSWER_H
#define PARLEY_WORKERS_HTTP_ANSWER_H

#include "workers/http_conn.h"

/* Queues it on the connection. -ENOMEM. */
int http_answer_queue(struct http_conn *conn, const struct request *req, const struct reply *r);

#endif
