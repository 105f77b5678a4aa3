-- workers/api_messages.c, POST /calls/{call_id}/messages: who, call, id, text.
select * from parley_message_post($1, $2, $3, $4)
