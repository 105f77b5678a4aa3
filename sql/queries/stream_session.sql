-- workers/api_streams.c: the call that this stream is in now, and the entity tag of its ICE session. $2, when not null,
-- is the new one. No row: it is not in the call.
update call_streams s set etag = coalesce($2, s.etag)
from call_members m
where s.id = $1 and m.call_id = s.call_id and m.user_id = s.id and m.state in ('joined', 'reconnecting')
returning s.call_id as "call", s.etag
