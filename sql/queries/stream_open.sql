-- workers/api_streams.c: the stream has an offer; the entity tag of the ICE session to come. Row as of media_open, and
-- call, notify, joined.
select * from parley_stream_open($1, $2)
