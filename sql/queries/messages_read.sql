-- workers/api_messages.c, PUT /calls/{call_id}/messages/read: who, call, seq.
select * from parley_messages_read($1, $2, $3)
