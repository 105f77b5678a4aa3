-- workers/api_events.c, the first event of a WebSocket.
select parley_hello($1) as body
