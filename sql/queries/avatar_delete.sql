-- workers/api_me.c, DELETE /me/avatar: user.
select * from parley_avatar_delete($1)
