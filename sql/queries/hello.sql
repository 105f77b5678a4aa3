-- workers/api_events.c, the first event of a WebSocket: who, sign-in. No row: the sign-in has ended meanwhile. The worker
-- listens for that from before this question on, so that either way the WebSocket does not outlive it.
select parley_hello(s.user_id) as body from sessions s where s.user_id = $1 and s.id = $2 and s.expires_at > now()
