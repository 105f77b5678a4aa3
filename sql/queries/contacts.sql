-- workers/api_contacts.c, GET /contacts.
select * from parley_contacts($1)
