-- workers/api_accounts.c, POST /sessions, after the password was right: user, hash it was compared with, id, token's
-- SHA-256 in hex, user agent, address.
select * from parley_session_create($1, $2, $3, decode($4, 'hex'), $5, $6)
