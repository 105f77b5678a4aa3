-- workers/sweeper.c, now and then: days that history, messages and audit log are kept (0: for ever), rows at most.
select parley_retain($1, $2, $3, $4) as more
