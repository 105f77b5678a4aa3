-- workers/presence.c: these people came or went, or a call began or ended for them.
select parley_presence_tell($1) as notify
