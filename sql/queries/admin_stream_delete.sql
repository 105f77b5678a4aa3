-- workers/admin_api.c: id.
select * from parley_admin_stream_delete($1)
