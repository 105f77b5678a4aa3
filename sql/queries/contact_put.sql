-- workers/api_contacts.c, PUT /contacts/{user_id}: who asks, whom.
select * from parley_contact_put($1, $2)
