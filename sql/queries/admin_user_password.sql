-- workers/admin_api.c: user name, hash.
select * from parley_admin_user_password($1, $2)
