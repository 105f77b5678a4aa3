-- workers/api_calls.c, DELETE /calls/{call_id}/members/{user_id}: who, call, whom.
select * from parley_member_remove($1, $2, $3)
