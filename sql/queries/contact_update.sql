-- workers/api_contacts.c, PATCH /contacts/{user_id}: who asks, whom, nickname, favourite, blocked; null: as it is.
select * from parley_contact_update($1, $2, $3, $4, $5)
