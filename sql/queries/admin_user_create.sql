-- workers/admin_api.c: id, user name, display name, hash.
select * from parley_admin_user_create($1, $2, $3, $4)
