-- Calls: every transition. Called by workers/api_calls.c and workers/sweeper.c.
--
-- A transition locks the call's row first, looks at the state, changes members and call, raises version once, and
-- says in notify and media what has to be told. Whoever comes too late gets 409 with the call as it is.

-- Building blocks -----------------------------------------------------------------------------------------------

create function parley_news_join(a parley_news, b parley_news) returns parley_news language sql immutable as $$
	select coalesce(a.notify, '[]') || coalesce(b.notify, '[]'), coalesce(a.media, '[]') || coalesce(b.media, '[]')
$$;

create function parley_call_not_found() returns parley_reply language sql immutable as $$
	select parley_problem(404, 'not_found', 'There is no such call of yours.')
$$;

create function parley_call_problem(p_code text, p_detail text, p_call uuid)
returns parley_reply language plpgsql stable as $$
begin
	return parley_problem(409, p_code, p_detail, null, parley_call_json(p_call));
end
$$;

-- Volatile, though it only reads: as an expression around the change that p_news comes from, a stable function would
-- see the call as it was before.
create function parley_call_reply(p_status integer, p_call uuid, p_news parley_news)
returns parley_reply language plpgsql volatile as $$
begin
	return parley_ok(p_status, jsonb_build_object('call', parley_call_json(p_call)),
		coalesce(p_news.notify, '[]'), coalesce(p_news.media, '[]'));
end
$$;

-- Who follows the call now.
create function parley_call_audience(p_call uuid) returns uuid[] language plpgsql stable as $$
begin
	return (select array_agg(m.user_id order by m.position) from call_members m
		where m.call_id = p_call and m.state in ('ringing', 'joined', 'reconnecting') and not m.silent);
end
$$;

create function parley_media_close_member(p_call uuid, p_user uuid) returns jsonb language sql immutable as $$
	select jsonb_build_array(jsonb_build_object('do', 'close_member', 'call', p_call, 'member', p_user))
$$;

create function parley_media_state_of(p_call uuid, p_user uuid) returns jsonb language plpgsql stable as $$
begin
	return (select jsonb_build_array(jsonb_build_object('do', 'state', 'call', p_call, 'member', p_user,
			'paused', m.paused, 'muted_audio', m.muted_audio, 'muted_video', m.muted_video))
		from call_members m where m.call_id = p_call and m.user_id = p_user);
end
$$;

-- The call is over. Its row is locked.
create function parley_call_finish(p_call uuid, p_reason text) returns parley_news language plpgsql as $$
declare
	v_was_active boolean := (select c.state = 'active' from calls c where c.id = p_call);
	v_rang uuid[];
	v_talked uuid[];
	v_json jsonb;
	v_news parley_news;
begin
	select array_agg(m.user_id) filter (where m.state = 'ringing' and not m.silent),
		array_agg(m.user_id) filter (where m.state in ('joined', 'reconnecting'))
	into v_rang, v_talked
	from call_members m where m.call_id = p_call;
	update call_members m set
		state = case when m.state = 'ringing' then 'missed' else 'left' end,
		left_at = case when m.state = 'ringing' then null else clock_timestamp() end,
		deadline = null, connected = false, paused = false, sharing = false, hand = false
	where m.call_id = p_call and m.state in ('ringing', 'joined', 'reconnecting');
	update calls c set state = 'ended', ended_at = clock_timestamp(), end_reason = p_reason, ring_deadline = null,
		version = c.version + 1
	where c.id = p_call;
	v_json := parley_call_json(p_call);
	v_news.notify := '[]';
	if p_reason = 'cancelled' then
		v_news.notify := parley_event(v_rang, parley_call_event('call.cancelled', v_json));
	end if;
	v_news.notify := v_news.notify || parley_event(
		(select array_agg(m.user_id order by m.position) from call_members m
		where m.call_id = p_call and not m.silent),
		parley_call_event('call.ended', v_json));
	if v_was_active then
		v_news.notify := v_news.notify || parley_presence_news(v_talked);
	end if;
	v_news.media := jsonb_build_array(jsonb_build_object('do', 'close_call', 'call', p_call));
	return v_news;
end
$$;

-- After somebody declined, missed it or went: does the call go on? Null when it does; then version and events are
-- the caller's business. p_reason is why a conversation would be over.
create function parley_call_settle(p_call uuid, p_reason text) returns parley_news language plpgsql as $$
declare
	v_call calls;
	v_here integer;
	v_ringing integer;
	v_caller_here boolean;
	v_reason text;
begin
	select * into v_call from calls c where c.id = p_call;
	select count(*) filter (where m.state in ('joined', 'reconnecting')),
		count(*) filter (where m.state = 'ringing'),
		bool_or(m.user_id = v_call.started_by and m.state in ('joined', 'reconnecting')),
		case when bool_or(m.state = 'declined') then 'declined'
			when bool_or(m.state = 'missed') then 'timeout' else 'busy' end
	into v_here, v_ringing, v_caller_here, v_reason
	from call_members m where m.call_id = p_call;
	if v_call.state = 'ringing' then
		if v_caller_here is not true then
			return parley_call_finish(p_call, 'cancelled');
		elsif v_ringing = 0 then
			return parley_call_finish(p_call, v_reason);
		end if;
	elsif v_here = 0 or v_here + v_ringing < 2 then
		return parley_call_finish(p_call, p_reason);
	end if;
	update calls c set version = c.version + 1, ring_deadline = case when v_ringing > 0 then c.ring_deadline end
	where c.id = p_call;
	return null;
end
$$;

-- p_user, who is ringing or was in the call before, is in it from now on, with this device. The row is locked.
create function parley_call_join(p_call uuid, p_user uuid, p_sign_in uuid) returns parley_news language plpgsql as $$
declare
	v_first boolean;
	v_patience interval;
	v_others uuid[];
	v_json jsonb;
	v_other uuid;
	v_news parley_news;
begin
	select c.state = 'ringing', 2 * c.reconnect_grace into v_first, v_patience from calls c where c.id = p_call;
	update call_members m set state = 'joined', sign_in = p_sign_in, joined_at = clock_timestamp(), left_at = null,
		paused = false, muted_audio = false, muted_video = false, hand = false, sharing = false,
		connected = false, deadline = clock_timestamp() + v_patience
	where m.call_id = p_call and m.user_id = p_user;
	if v_first then
		-- From here on a caller without media is waited for, too.
		update call_members m set deadline = clock_timestamp() + v_patience
		where m.call_id = p_call and m.user_id <> p_user and m.state in ('joined', 'reconnecting')
			and not m.connected;
	end if;
	update calls c set version = c.version + 1, state = 'active',
		answered_at = coalesce(c.answered_at, clock_timestamp()),
		ring_deadline = case when exists (select from call_members m
			where m.call_id = p_call and m.state = 'ringing') then c.ring_deadline end
	where c.id = p_call;
	v_json := parley_call_json(p_call);
	v_others := array_remove(parley_call_audience(p_call), p_user);
	v_news.notify := parley_event(array[p_user], parley_call_event('call.updated', v_json), p_only => p_sign_in)
		|| parley_event(array[p_user], parley_call_event('call.answered_elsewhere', v_json), p_not => p_sign_in);
	if v_first then
		v_news.notify := v_news.notify || parley_event(v_others, parley_call_event('call.updated', v_json));
	end if;
	v_news.notify := v_news.notify || parley_event(v_others, parley_member_event('member.joined', p_call, p_user));
	v_news.notify := v_news.notify || parley_presence_news(case when v_first then
		(select array_agg(m.user_id) from call_members m
			where m.call_id = p_call and m.state in ('joined', 'reconnecting'))
		else array[p_user] end);
	v_news.media := '[]';
	-- Other calls of this person wait.
	for v_other in
		update call_members m set paused = true
		where m.user_id = p_user and m.call_id <> p_call and m.state in ('joined', 'reconnecting') and not m.paused
		returning m.call_id
	loop
		update calls c set version = c.version + 1 where c.id = v_other;
		v_news.notify := v_news.notify
			|| parley_event(parley_call_audience(v_other), parley_member_event('member.updated', v_other, p_user));
		v_news.media := v_news.media || parley_media_state_of(v_other, p_user);
	end loop;
	return v_news;
end
$$;

-- p_user, who is in the call, goes. The row is locked.
create function parley_call_part(p_call uuid, p_user uuid, p_reason text) returns parley_news language plpgsql as $$
declare
	v_was_active boolean := (select c.state = 'active' from calls c where c.id = p_call);
	v_news parley_news;
begin
	update call_members m set state = 'left', left_at = clock_timestamp(), deadline = null, connected = false,
		paused = false, sharing = false, hand = false
	where m.call_id = p_call and m.user_id = p_user;
	v_news := parley_call_settle(p_call, p_reason);
	if v_news.notify is null then
		v_news.notify := parley_event(parley_call_audience(p_call) || p_user,
			parley_member_event('member.left', p_call, p_user));
		v_news.media := parley_media_close_member(p_call, p_user);
	end if;
	if v_was_active then
		-- parley_call_finish() did not see this one any more.
		v_news.notify := v_news.notify || parley_presence_news(array[p_user]);
	end if;
	return v_news;
end
$$;

-- A sign-in has ended: its calls go on without it. Called by parley_session_delete().
create function parley_sign_in_leaves(p_user uuid, p_sign_in uuid) returns parley_news language plpgsql as $$
declare
	v_call uuid;
	v_news parley_news;
begin
	for v_call in
		select c.id from calls c join call_members m on m.call_id = c.id
		where m.sign_in = p_sign_in and m.user_id = p_user and m.state in ('joined', 'reconnecting')
		order by c.id for update of c
	loop
		if exists (select from call_members m where m.call_id = v_call and m.user_id = p_user
				and m.sign_in = p_sign_in and m.state in ('joined', 'reconnecting')) then
			v_news := parley_news_join(v_news, parley_call_part(v_call, p_user, 'hangup'));
		end if;
	end loop;
	return parley_news_join(v_news, null);
end
$$;

-- Locks the call until the transaction ends.
create function parley_call_lock(p_call uuid) returns calls language plpgsql as $$
declare
	v_call calls;
begin
	select * into v_call from calls c where c.id = p_call for update;
	return v_call;
end
$$;

-- The user_id is null when the call is none of theirs.
create function parley_call_member(p_call uuid, p_user uuid) returns call_members language plpgsql stable as $$
declare
	v_member call_members;
begin
	select * into v_member from call_members m where m.call_id = p_call and m.user_id = p_user and not m.silent;
	return v_member;
end
$$;

-- Requests ------------------------------------------------------------------------------------------------------

-- p_invite is without doubles and without p_me (the worker saw to it). 201, also for a repetition.
create function parley_call_create(p_me uuid, p_sign_in uuid, p_call uuid, p_invite uuid[], p_video boolean,
	p_ring_timeout integer, p_reconnect_grace integer)
returns parley_reply language plpgsql as $$
declare
	v_known calls;
	v_other uuid;
	v_json jsonb;
	v_news parley_news;
	v_now timestamptz;
begin
	perform parley_lock_users(p_invite || p_me);
	v_now := clock_timestamp();
	select * into v_known from calls c where c.id = p_call or c.glare_id = p_call;
	if found then
		if exists (select from call_members m where m.call_id = v_known.id and m.user_id = p_me
				and (v_known.started_by = p_me or v_known.glare_id = p_call)) then
			return parley_call_reply(201, v_known.id, null);
		end if;
		return parley_problem(422, 'invalid_field', 'This id is taken; make a random one.', 'id');
	end if;
	if exists (select from unnest(p_invite) i where not exists (
			select from contacts c where c.owner_id = p_me and c.other_id = i and c.state = 'accepted'
				and not c.blocked)) then
		return parley_problem(403, 'not_a_contact', 'Only accepted contacts can be called.', 'invite');
	end if;

	-- Somebody whom we call rings us at this moment: that is one call. Calling is answering then.
	if cardinality(p_invite) = 1 then
		select c.id into v_other from calls c join call_members m on m.call_id = c.id
		where c.started_by = p_invite[1] and c.state = 'ringing' and m.user_id = p_me and m.state = 'ringing'
			and not m.silent
		for update of c;
		if found and exists (select from call_members m join calls c on c.id = m.call_id
				where m.call_id = v_other and m.user_id = p_me and m.state = 'ringing'
					and c.state = 'ringing') then
			update calls c set glare_id = p_call where c.id = v_other;
			v_news := parley_call_join(v_other, p_me, p_sign_in);
			return parley_call_reply(201, v_other, v_news);
		end if;
	end if;

	select m.call_id into v_other from call_members m
	where m.user_id = p_me and m.state in ('joined', 'reconnecting') limit 1;
	if found then
		return parley_call_problem('wrong_state', 'You are in another call.', v_other);
	end if;

	insert into calls (id, state, video, started_by, created_at, ring_deadline, reconnect_grace)
	values (p_call, 'ringing', p_video, p_me, v_now, v_now + make_interval(secs => p_ring_timeout),
		make_interval(secs => p_reconnect_grace));
	insert into call_members (call_id, user_id, position, state, sign_in, joined_at, call_created_at)
	values (p_call, p_me, 0, 'joined', p_sign_in, v_now, v_now);
	insert into call_members (call_id, user_id, position, state, silent, call_created_at)
	select p_call, i.id, i.n, case when not b.blocked and w.busy then 'busy' else 'ringing' end, b.blocked, v_now
	from unnest(p_invite) with ordinality i (id, n),
		lateral (select exists (select from contacts c
			where c.owner_id = i.id and c.other_id = p_me and c.blocked) as blocked) b,
		lateral (select exists (select from call_members m
			where m.user_id = i.id and m.state in ('ringing', 'joined', 'reconnecting') and not m.silent) as busy) w;
	if not exists (select from call_members m where m.call_id = p_call and m.state = 'ringing') then
		return parley_call_reply(201, p_call, parley_call_finish(p_call, 'busy'));
	end if;
	v_json := parley_call_json(p_call);
	v_news.notify := parley_event(array_remove(parley_call_audience(p_call), p_me),
			parley_call_event('call.ringing', v_json))
		|| parley_event(array[p_me], parley_call_event('call.updated', v_json));
	return parley_call_reply(201, p_call, v_news);
end
$$;

create function parley_call_answer(p_me uuid, p_sign_in uuid, p_call uuid) returns parley_reply language plpgsql as $$
declare
	v_call calls;
	v_member call_members;
begin
	perform parley_lock_users(array[p_me]);
	-- The others of this person's calls change too: all rows are taken in the order of their ids.
	perform from calls c where c.id = p_call or c.id in (select m.call_id from call_members m
		where m.user_id = p_me and m.state in ('joined', 'reconnecting')) order by c.id for update;
	v_call := parley_call_lock(p_call);
	v_member := parley_call_member(p_call, p_me);
	if v_member.user_id is null then
		return parley_call_not_found();
	elsif v_call.state = 'ended' then
		return parley_call_problem('wrong_state', 'The call is over.', p_call);
	elsif v_member.state in ('joined', 'reconnecting') then
		if v_member.sign_in = p_sign_in then
			return parley_call_reply(200, p_call, null);
		end if;
		return parley_call_problem('answered_elsewhere', 'Another of your devices is in this call.', p_call);
	elsif v_member.state <> 'ringing' and (v_call.state <> 'active' or v_call.locked) then
		return parley_call_problem('wrong_state', 'It does not ring for you any more.', p_call);
	end if;
	return parley_call_reply(200, p_call, parley_call_join(p_call, p_me, p_sign_in));
end
$$;

create function parley_call_decline(p_me uuid, p_sign_in uuid, p_call uuid) returns parley_reply language plpgsql as $$
declare
	v_call calls;
	v_member call_members;
	v_end parley_news;
	v_news parley_news;
begin
	v_call := parley_call_lock(p_call);
	v_member := parley_call_member(p_call, p_me);
	if v_member.user_id is null then
		return parley_call_not_found();
	elsif v_member.state = 'declined' then
		return parley_call_reply(200, p_call, null);
	elsif v_member.state <> 'ringing' then
		return parley_call_problem('wrong_state', 'It does not ring for you any more.', p_call);
	end if;
	update call_members m set state = 'declined' where m.call_id = p_call and m.user_id = p_me;
	v_end := parley_call_settle(p_call, 'declined');
	v_news.notify := parley_event(array[p_me],
		parley_call_event('call.answered_elsewhere', parley_call_json(p_call)), p_not => p_sign_in);
	if v_end.notify is null then
		v_news.notify := v_news.notify || parley_event(parley_call_audience(p_call) || p_me,
			parley_member_event('member.updated', p_call, p_me));
	end if;
	return parley_call_reply(200, p_call, parley_news_join(v_news, v_end));
end
$$;

create function parley_call_leave(p_me uuid, p_call uuid) returns parley_reply language plpgsql as $$
declare
	v_call calls;
	v_member call_members;
begin
	v_call := parley_call_lock(p_call);
	v_member := parley_call_member(p_call, p_me);
	if v_member.user_id is null then
		return parley_call_not_found();
	elsif v_call.state = 'ended' or v_member.state = 'left' then
		return parley_call_reply(200, p_call, null);
	elsif v_member.state not in ('joined', 'reconnecting') then
		return parley_call_problem('wrong_state', 'You are not in this call.', p_call);
	end if;
	return parley_call_reply(200, p_call, parley_call_part(p_call, p_me, 'hangup'));
end
$$;

create function parley_call_end(p_me uuid, p_call uuid) returns parley_reply language plpgsql as $$
declare
	v_call calls;
	v_member call_members;
begin
	v_call := parley_call_lock(p_call);
	v_member := parley_call_member(p_call, p_me);
	if v_member.user_id is null then
		return parley_call_not_found();
	elsif v_call.started_by <> p_me then
		return parley_problem(403, 'forbidden', 'Only who started the call can end it for everybody.');
	elsif v_call.state = 'ended' then
		return parley_call_problem('wrong_state', 'The call is over.', p_call);
	end if;
	return parley_call_reply(200, p_call,
		parley_call_finish(p_call, case v_call.state when 'ringing' then 'cancelled' else 'hangup' end));
end
$$;

-- Rings more people; whoever is in the call may. Those who were in it, or did not answer, ring again.
create function parley_call_invite(p_me uuid, p_call uuid, p_invite uuid[], p_ring_timeout integer,
	p_members_max integer)
returns parley_reply language plpgsql as $$
declare
	v_call calls;
	v_member call_members;
	v_now timestamptz;
	v_new uuid[];
	v_rings uuid[];
	v_notify jsonb;
	v_json jsonb;
begin
	perform parley_lock_users(p_invite || p_me);
	v_call := parley_call_lock(p_call);
	v_member := parley_call_member(p_call, p_me);
	v_now := clock_timestamp();
	if v_member.user_id is null then
		return parley_call_not_found();
	elsif v_call.state = 'ended' or v_member.state not in ('joined', 'reconnecting') then
		return parley_call_problem('wrong_state', 'You are not in this call.', p_call);
	elsif v_call.locked and v_call.started_by <> p_me then
		return parley_problem(403, 'forbidden', 'The call is locked.');
	elsif exists (select from unnest(p_invite) i where not exists (
			select from contacts c where c.owner_id = p_me and c.other_id = i and c.state = 'accepted'
				and not c.blocked)) then
		return parley_problem(403, 'not_a_contact', 'Only accepted contacts can be called.', 'invite');
	end if;
	v_new := array(select i from unnest(p_invite) i where not exists (select from call_members m
		where m.call_id = p_call and m.user_id = i and m.state in ('ringing', 'joined', 'reconnecting')));
	if cardinality(v_new) = 0 then
		return parley_call_reply(200, p_call, null);
	end if;
	if p_members_max > 0 and cardinality(v_new) + (select count(*) from call_members m
			where m.call_id = p_call and m.user_id <> all (v_new)) > p_members_max then
		return parley_problem(422, 'invalid_field', 'A call has at most ' || p_members_max || ' members.', 'invite');
	end if;
	insert into call_members (call_id, user_id, position, state, silent, call_created_at)
	select p_call, i.id, (select max(position) from call_members where call_id = p_call) + i.n,
		case when not b.blocked and w.busy then 'busy' else 'ringing' end, b.blocked, v_call.created_at
	from unnest(v_new) with ordinality i (id, n),
		lateral (select exists (select from contacts c
			where c.owner_id = i.id and c.other_id = p_me and c.blocked) as blocked) b,
		lateral (select exists (select from call_members m
			where m.user_id = i.id and m.state in ('ringing', 'joined', 'reconnecting') and not m.silent) as busy) w
	on conflict (call_id, user_id) do update set state = excluded.state, silent = excluded.silent;
	v_rings := array(select m.user_id from call_members m
		where m.call_id = p_call and m.user_id = any (v_new) and m.state = 'ringing' and not m.silent);
	update calls c set version = c.version + 1,
		ring_deadline = case when exists (select from call_members m
			where m.call_id = p_call and m.user_id = any (v_new) and m.state = 'ringing')
			then greatest(c.ring_deadline, v_now + make_interval(secs => p_ring_timeout)) else c.ring_deadline end
	where c.id = p_call;
	v_json := parley_call_json(p_call);
	v_notify := parley_event(v_rings, parley_call_event('call.ringing', v_json))
		|| parley_event(array(select a from unnest(parley_call_audience(p_call)) a where a <> all (v_rings)),
			parley_call_event('call.updated', v_json));
	return parley_call_reply(200, p_call, row(v_notify, '[]')::parley_news);
end
$$;

-- Null: as it is.
create function parley_member_update(p_me uuid, p_call uuid, p_paused boolean, p_muted_audio boolean,
	p_muted_video boolean, p_hand boolean)
returns parley_reply language plpgsql as $$
declare
	v_call calls;
	v_member call_members;
	v_news parley_news;
begin
	v_call := parley_call_lock(p_call);
	v_member := parley_call_member(p_call, p_me);
	if v_member.user_id is null then
		return parley_call_not_found();
	elsif v_member.state not in ('joined', 'reconnecting') then
		return parley_call_problem('wrong_state', 'You are not in this call.', p_call);
	end if;
	update call_members m set paused = coalesce(p_paused, m.paused),
		muted_audio = coalesce(p_muted_audio, m.muted_audio), muted_video = coalesce(p_muted_video, m.muted_video),
		hand = coalesce(p_hand, m.hand)
	where m.call_id = p_call and m.user_id = p_me
		and (m.paused, m.muted_audio, m.muted_video, m.hand) is distinct from (coalesce(p_paused, m.paused),
			coalesce(p_muted_audio, m.muted_audio), coalesce(p_muted_video, m.muted_video),
			coalesce(p_hand, m.hand));
	if found then
		update calls c set version = c.version + 1 where c.id = p_call;
		v_news.notify := parley_event(parley_call_audience(p_call),
			parley_member_event('member.updated', p_call, p_me));
		v_news.media := parley_media_state_of(p_call, p_me);
	end if;
	return parley_call_reply(200, p_call, v_news);
end
$$;

create function parley_call_get(p_me uuid, p_call uuid) returns parley_reply language plpgsql stable as $$
begin
	if not exists (select from call_members m where m.call_id = p_call and m.user_id = p_me and not m.silent) then
		return parley_call_not_found();
	end if;
	return parley_call_reply(200, p_call, null);
end
$$;

-- The history, 50 at a time; p_before is the id of the last call of the page before.
create function parley_calls(p_me uuid, p_before uuid) returns parley_reply language plpgsql stable as $$
declare
	v_at timestamptz;
	v_ids uuid[];
begin
	if p_before is not null then
		select m.call_created_at into v_at from call_members m where m.call_id = p_before and m.user_id = p_me;
		if not found then
			return parley_problem(422, 'invalid_field', 'This is not the `next` of a page of this list.', 'before');
		end if;
	end if;
	v_ids := array(select m.call_id from call_members m
		where m.user_id = p_me and not m.silent
			and (p_before is null or (m.call_created_at, m.call_id) < (v_at, p_before))
		order by m.call_created_at desc, m.call_id desc limit 51);
	return parley_ok(200, jsonb_build_object(
		'items', (select coalesce(jsonb_agg(parley_call_json(i.id) order by i.n), '[]')
			from unnest(v_ids) with ordinality i (id, n) where i.n <= 50),
		'next', case when cardinality(v_ids) > 50 then v_ids[50] end));
end
$$;

-- The sweeper -----------------------------------------------------------------------------------------------------

-- Each second, by every worker. p_members false: lost connections are left alone for now. At most 200 calls a
-- time, so that a flood of them does not hold everything up.
create function parley_sweep(p_members boolean) returns parley_reply language plpgsql as $$
declare
	v_call uuid;
	v_user uuid;
	v_missed uuid[];
	v_one parley_news;
	v_news parley_news;
begin
	for v_call in
		select c.id from calls c where c.ring_deadline < now() order by c.ring_deadline limit 200
		for update skip locked
	loop
		with late as (
			update call_members m set state = 'missed' where m.call_id = v_call and m.state = 'ringing'
			returning m.user_id, m.silent)
		select array_agg(l.user_id) filter (where not l.silent) into v_missed from late l;
		v_one := parley_call_settle(v_call, 'hangup');
		if v_one.notify is null then
			v_one.notify := parley_event(parley_call_audience(v_call) || v_missed,
				parley_call_event('call.updated', parley_call_json(v_call)));
		end if;
		v_news := parley_news_join(v_news, v_one);
	end loop;
	if p_members then
		for v_call in
			select c.id from calls c where c.id in (select m.call_id from call_members m where m.deadline < now()
				order by m.deadline limit 200)
			for update skip locked
		loop
			loop
				-- parley_call_finish() clears all deadlines of the call.
				select m.user_id into v_user from call_members m
				where m.call_id = v_call and m.deadline < now() limit 1;
				exit when not found;
				v_news := parley_news_join(v_news, parley_call_part(v_call, v_user, 'failed'));
			end loop;
		end loop;
	end if;
	v_news := parley_news_join(v_news, null);
	return parley_ok(200, null, v_news.notify, v_news.media);
end
$$;
