-- workers/api_calls.c, GET /calls: who, last call of the page before or null.
select * from parley_calls($1, $2)
