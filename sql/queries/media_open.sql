-- workers/api_media.c: may this sign-in open media? Call, user, sign-in. Row: status, code, detail, body (one more
-- member of the problem), joined_us, position, paused, muted_audio, muted_video.
select * from parley_media_open($1, $2, $3)
