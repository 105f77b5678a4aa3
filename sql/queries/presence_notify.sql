-- workers/events.c: these people came or went.
select parley_presence_news($1) as notify
