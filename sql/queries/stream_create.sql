-- workers/api_streams.c, POST /calls/{call_id}/streams: who, call, new id, kind, name, SHA-256 of the token in hex, how
-- many a call may have, "https://host", address.
select * from parley_stream_create($1, $2, $3, $4, $5, decode($6, 'hex'), $7, $8, $9)
