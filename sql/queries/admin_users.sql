-- workers/admin_api.c: what to look for, or null.
select * from parley_admin_users($1)
