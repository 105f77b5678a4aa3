-- workers/media_link.c: a transport is connected, disconnected or closed. Call, user, sign-in, state, and when the
-- transport was made in microseconds (msg_transport_state.made_us; 0: not known), so that news of a replaced one
-- change nothing. Row: notify for events_send_notify(), media for answer_media().
select * from parley_media_state($1, $2, $3, $4, $5)
