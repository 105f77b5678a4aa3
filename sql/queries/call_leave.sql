-- workers/api_calls.c, POST /calls/{call_id}/leave: who, call.
select * from parley_call_leave($1, $2)
