-- workers/sweeper.c, now and then.
delete from sessions where expires_at < now()
