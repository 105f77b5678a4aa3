-- workers/api_calls.c, POST /calls/{call_id}/invite: who, call, people, ring timeout in seconds, most members.
select * from parley_call_invite($1, $2, $3, $4, $5)
