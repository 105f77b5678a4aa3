/* workers/ws_conn.h - what http_conn.c and server.c call in ws.c; handlers use ws.h. */
#ifndef PARLEY_WORKERS_WS_CONN_H
#define PARLEY_WORKERS_WS_CONN_H

#include "workers/ws.h"

#include <stddef.h>
#include <stdint.h>

/* Bytes from the client. */
void ws_on_data(struct ws *ws, const uint8_t *data, size_t len);
/* End of the turn: tells the handler of a close that was decided in it. */
void ws_settle(struct ws *ws);
/* The connection ends now: on_close if it has not come yet, then ws is freed. */
void ws_on_gone(struct ws *ws);
bool ws_is_closing(const struct ws *ws);
/* The worker goes: {"type":"server.moving"}, close 1012. */
void ws_drain(struct ws *ws);

#endif
