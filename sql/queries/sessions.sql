-- workers/api_accounts.c, GET /sessions: user, own sign-in.
select * from parley_sessions($1, $2)
