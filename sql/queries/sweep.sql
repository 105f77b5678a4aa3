-- workers/sweeper.c, each second; false: leave lost connections alone.
select * from parley_sweep($1)
