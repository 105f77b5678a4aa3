-- workers/api_accounts.c: actor, action, whom it concerned, address, detail.
select parley_audit($1, $2, $3, $4, $5)
