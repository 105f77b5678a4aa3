-- workers/api_calls.c, PATCH /calls/{call_id}/members/{user_id}: who, call, whom, audio, video.
select * from parley_member_mute($1, $2, $3, $4, $5)
