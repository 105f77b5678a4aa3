-- workers/api_calls.c, POST /calls: who, sign-in, id, people, video, ring timeout and reconnect grace in seconds.
select * from parley_call_create($1, $2, $3, $4, $5, $6, $7)
