-- workers/auth.c: whose token is this? $1: its SHA-256 in hex. Once a minute it is noted that it was used.
with found as (
	select s.id, s.user_id, s.last_seen_at from sessions s
	where s.token_hash = decode($1, 'hex') and s.expires_at > now()
), seen as (
	update sessions s set last_seen_at = now() from found f
	where s.id = f.id and f.last_seen_at < now() - interval '1 minute'
)
select id as session_id, user_id from found
