-- workers/api_accounts.c, POST /accounts: id, username, display name, hash, invite's SHA-256 in hex or null, needed?
select * from parley_account_create($1, $2, $3, $4, $5, $6)
