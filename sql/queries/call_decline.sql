-- workers/api_calls.c, POST /calls/{call_id}/decline: who, sign-in, call.
select * from parley_call_decline($1, $2, $3)
