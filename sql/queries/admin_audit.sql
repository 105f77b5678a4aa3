-- workers/admin_api.c: the newest 500.
select * from parley_admin_audit()
