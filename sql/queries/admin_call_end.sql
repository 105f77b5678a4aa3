-- workers/admin_api.c: call.
select * from parley_admin_call_end($1)
