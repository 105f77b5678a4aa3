-- workers/api_accounts.c, PATCH /me: user, display name or null.
select * from parley_me_update($1, $2)
