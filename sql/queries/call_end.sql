-- workers/api_calls.c, POST /calls/{call_id}/end: who, call.
select * from parley_call_end($1, $2)
