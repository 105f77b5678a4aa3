-- workers/api_accounts.c, PATCH /me: user, display name, status; null: as it is.
select * from parley_me_update($1, $2, $3)
