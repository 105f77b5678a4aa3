-- workers/admin_api.c: the links that are valid.
select * from parley_admin_streams()
