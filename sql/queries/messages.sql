-- workers/api_messages.c, GET /calls/{call_id}/messages: who, call, after.
select * from parley_messages($1, $2, $3)
