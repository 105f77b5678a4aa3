-- workers/api_calls.c, PATCH /calls/{call_id}/members/me: who, call, paused, muted audio, muted video, hand, sharing;
-- null: as it is.
select * from parley_member_update($1, $2, $3, $4, $5, $6, $7)
