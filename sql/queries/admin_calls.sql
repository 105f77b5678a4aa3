-- workers/admin_api.c: call, or null for those that go on.
select * from parley_admin_calls($1)
