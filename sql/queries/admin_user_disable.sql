-- workers/admin_api.c: user name, disabled?
select * from parley_admin_user_disable($1, $2)
