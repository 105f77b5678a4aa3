-- workers/auth.c: does this token ($1: its SHA-256 in hex) open the stream of this id ($2) and kind ($3)? A stream is its
-- own user and sign-in.
select s.id as session_id, s.id as user_id from call_streams s
where s.token_hash = decode($1, 'hex') and s.id::text = lower($2) and s.kind = $3 and not s.revoked
	and s.expires_at > now()
