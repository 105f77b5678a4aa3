-- workers/api_streams.c, DELETE /calls/{call_id}/streams/{stream_id}: who, call, stream, address.
select * from parley_stream_delete($1, $2, $3, $4)
