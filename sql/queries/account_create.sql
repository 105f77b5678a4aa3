-- workers/api_accounts.c, POST /accounts: id, username, display name, hash.
select * from parley_account_create($1, $2, $3, $4)
