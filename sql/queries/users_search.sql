-- workers/api_accounts.c, GET /users: who asks, what to look for.
select * from parley_users_search($1, lower($2))
