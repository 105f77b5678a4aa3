-- workers/admin_api.c: id.
select * from parley_admin_invite_delete($1)
