-- workers/api_accounts.c, DELETE /sessions/{session_id}: user, sign-in.
select * from parley_session_delete($1, $2)
