-- workers/api_calls.c, POST /calls/{call_id}/answer: who, sign-in, call.
select * from parley_call_answer($1, $2, $3)
