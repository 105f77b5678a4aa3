\ir prelude.sql
-- What becomes of members when their media comes and goes; more than two people; the reconciler.
select pg_temp.person(n) from generate_series(1, 5) n \g /dev/null
select pg_temp.befriend(a, b) from generate_series(1, 5) a, generate_series(1, 5) b where a < b \g /dev/null

create function pg_temp.media(n integer, call integer, s integer default 1) returns text language sql as $$
	select concat_ws(' ', status, code) from parley_media_open(pg_temp.c(call), pg_temp.u(n), pg_temp.s(n, s))
$$;
create function pg_temp.state(n integer, call integer, state text, made bigint, s integer default 1)
returns parley_reply language sql as $$
	select parley_media_state(pg_temp.c(call), pg_temp.u(n), pg_temp.s(n, s), state, made)
$$;

do $$
declare
	r parley_reply;
	o record;
begin
	perform pg_temp.create_call(1, '{2}', 1);
	perform pg_temp.is(pg_temp.media(1, 1), '200', 'the caller at once');
	perform pg_temp.is(pg_temp.media(2, 1), '409 not_joined', 'before the answer');
	perform pg_temp.is(pg_temp.media(3, 1), '404 not_found', 'a stranger');
	perform pg_temp.is(pg_temp.media(1, 1, 2), '409 answered_elsewhere', 'another device');
	perform parley_call_answer(pg_temp.u(2), pg_temp.s(2), pg_temp.c(1));
	select * into o from parley_media_open(pg_temp.c(1), pg_temp.u(2), pg_temp.s(2));
	perform pg_temp.is(o.status, 200, 'after the answer');
	perform pg_temp.is(o."position", 1, 'position');
	perform pg_temp.is(o.joined_us > 1600000000000000, true, 'joined_us');

	-- connected, silent, back
	perform pg_temp.is((select count(*) from call_members where deadline is not null), 2::bigint, 'both are waited for');
	r := pg_temp.state(1, 1, 'connected', 100);
	perform pg_temp.is(r.notify, null, 'nothing that others see');
	perform pg_temp.state(2, 1, 'connected', 200);
	perform pg_temp.is((select count(*) from call_members where deadline is not null), 0::bigint, 'both are there');
	r := pg_temp.state(2, 1, 'disconnected', 200);
	perform pg_temp.is(pg_temp.hears(r, 1), 'member.updated', 'the other sees it');
	perform pg_temp.is(pg_temp.call(pg_temp.c(1)), 'active v3: joined reconnecting', 'reconnecting');
	r := pg_temp.state(2, 1, 'connected', 200);
	perform pg_temp.is(pg_temp.call(pg_temp.c(1)), 'active v4: joined joined', 'back');

	-- replaced: news of the old one change nothing, whatever their order
	perform pg_temp.state(2, 1, 'connected', 300);
	perform pg_temp.is((pg_temp.state(2, 1, 'closed', 200)).notify, null, 'the old one');
	perform pg_temp.is((pg_temp.state(2, 1, 'disconnected', 200)).notify, null, 'the old one');
	perform pg_temp.is(pg_temp.call(pg_temp.c(1)), 'active v4: joined joined', 'as it was');
	perform pg_temp.is((pg_temp.state(2, 1, 'closed', 400)).notify, null, 'a newer one that never worked');
	perform pg_temp.is(pg_temp.call(pg_temp.c(1)), 'active v4: joined joined', 'as it was');
	perform pg_temp.is((pg_temp.state(2, 1, 'connected', 900, 2)).notify, null, 'another device');
	perform pg_temp.is((pg_temp.state(3, 1, 'connected', 900)).media::jsonb -> 0 ->> 'do', 'close_member', 'a stranger');

	-- lost for good
	perform pg_temp.state(2, 1, 'closed', 300);
	perform pg_temp.is((parley_sweep(true)).notify, null, 'the grace is not over');
	update call_members set deadline = now() - interval '1 second' where state = 'reconnecting';
	perform pg_temp.is((parley_sweep(false)).notify, null, 'patience after an outage');
	r := parley_sweep(true);
	perform pg_temp.is(pg_temp.call(pg_temp.c(1)), 'ended failed v6: left left', 'failed');
	perform pg_temp.is(pg_temp.hears(r, 1), 'call.ended', 'hears');
	perform pg_temp.is(pg_temp.presence(r, 3, 1), '@', 'free');
	perform pg_temp.is(pg_temp.presence(r, 3, 2), '@', 'free');
	perform pg_temp.is(pg_temp.media(1, 1), '409 wrong_state', 'over');

	-- who answers and never opens media is waited for twice the grace
	perform pg_temp.create_call(1, '{2}', 2);
	perform pg_temp.state(1, 2, 'connected', 1);
	perform pg_temp.state(1, 2, 'disconnected', 1);
	perform pg_temp.is((select deadline from call_members where call_id = pg_temp.c(2) and position = 0), null,
		'while it rings nobody is dropped');
	perform parley_call_answer(pg_temp.u(2), pg_temp.s(2), pg_temp.c(2));
	perform pg_temp.is((select count(*) from call_members where deadline between now() + interval '55 seconds'
		and now() + interval '65 seconds'), 2::bigint, 'both');
	perform parley_call_end(pg_temp.u(1), pg_temp.c(2));
end
$$;

-- Three and four.
do $$
declare
	r parley_reply;
begin
	r := pg_temp.create_call(1, '{2,3,4}', 10);
	perform pg_temp.is(pg_temp.call(pg_temp.c(10)), 'ringing v1: joined ringing ringing ringing', 'rings');
	perform parley_call_decline(pg_temp.u(4), pg_temp.s(4), pg_temp.c(10));
	perform pg_temp.is(pg_temp.call(pg_temp.c(10)), 'ringing v2: joined ringing ringing declined', 'goes on');
	r := parley_call_answer(pg_temp.u(2), pg_temp.s(2), pg_temp.c(10));
	perform pg_temp.is(pg_temp.hears(r, 3), 'call.updated member.joined', 'who still rings hears');
	r := parley_call_leave(pg_temp.u(1), pg_temp.c(10));
	perform pg_temp.is(pg_temp.call(pg_temp.c(10)), 'active v4: left joined ringing declined', 'the caller may go');
	perform pg_temp.is(pg_temp.hears(r, 2), 'member.left', 'hears');
	perform pg_temp.is(r.media::jsonb -> 0 ->> 'do', 'close_member', 'media');
	r := parley_call_answer(pg_temp.u(3), pg_temp.s(3), pg_temp.c(10));
	perform pg_temp.is(pg_temp.hears(r, 2), 'member.joined', 'hears');
	perform parley_call_answer(pg_temp.u(1), pg_temp.s(1, 2), pg_temp.c(10));
	perform pg_temp.is(pg_temp.call(pg_temp.c(10)), 'active v6: joined joined joined declined', 'and come back');
	perform pg_temp.is((select ring_deadline from calls where id = pg_temp.c(10)), null, 'nobody rings');
	perform parley_call_leave(pg_temp.u(2), pg_temp.c(10));
	r := parley_call_leave(pg_temp.u(3), pg_temp.c(10));
	perform pg_temp.is(pg_temp.call(pg_temp.c(10)), 'ended hangup v8: left left left declined', 'last but one');
	perform pg_temp.is(pg_temp.hears(r, 4), 'call.ended', 'everybody hears the end');

	-- nobody answers, some declined: declined; one does not answer, the others talk
	perform pg_temp.create_call(1, '{2,3}', 11);
	perform parley_call_decline(pg_temp.u(2), pg_temp.s(2), pg_temp.c(11));
	update calls set ring_deadline = now() - interval '1 second' where id = pg_temp.c(11);
	perform parley_sweep(true);
	perform pg_temp.is(pg_temp.call(pg_temp.c(11)), 'ended declined v3: left declined missed', 'declined');
	perform pg_temp.create_call(1, '{2,3}', 12);
	perform parley_call_answer(pg_temp.u(2), pg_temp.s(2), pg_temp.c(12));
	update calls set ring_deadline = now() - interval '1 second' where id = pg_temp.c(12);
	r := parley_sweep(true);
	perform pg_temp.is(pg_temp.call(pg_temp.c(12)), 'active v3: joined joined missed', 'goes on');
	perform pg_temp.is(pg_temp.hears(r, 3), 'call.updated', 'stops ringing');
	perform pg_temp.is(pg_temp.hears(r, 1), 'call.updated', 'hears');

	-- more people
	r := parley_call_invite(pg_temp.u(2), pg_temp.c(12), array[pg_temp.u(3), pg_temp.u(4), pg_temp.u(1)], 45, 4);
	perform pg_temp.told(r, '200', 'invite');
	perform pg_temp.is(pg_temp.call(pg_temp.c(12)), 'active v4: joined joined ringing ringing', 'rings again');
	perform pg_temp.is(pg_temp.hears(r, 3), 'call.ringing', 'rings');
	perform pg_temp.is(pg_temp.hears(r, 1), 'call.updated', 'hears');
	perform pg_temp.told(parley_call_invite(pg_temp.u(2), pg_temp.c(12), array[pg_temp.u(5)], 45, 4), '422 invalid_field', 'full');
	perform pg_temp.told(parley_call_invite(pg_temp.u(3), pg_temp.c(12), array[pg_temp.u(5)], 45, 9), '409 wrong_state', 'not in it');

	-- a second call pauses the first
	perform parley_call_leave(pg_temp.u(2), pg_temp.c(12));
	perform pg_temp.create_call(5, '{2}', 13);
	perform parley_call_answer(pg_temp.u(3), pg_temp.s(3), pg_temp.c(12));
	update call_members set state = 'ringing' where call_id = pg_temp.c(13) and user_id = pg_temp.u(2);
	insert into call_members (call_id, user_id, position, state, call_created_at)
	values (pg_temp.c(13), pg_temp.u(3), 2, 'ringing', now());
	r := parley_call_answer(pg_temp.u(3), pg_temp.s(3), pg_temp.c(13));
	perform pg_temp.told(r, '200', 'answers a second one');
	perform pg_temp.is(parley_call_json(pg_temp.c(12)) #>> '{members,2,state}', 'paused', 'the first one waits');
	perform pg_temp.is(pg_temp.hears(r, 1), 'member.updated', 'and those in it see it');
	perform pg_temp.is(r.media::jsonb @> '[{"do": "state", "paused": true}]', true, 'media');
end
$$;

-- The reconciler.
do $$
declare
	r parley_reply;
	v_list jsonb;
begin
	update calls set state = 'ended', ended_at = now(), end_reason = 'hangup', ring_deadline = null where state <> 'ended';
	update call_members set state = 'left', deadline = null where state in ('joined', 'ringing', 'reconnecting');
	perform pg_temp.create_call(1, '{2}', 20);
	perform parley_call_answer(pg_temp.u(2), pg_temp.s(2), pg_temp.c(20));
	perform pg_temp.state(1, 20, 'connected', 100);
	perform pg_temp.state(2, 20, 'connected', 100);
	v_list := jsonb_build_array(
		jsonb_build_object('media', 'a', 'call', pg_temp.c(20), 'user', pg_temp.u(1), 'sign_in', pg_temp.s(1),
			'connected', true, 'made', 100),
		jsonb_build_object('media', 'b', 'call', pg_temp.c(20), 'user', pg_temp.u(2), 'sign_in', pg_temp.s(2, 2),
			'connected', true, 'made', 100),
		jsonb_build_object('media', 'c', 'call', pg_temp.c(12), 'user', pg_temp.u(1), 'sign_in', pg_temp.s(1),
			'connected', true, 'made', 100),
		jsonb_build_object('media', 'd', 'call', pg_temp.c(99), 'user', pg_temp.u(1), 'sign_in', pg_temp.s(1),
			'connected', true, 'made', 100));
	perform pg_temp.is((select string_agg(media, ' ' order by media) from parley_media_reconcile(v_list)), 'b c d', 'orphans');
	perform pg_temp.is((parley_media_present(v_list)).notify, null, 'what changed lately is left alone');
	update call_members set media_changed_at = now() - interval '1 minute';
	r := parley_media_present(v_list);
	perform pg_temp.is(pg_temp.hears(r, 1), 'member.updated', 'the lost one');
	perform pg_temp.is(pg_temp.call(pg_temp.c(20)), 'active v3: joined reconnecting', 'reconnecting');
	perform pg_temp.is((select count(*) from call_members where deadline is not null), 1::bigint, 'waited for');
	update call_members set media_changed_at = now() - interval '1 minute';
	v_list := jsonb_set(v_list, '{1,sign_in}', to_jsonb(pg_temp.s(2)));
	r := parley_media_present(v_list);
	perform pg_temp.is(pg_temp.call(pg_temp.c(20)), 'active v4: joined joined', 'back');
	perform pg_temp.is((select count(*) from call_members where deadline is not null), 0::bigint, 'there');
	perform pg_temp.is((parley_media_present(v_list)).notify, null, 'nothing new');
end
$$;
