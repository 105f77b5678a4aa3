-- workers/admin_api.c: all of them.
select * from parley_admin_invites()
