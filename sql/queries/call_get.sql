-- workers/api_calls.c, GET /calls/{call_id}: who, call.
select * from parley_call_get($1, $2)
