-- workers/api_me.c: what to compare the own password with.
select password, username, display_name from users where id = $1
