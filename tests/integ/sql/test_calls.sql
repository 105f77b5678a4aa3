\ir prelude.sql
-- Calls between two: every ending, every race as the later one sees it.
select pg_temp.person(n) from generate_series(1, 6) n \g /dev/null
select pg_temp.befriend(1, 2), pg_temp.befriend(1, 3), pg_temp.befriend(2, 3), pg_temp.befriend(3, 4) \g /dev/null

do $$
declare
	r parley_reply;
begin
	-- answered, left
	r := pg_temp.create_call(1, '{2}', 1);
	perform pg_temp.told(r, '201', 'create');
	perform pg_temp.is(pg_temp.call(pg_temp.c(1)), 'ringing v1: joined ringing', 'rings');
	perform pg_temp.is(pg_temp.hears(r, 2), 'call.ringing', 'callee hears');
	perform pg_temp.is(pg_temp.hears(r, 1), 'call.updated', 'caller hears');
	perform pg_temp.is(pg_temp.presence(r, 2, 1), null, 'ringing is not busy');
	r := pg_temp.create_call(1, '{2}', 1);
	perform pg_temp.told(r, '201', 'the same id again');
	perform pg_temp.is(pg_temp.hears(r, 2), '', 'a repetition is silent');
	perform pg_temp.told(parley_call_leave(pg_temp.u(2), pg_temp.c(1)), '409 wrong_state', 'leave while it rings');
	perform pg_temp.told(parley_call_answer(pg_temp.u(3), pg_temp.s(3), pg_temp.c(1)), '404 not_found', 'a stranger');
	perform pg_temp.told(parley_call_get(pg_temp.u(3), pg_temp.c(1)), '404 not_found', 'a stranger');
	r := parley_call_answer(pg_temp.u(2), pg_temp.s(2), pg_temp.c(1));
	perform pg_temp.told(r, '200', 'answer');
	perform pg_temp.is(pg_temp.call(pg_temp.c(1)), 'active v2: joined joined', 'active');
	perform pg_temp.is(pg_temp.hears(r, 2), 'call.updated', 'the device that answered');
	perform pg_temp.is(pg_temp.hears(r, 2, 2), 'call.answered_elsewhere', 'the other device');
	perform pg_temp.is(pg_temp.hears(r, 1), 'call.updated member.joined', 'caller');
	perform pg_temp.is(pg_temp.presence(r, 3, 1), '!', 'caller is busy');
	perform pg_temp.is(pg_temp.presence(r, 3, 2), '!', 'callee is busy');
	perform pg_temp.is(pg_temp.presence(r, 4, 1), null, 'strangers do not hear');
	r := parley_call_answer(pg_temp.u(2), pg_temp.s(2), pg_temp.c(1));
	perform pg_temp.told(r, '200', 'answer again');
	perform pg_temp.is(r.notify, null, 'silently');
	r := parley_call_answer(pg_temp.u(2), pg_temp.s(2, 2), pg_temp.c(1));
	perform pg_temp.told(r, '409 answered_elsewhere', 'from another device');
	perform pg_temp.is(left(r.body, 9), '"call": {', 'with the call');
	perform pg_temp.told(parley_call_decline(pg_temp.u(2), pg_temp.s(2), pg_temp.c(1)), '409 wrong_state', 'too late');
	perform pg_temp.told(parley_call_end(pg_temp.u(2), pg_temp.c(1)), '403 forbidden', 'not yours to end');
	r := parley_call_leave(pg_temp.u(2), pg_temp.c(1));
	perform pg_temp.told(r, '200', 'leave');
	perform pg_temp.is(pg_temp.call(pg_temp.c(1)), 'ended hangup v3: left left', 'over for both');
	perform pg_temp.is(pg_temp.hears(r, 1), 'call.ended', 'caller');
	perform pg_temp.is(pg_temp.hears(r, 2), 'call.ended', 'callee');
	perform pg_temp.is(pg_temp.presence(r, 3, 1), '@', 'free');
	perform pg_temp.is(pg_temp.presence(r, 3, 2), '@', 'free');
	perform pg_temp.is(r.media::jsonb -> 0 ->> 'do', 'close_call', 'media');
	perform pg_temp.told(parley_call_leave(pg_temp.u(1), pg_temp.c(1)), '200', 'leave again');
	perform pg_temp.told(parley_call_end(pg_temp.u(1), pg_temp.c(1)), '409 wrong_state', 'end again');
	perform pg_temp.told(parley_call_answer(pg_temp.u(2), pg_temp.s(2), pg_temp.c(1)), '409 wrong_state', 'over');

	-- declined
	perform pg_temp.create_call(1, '{2}', 2);
	r := parley_call_decline(pg_temp.u(2), pg_temp.s(2), pg_temp.c(2));
	perform pg_temp.told(r, '200', 'decline');
	perform pg_temp.is(pg_temp.call(pg_temp.c(2)), 'ended declined v2: left declined', 'declined');
	perform pg_temp.is(pg_temp.hears(r, 2, 2), 'call.answered_elsewhere call.ended', 'other device');
	perform pg_temp.is(pg_temp.hears(r, 2, 1), 'call.ended', 'this device');
	perform pg_temp.is(pg_temp.hears(r, 1), 'call.ended', 'caller');
	perform pg_temp.told(parley_call_decline(pg_temp.u(2), pg_temp.s(2), pg_temp.c(2)), '200', 'decline again');
	perform pg_temp.told(parley_call_answer(pg_temp.u(2), pg_temp.s(2, 2), pg_temp.c(2)), '409 wrong_state', 'answer after');

	-- cancelled, by leave and by end
	perform pg_temp.create_call(1, '{2}', 3);
	r := parley_call_leave(pg_temp.u(1), pg_temp.c(3));
	perform pg_temp.is(pg_temp.call(pg_temp.c(3)), 'ended cancelled v2: left missed', 'cancelled');
	perform pg_temp.is(pg_temp.hears(r, 2), 'call.cancelled call.ended', 'callee');
	perform pg_temp.told(parley_call_answer(pg_temp.u(2), pg_temp.s(2), pg_temp.c(3)), '409 wrong_state', 'answer x cancel');
	perform pg_temp.told(parley_call_decline(pg_temp.u(2), pg_temp.s(2), pg_temp.c(3)), '409 wrong_state', 'decline x cancel');
	perform pg_temp.create_call(1, '{2}', 4);
	r := parley_call_end(pg_temp.u(1), pg_temp.c(4));
	perform pg_temp.is(pg_temp.call(pg_temp.c(4)), 'ended cancelled v2: left missed', 'cancelled');

	-- nobody answers
	perform pg_temp.create_call(1, '{2}', 5);
	perform pg_temp.is((parley_sweep(true)).notify, null, 'not yet');
	update calls set ring_deadline = now() - interval '1 second' where id = pg_temp.c(5);
	r := parley_sweep(true);
	perform pg_temp.is(pg_temp.call(pg_temp.c(5)), 'ended timeout v2: left missed', 'timeout');
	perform pg_temp.is(pg_temp.hears(r, 2), 'call.ended', 'callee');
	perform pg_temp.is(pg_temp.hears(r, 1), 'call.ended', 'caller');
	perform pg_temp.is((parley_sweep(true)).notify, null, 'once');

	-- call waiting: a second call rings, a third finds somebody busy
	perform pg_temp.create_call(2, '{3}', 6);
	r := pg_temp.create_call(1, '{2}', 7);
	perform pg_temp.told(r, '201', 'call somebody who calls');
	perform pg_temp.is(pg_temp.call(pg_temp.c(7)), 'ringing v1: joined ringing', 'it rings');
	r := pg_temp.create_call(3, '{2}', 8);
	perform pg_temp.is((r.body::jsonb -> 'call' ->> 'id')::uuid, pg_temp.c(6), 'calls who rings: that is an answer');
	r := parley_call_answer(pg_temp.u(2), pg_temp.s(2), pg_temp.c(7));
	perform pg_temp.told(r, '200', 'the second is answered');
	perform pg_temp.is(pg_temp.call(pg_temp.c(6)), 'active v3: joined joined', 'the first goes on');
	perform pg_temp.is((select string_agg(m.paused::text, ' ' order by m.position) from call_members m
		where m.call_id = pg_temp.c(6)), 'true false', 'and is paused');
	perform pg_temp.is(pg_temp.hears(r, 3), 'member.updated', 'the other one hears');
	r := pg_temp.create_call(2, '{3}', 9);
	perform pg_temp.told(r, '409 wrong_state', 'nobody calls a third');
	update users set status = 'do_not_disturb' where id = pg_temp.u(4);
	perform pg_temp.create_call(3, '{4}', 9);
	perform pg_temp.is(pg_temp.call(pg_temp.c(9)), 'ended busy v2: left busy', 'do not disturb');
	update users set status = 'available' where id = pg_temp.u(4);
	perform parley_call_end(pg_temp.u(2), pg_temp.c(6));
	perform parley_call_end(pg_temp.u(1), pg_temp.c(7));

	-- both call
	perform pg_temp.create_call(1, '{2}', 10);
	r := pg_temp.create_call(2, '{1}', 11);
	perform pg_temp.told(r, '201', 'call x call');
	perform pg_temp.is((r.body::jsonb -> 'call' ->> 'id')::uuid, pg_temp.c(10), 'one call');
	perform pg_temp.is(pg_temp.call(pg_temp.c(10)), 'active v2: joined joined', 'answered');
	perform pg_temp.is(pg_temp.call(pg_temp.c(11)), null, 'no second one');
	r := pg_temp.create_call(2, '{1}', 11);
	perform pg_temp.told(r, '201', 'the same id again');
	perform pg_temp.is((r.body::jsonb -> 'call' ->> 'id')::uuid, pg_temp.c(10), 'the same call');
	perform parley_call_leave(pg_temp.u(1), pg_temp.c(10));

	-- who may
	perform pg_temp.told(pg_temp.create_call(1, '{5}', 12), '403 not_a_contact', 'a stranger');
	perform parley_contact_put(pg_temp.u(1), pg_temp.u(5));
	perform pg_temp.told(pg_temp.create_call(1, '{5}', 12), '403 not_a_contact', 'asked only');
	perform pg_temp.told(pg_temp.create_call(1, '{2,5}', 12), '403 not_a_contact', 'one of two');
	perform pg_temp.is((select count(*) from calls where id = pg_temp.c(12)), 0::bigint, 'nothing was made');
	perform pg_temp.told(pg_temp.create_call(3, '{2}', 1), '422 invalid_field', 'the id of a call of others');

	-- history
	r := parley_calls(pg_temp.u(1), null);
	perform pg_temp.is(jsonb_array_length(r.body::jsonb -> 'items'), 7, 'calls of 1');
	perform pg_temp.is((r.body::jsonb -> 'items' -> 0 ->> 'id')::uuid, pg_temp.c(10), 'newest first');
	perform pg_temp.is(r.body::jsonb ->> 'next', null, 'one page');
	r := parley_calls(pg_temp.u(1), pg_temp.c(5));
	perform pg_temp.is(jsonb_array_length(r.body::jsonb -> 'items'), 4, 'before');
	perform pg_temp.told(parley_calls(pg_temp.u(4), pg_temp.c(5)), '422 invalid_field', 'before what is not theirs');
end
$$;

do $$
declare
	r parley_reply;
begin
	for i in 100..159 loop
		perform pg_temp.create_call(3, '{4}', i);
		perform parley_call_end(pg_temp.u(3), pg_temp.c(i));
	end loop;
	r := parley_calls(pg_temp.u(4), null);
	perform pg_temp.is(jsonb_array_length(r.body::jsonb -> 'items'), 50, 'a page');
	r := parley_calls(pg_temp.u(4), (r.body::jsonb ->> 'next')::uuid);
	perform pg_temp.is(jsonb_array_length(r.body::jsonb -> 'items'), 11, 'the rest');
	perform pg_temp.is(r.body::jsonb ->> 'next', null, 'the end');
end
$$;

-- A sign-in ends within a call; mute and pause; a second call pauses the first.
do $$
declare
	r parley_reply;
begin
	perform pg_temp.create_call(1, '{2}', 20);
	perform parley_call_answer(pg_temp.u(2), pg_temp.s(2), pg_temp.c(20));
	r := parley_member_update(pg_temp.u(2), pg_temp.c(20), null, true, null, null, null);
	perform pg_temp.told(r, '200', 'mute');
	perform pg_temp.is(pg_temp.call(pg_temp.c(20)), 'active v3: joined joined', 'version');
	perform pg_temp.is(pg_temp.hears(r, 1), 'member.updated', 'the other');
	perform pg_temp.is(r.media::jsonb -> 0 ->> 'muted_audio', 'true', 'media');
	r := parley_member_update(pg_temp.u(2), pg_temp.c(20), null, true, null, null, null);
	perform pg_temp.is(r.notify, null, 'nothing new');
	r := parley_member_update(pg_temp.u(2), pg_temp.c(20), true, null, null, null, null);
	perform pg_temp.is(r.body::jsonb #>> '{call,members,1,state}', 'paused', 'paused');
	r := parley_member_update(pg_temp.u(2), pg_temp.c(20), false, null, null, null, null);
	perform pg_temp.is(r.body::jsonb #>> '{call,members,1,state}', 'joined', 'resumed');
	perform pg_temp.told(parley_member_update(pg_temp.u(3), pg_temp.c(20), true, null, null, null, null), '404 not_found', 'who');
	perform pg_temp.told(parley_session_delete(pg_temp.u(1), pg_temp.s(2)), '404 not_found', 'not your sign-in');
	r := parley_session_delete(pg_temp.u(2), pg_temp.s(2, 2));
	perform pg_temp.told(r, '204', 'another device signs out');
	perform pg_temp.is(pg_temp.call(pg_temp.c(20)), 'active v5: joined joined', 'the call goes on');
	r := parley_session_delete(pg_temp.u(2), pg_temp.s(2));
	perform pg_temp.told(r, '204', 'this device signs out');
	perform pg_temp.is(pg_temp.call(pg_temp.c(20)), 'ended hangup v6: left left', 'over');
	perform pg_temp.is(pg_temp.hears(r, 1), 'call.ended', 'the other');
	perform pg_temp.is((select count(*) from call_members where deadline is not null), 0::bigint, 'no deadline is left');
end
$$;
