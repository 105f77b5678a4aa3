-- workers/api_me.c, GET /me/export: user, sign-in.
select * from parley_export($1, $2)
