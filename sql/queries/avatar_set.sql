-- workers/api_me.c, PUT /me/avatar: user, name, the picture in hex.
select * from parley_avatar_set($1, $2, decode($3, 'hex'))
