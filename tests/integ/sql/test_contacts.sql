\ir prelude.sql
-- Contacts from both sides, blocks that cannot be noticed, search, sign-ins.
select pg_temp.person(n) from generate_series(1, 5) n \g /dev/null

create function pg_temp.seen(a integer, b integer) returns text language sql as $$
	select e ->> 'state' || ' ' || left(e ->> 'presence', 1)
	from jsonb_array_elements((parley_contacts(pg_temp.u(a))).body::jsonb -> 'items') e
	where e -> 'user' ->> 'id' = pg_temp.u(b)::text
$$;
create function pg_temp.found(a integer, q text) returns text language sql as $$
	select string_agg(right(e ->> 'id', 1), ' ' order by o)
	from jsonb_array_elements((parley_users_search(pg_temp.u(a), q)).body::jsonb -> 'items') with ordinality x (e, o)
$$;

do $$
declare
	r parley_reply;
begin
	perform pg_temp.told(parley_contact_put(pg_temp.u(1), pg_temp.u(1)), '403 forbidden', 'oneself');
	perform pg_temp.told(parley_contact_put(pg_temp.u(1), pg_temp.u(9)), '404 not_found', 'nobody');
	r := parley_contact_put(pg_temp.u(1), pg_temp.u(2));
	perform pg_temp.told(r, '200', 'ask');
	perform pg_temp.is(r.body::jsonb #>> '{contact,state}', 'outgoing', 'asked');
	perform pg_temp.is(pg_temp.hears(r, 2), 'contact', 'the other hears');
	perform pg_temp.is(pg_temp.seen(2, 1), 'incoming o', 'incoming');
	r := parley_contact_put(pg_temp.u(1), pg_temp.u(2));
	perform pg_temp.is(r.notify, null, 'asking twice');
	r := parley_contact_put(pg_temp.u(2), pg_temp.u(1));
	perform pg_temp.is(r.body::jsonb #>> '{contact,state}', 'accepted', 'accept');
	perform pg_temp.is(r.body::jsonb #>> '{contact,presence}', '@' || pg_temp.u(1), 'presence mark');
	perform pg_temp.is(pg_temp.seen(1, 2), 'accepted @', 'accepted');
	perform pg_temp.is(jsonb_array_length(parley_presence_tell(array[pg_temp.u(1), pg_temp.u(2)])), 2, 'presence');

	-- nickname and favourite
	r := parley_contact_update(pg_temp.u(1), pg_temp.u(2), 'Bee', true, null);
	perform pg_temp.is(r.body::jsonb #>> '{contact,nickname}', 'Bee', 'nickname');
	perform pg_temp.is(pg_temp.hears(r, 2), '', 'own business');
	r := parley_contact_update(pg_temp.u(1), pg_temp.u(2), '', null, null);
	perform pg_temp.is(r.body::jsonb #>> '{contact,nickname}', null, 'no nickname');
	perform pg_temp.is(r.body::jsonb #>> '{contact,favourite}', 'true', 'favourite');

	-- block: 2 sees nothing of it
	r := parley_contact_update(pg_temp.u(1), pg_temp.u(2), null, null, true);
	perform pg_temp.is(pg_temp.seen(1, 2), 'blocked o', 'blocked');
	perform pg_temp.is(pg_temp.seen(2, 1), 'accepted o', 'as if offline');
	perform pg_temp.is(pg_temp.hears(r, 2), '', 'no event but presence');
	perform pg_temp.is(pg_temp.presence(r, 2, 1), 'o', 'offline');
	perform pg_temp.is((select string_agg(distinct e -> 'event' ->> 'presence', ' ')
		from jsonb_array_elements(parley_presence_tell(array[pg_temp.u(1), pg_temp.u(2)])) e), 'offline', 'no presence either way');
	perform pg_temp.is(pg_temp.found(2, 'person1'), null, 'cannot be found');
	perform pg_temp.is(pg_temp.found(1, 'person2'), '2', 'but finds');
	r := pg_temp.create_call(2, '{1}', 1);
	perform pg_temp.told(r, '201', 'the call is made');
	perform pg_temp.is(pg_temp.call(pg_temp.c(1)), 'ringing v1: joined ringing', 'and rings for the caller');
	perform pg_temp.is(pg_temp.hears(r, 1), '', 'and for nobody else');
	perform pg_temp.told(parley_call_get(pg_temp.u(1), pg_temp.c(1)), '404 not_found', 'not there');
	perform pg_temp.told(parley_call_answer(pg_temp.u(1), pg_temp.s(1), pg_temp.c(1)), '404 not_found', 'not there');
	perform pg_temp.is(jsonb_array_length((parley_calls(pg_temp.u(1), null)).body::jsonb -> 'items'), 0, 'no history');
	perform pg_temp.is(parley_hello(pg_temp.u(1)) -> 'calls', '[]', 'no hello');
	perform pg_temp.told(pg_temp.create_call(1, '{2}', 2), '403 not_a_contact', 'nor the other way');
	update calls set ring_deadline = now() - interval '1 second';
	r := parley_sweep(true);
	perform pg_temp.is(pg_temp.call(pg_temp.c(1)), 'ended timeout v2: left missed', 'nobody answered');
	perform pg_temp.is(pg_temp.hears(r, 1), '', 'nothing');

	-- removed by the blocked one, asked again: the block holds
	perform parley_contact_delete(pg_temp.u(2), pg_temp.u(1));
	perform pg_temp.is(pg_temp.seen(1, 2), 'blocked o', 'still blocked');
	r := parley_contact_put(pg_temp.u(2), pg_temp.u(1));
	perform pg_temp.is(r.body::jsonb #>> '{contact,state}', 'outgoing', 'asks');
	perform pg_temp.is(pg_temp.hears(r, 1), '', 'in vain');
	perform pg_temp.told(parley_contact_put(pg_temp.u(1), pg_temp.u(2)), '403 forbidden', 'blocked by oneself');
	perform pg_temp.told(parley_contact_update(pg_temp.u(1), pg_temp.u(2), null, null, false), '204', 'unblocked: nothing left');
	perform pg_temp.is(pg_temp.seen(1, 2), null, 'nothing');

	-- decline a request
	perform parley_contact_put(pg_temp.u(3), pg_temp.u(4));
	r := parley_contact_delete(pg_temp.u(4), pg_temp.u(3));
	perform pg_temp.told(r, '204', 'decline');
	perform pg_temp.is(pg_temp.hears(r, 3), 'contact', 'hears');
	perform pg_temp.is(r.notify::jsonb @> '[{"event": {"contact": null}}]', true, 'gone');
	perform pg_temp.told(parley_contact_delete(pg_temp.u(4), pg_temp.u(3)), '404 not_found', 'once');
	perform pg_temp.told(parley_contact_update(pg_temp.u(4), pg_temp.u(3), 'x', null, null), '404 not_found', 'no contact');

	-- a new name reaches whoever has it in a list
	perform pg_temp.befriend(3, 4);
	r := parley_me_update(pg_temp.u(3), 'Carla', null);
	perform pg_temp.is(pg_temp.hears(r, 4), 'contact', 'new name');
	perform pg_temp.is(pg_temp.hears(r, 1), '', 'strangers');
	perform pg_temp.is((parley_me_update(pg_temp.u(3), 'Carla', null)).notify, null, 'the same name');

	-- asked in vain during a block: whoever asks next is heard, and two who have asked each other know each other
	perform parley_contact_update(pg_temp.u(5), pg_temp.u(4), null, null, true);
	perform parley_contact_put(pg_temp.u(4), pg_temp.u(5));
	perform pg_temp.told(parley_contact_update(pg_temp.u(5), pg_temp.u(4), null, null, false), '204', 'no block any more');
	perform pg_temp.is(pg_temp.seen(5, 4), null, 'nothing is left');
	perform pg_temp.told(parley_contact_put(pg_temp.u(4), pg_temp.u(5)), '200', 'asked again');
	perform pg_temp.is(pg_temp.seen(5, 4), 'incoming o', 'and heard');
	perform parley_contact_delete(pg_temp.u(5), pg_temp.u(4));
	perform parley_contact_update(pg_temp.u(5), pg_temp.u(4), null, null, true);
	perform parley_contact_put(pg_temp.u(4), pg_temp.u(5));
	perform parley_contact_update(pg_temp.u(5), pg_temp.u(4), null, null, false);
	perform parley_contact_put(pg_temp.u(5), pg_temp.u(4));
	perform pg_temp.is(pg_temp.seen(5, 4) || ', ' || pg_temp.seen(4, 5), 'accepted @, accepted @', 'both asked');
	perform parley_contact_delete(pg_temp.u(5), pg_temp.u(4));

	-- search
	perform pg_temp.is(pg_temp.found(1, 'person'), '3 2 4 5', 'without oneself; Carla by her user name');
	perform pg_temp.is(pg_temp.found(1, 'arl'), '3', 'inside a display name');
	perform pg_temp.is(pg_temp.found(1, '%'), null, 'no wildcard');
	perform pg_temp.is(pg_temp.found(1, '_'), null, 'no wildcard');
	perform pg_temp.is(pg_temp.found(1, '\'), null, 'no escape');

	-- accounts and sign-ins
	r := parley_account_create(pg_temp.u(8), 'person1', 'X', 'h');
	perform pg_temp.told(r, '409 username_taken', 'taken');
	perform pg_temp.told(parley_account_create(pg_temp.u(1), 'person1', 'Person 1', 'h'), '201', 'the same again');
	perform pg_temp.told(parley_session_create(pg_temp.u(1), 'old hash', pg_temp.s(1, 5), 'x', null), '401 bad_credentials',
		'the password was changed meanwhile');
	perform pg_temp.is(jsonb_array_length((parley_sessions(pg_temp.u(1), pg_temp.s(1))).body::jsonb -> 'items'), 2, 'devices');
	update users set disabled_at = now() where id = pg_temp.u(5);
	perform pg_temp.told(parley_session_create(pg_temp.u(5), 'hash5', pg_temp.s(5, 5), 'y', null), '401 bad_credentials', 'disabled');
	perform pg_temp.is(pg_temp.found(1, 'person5'), null, 'disabled people are not found');
end
$$;
