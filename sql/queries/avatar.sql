-- workers/api_me.c, GET /avatars/{name}: in hex.
select encode(data, 'hex') as data from avatars where name = $1
