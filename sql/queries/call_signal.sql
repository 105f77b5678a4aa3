-- workers/api_events.c, typing and reaction: who, call, type, emoji or null.
select * from parley_call_signal($1, $2, $3, $4)
