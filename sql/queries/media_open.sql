-- workers/api_media.c: may this sign-in open media? Call, user, sign-in. Row: status, code, detail, body (one more
-- member of the problem), joined_us, position, paused, muted_audio, muted_video, and whether the member has had media in
-- the call since joining it.
select o.*, exists (select from call_members m where m.call_id = $1 and m.user_id = $2
	and (m.connected or m.state = 'reconnecting')) as comes_back
from parley_media_open($1, $2, $3) o
