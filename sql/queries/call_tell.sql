-- workers/events.c: a page of this person has missed something of this call. Row: notify.
select parley_call_tell($1, $2) as notify
