-- workers/admin_api.c: id, code's SHA-256 in hex, uses, days or null, note or null.
select * from parley_admin_invite_create($1, $2, $3, $4, $5)
