-- workers/api_accounts.c, GET /me.
select * from parley_me($1)
