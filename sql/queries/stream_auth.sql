-- workers/auth.c: does this token ($1: its SHA-256 in hex) open the stream of this id ($2) and kind ($3)? A stream is its
-- own user and sign-in. Too old for anything new, it still is the token of what came by it before and has not left.
select s.id as session_id, s.id as user_id from call_streams s
where s.token_hash = decode($1, 'hex') and s.id::text = lower($2) and s.kind = $3 and not s.revoked
	and (s.expires_at > now() or exists (select from call_members m where m.call_id = s.call_id and m.user_id = s.id
		and m.state in ('joined', 'reconnecting')))
