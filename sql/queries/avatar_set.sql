-- workers/api_me.c, PUT /me/avatar: user, sign-in, name, the picture in hex.
select * from parley_avatar_set($1, $2, $3, decode($4, 'hex'))
