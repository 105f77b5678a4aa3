-- workers/api_me.c, DELETE /me/avatar: user, sign-in.
select * from parley_avatar_delete($1, $2)
