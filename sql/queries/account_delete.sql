-- workers/api_me.c, DELETE /me: user, hash that the password was compared with.
select * from parley_account_delete($1, $2)
