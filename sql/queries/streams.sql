-- workers/api_streams.c, GET /calls/{call_id}/streams: who, call, "https://host".
select * from parley_streams($1, $2, $3)
