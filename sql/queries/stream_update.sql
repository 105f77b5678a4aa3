-- workers/api_streams.c, PATCH /calls/{call_id}/streams/{stream_id}: who, call, stream, paused, muted audio, muted video
-- (null: as it is), "https://host".
select * from parley_stream_update($1, $2, $3, $4, $5, $6, $7)
