-- workers/api_contacts.c, DELETE /contacts/{user_id}: who asks, whom.
select * from parley_contact_delete($1, $2)
