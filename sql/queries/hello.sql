-- workers/api_events.c, the first event of a WebSocket: who, sign-in. No row: the sign-in has ended meanwhile. The worker
-- listens for that from before this question on, so that either way the WebSocket does not outlive it. calls: ids and
-- versions of the calls in it (workers/order.h).
select parley_hello(s.user_id) as body, (
		select string_agg(m.call_id || ' ' || c.version, ' ') from call_members m join calls c on c.id = m.call_id
		where m.user_id = s.user_id and m.state in ('ringing', 'joined', 'reconnecting') and not m.silent) as calls
from sessions s where s.user_id = $1 and s.id = $2 and s.expires_at > now()
