-- What the SQL tests share. Each test runs in a fresh database with all migrations: psql -v ON_ERROR_STOP=1 -f test_x.sql
\set QUIET on
set client_min_messages = warning;

-- Person n, and the sign-in s of person n.
create function pg_temp.u(n integer) returns uuid language sql immutable as $$
	select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid
$$;
create function pg_temp.s(n integer, s integer default 1) returns uuid language sql immutable as $$
	select ('50000000-0000-4000-800' || s || '-' || lpad(n::text, 12, '0'))::uuid
$$;
create function pg_temp.c(n integer) returns uuid language sql immutable as $$
	select ('ca000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid
$$;

create function pg_temp.person(n integer) returns void language plpgsql as $$
begin
	perform from parley_account_create(pg_temp.u(n), 'person' || n, 'Person ' || n, 'hash' || n);
	for i in 1..2 loop
		perform from parley_session_create(pg_temp.u(n), 'hash' || n, pg_temp.s(n, i),
			sha256(convert_to(n || '/' || i, 'UTF8')), 'psql');
	end loop;
end
$$;
create function pg_temp.befriend(a integer, b integer) returns void language plpgsql as $$
begin
	perform from parley_contact_put(pg_temp.u(a), pg_temp.u(b));
	perform from parley_contact_put(pg_temp.u(b), pg_temp.u(a));
end
$$;

create function pg_temp.fail(what text, got text) returns void language plpgsql as $$
begin
	raise exception '% (got %)', what, got;
end
$$;
create function pg_temp.is(got anyelement, want anyelement, what text) returns void language plpgsql as $$
begin
	if got is distinct from want then
		raise exception '%: got %, want %', what, got, want;
	end if;
end
$$;
-- status and code of a reply, "200" or "409 wrong_state". A call in it is the call as it is now.
create function pg_temp.told(r parley_reply, want text, what text) returns void language plpgsql as $$
declare
	v_call jsonb := case when r.body like '"call"%' then ('{' || r.body || '}')::jsonb else r.body::jsonb end -> 'call';
begin
	perform pg_temp.is(v_call, parley_call_json((v_call ->> 'id')::uuid), what || ': the call in the answer');
	perform pg_temp.is(concat_ws(' ', r.status, r.code), want, what || ' [' || coalesce(r.detail, r.body, '') || ']');
end
$$;
-- "ringing v1: joined ringing".
create function pg_temp.call(p_call uuid) returns text language sql as $$
	select c.state || coalesce(' ' || c.end_reason, '') || ' v' || c.version || ': '
		|| (select string_agg(m.state, ' ' order by m.position) from call_members m where m.call_id = c.id)
	from calls c where c.id = p_call
$$;
-- What this sign-in of this person hears: the types, in order.
create function pg_temp.hears(r parley_reply, n integer, s integer default 1) returns text language sql as $$
	select coalesce(string_agg(e -> 'event' ->> 'type', ' ' order by o), '')
	from jsonb_array_elements(coalesce(r.notify, '[]')::jsonb) with ordinality x (e, o)
	where e -> 'to' ? pg_temp.u(n)::text
		and coalesce(e ->> 'not', '') <> pg_temp.s(n, s)::text
		and coalesce(e ->> 'only', pg_temp.s(n, s)::text) = pg_temp.s(n, s)::text
		and e -> 'event' ->> 'type' <> 'presence'
$$;
-- How this person hears that another one is, if this reply has it told.
create function pg_temp.presence(r parley_reply, n integer, about integer) returns text language sql as $$
	select string_agg(left(e -> 'event' ->> 'presence', 1), '')
	from jsonb_array_elements(parley_presence_tell(array(
		select p::uuid from jsonb_array_elements(coalesce(r.notify, '[]')::jsonb) i, jsonb_array_elements_text(i -> 'presence') p
	))) e
	where e -> 'to' ? pg_temp.u(n)::text and e -> 'event' ->> 'user_id' = pg_temp.u(about)::text
$$;
create function pg_temp.create_call(a integer, b integer[], call integer) returns parley_reply language sql as $$
	select parley_call_create(pg_temp.u(a), pg_temp.s(a), pg_temp.c(call),
		array(select pg_temp.u(x) from unnest(b) x), true, 45, 30)
$$;
