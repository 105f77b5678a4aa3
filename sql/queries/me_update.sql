-- workers/api_accounts.c, PATCH /me: user, sign-in, display name, status; null: as it is.
select * from parley_me_update($1, $2, $3, $4)
