-- workers/api_calls.c, PATCH /calls/{call_id}: who, call, locked.
select * from parley_call_update($1, $2, $3)
