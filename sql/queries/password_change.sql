-- workers/api_me.c, PUT /me/password: user, sign-in, hash it was compared with, new hash.
select * from parley_password_change($1, $2, $3, $4)
