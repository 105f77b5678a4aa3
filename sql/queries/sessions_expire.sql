-- workers/sweeper.c, every few seconds: how many at most.
select * from parley_sessions_expire($1)
