-- workers/api_streams.c: the stream has ended its session. Row: notify, media.
select * from parley_stream_leave($1)
