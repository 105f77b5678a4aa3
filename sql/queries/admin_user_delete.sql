-- workers/admin_api.c: user name.
select * from parley_admin_user_delete($1)
