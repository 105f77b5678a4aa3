-- workers/api_accounts.c, POST /sessions: what to compare the password with.
select id as user_id, password from users where username = $1 and disabled_at is null
