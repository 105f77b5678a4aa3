-- Group calls and call waiting: what whoever started a call may do, who is busy, and which call waits.
--
-- Somebody has at most two calls: in one, a second rings; answering or starting it pauses the first, and resuming one
-- pauses the other. Locks are taken in the order of 0001: people, then calls by id, then members.

alter table call_members add column removed boolean not null default false; -- by whoever started it: does not come back

-- Nothing rings for somebody who has two calls or is not to be disturbed.
create function parley_is_busy(p_user uuid) returns boolean language plpgsql stable as $$
begin
	return (select count(*) >= 2 from call_members m
			where m.user_id = p_user and m.state in ('ringing', 'joined', 'reconnecting') and not m.silent)
		or exists (select from users u where u.id = p_user and u.status = 'do_not_disturb');
end
$$;

-- Is this person in two calls other than p_call?
create function parley_calls_full(p_user uuid, p_call uuid) returns boolean language plpgsql stable as $$
begin
	return (select count(*) >= 2 from call_members m
		where m.user_id = p_user and m.call_id <> p_call and m.state in ('joined', 'reconnecting'));
end
$$;

-- Locks p_call and the calls that this person is in, by id.
create function parley_calls_lock(p_user uuid, p_call uuid) returns void language plpgsql as $$
begin
	perform from calls c where c.id = p_call or c.id in (select m.call_id from call_members m
		where m.user_id = p_user and m.state in ('joined', 'reconnecting')) order by c.id for update;
end
$$;

-- The other calls of this person wait. Their rows are locked.
create function parley_calls_pause(p_user uuid, p_but uuid) returns parley_news language plpgsql as $$
declare
	v_other uuid;
	v_news parley_news;
begin
	v_news.notify := '[]';
	v_news.media := '[]';
	for v_other in
		update call_members m set paused = true
		where m.user_id = p_user and m.call_id <> p_but and m.state in ('joined', 'reconnecting') and not m.paused
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

-- Both sides' lists show when they last called each other; a silent one's does not.
create function parley_contacts_called(p_caller uuid, p_call uuid, p_users uuid[], p_at timestamptz)
returns void language plpgsql as $$
begin
	update contacts c set last_call_at = p_at
	where c.owner_id = p_caller and c.other_id = any (p_users)
		or c.other_id = p_caller and c.owner_id in (select m.user_id from call_members m
			where m.call_id = p_call and m.user_id = any (p_users) and not m.silent);
end
$$;

-- As before, but who was called back into it and did not answer stays known as having left.
create or replace function parley_call_finish(p_call uuid, p_reason text) returns parley_news language plpgsql as $$
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
		left_at = case when m.state = 'ringing' then m.left_at else clock_timestamp() end,
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

create or replace function parley_call_join(p_call uuid, p_user uuid, p_sign_in uuid)
returns parley_news language plpgsql as $$
declare
	v_first boolean;
	v_patience interval;
	v_others uuid[];
	v_json jsonb;
	v_news parley_news;
begin
	select c.state = 'ringing', 2 * c.reconnect_grace into v_first, v_patience from calls c where c.id = p_call;
	update call_members m set state = 'joined', sign_in = p_sign_in, joined_at = clock_timestamp(), left_at = null,
		removed = false, paused = false, muted_audio = false, muted_video = false, hand = false, sharing = false,
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
	return parley_news_join(v_news, parley_calls_pause(p_user, p_call));
end
$$;

drop function parley_call_part(uuid, uuid, text);

-- p_user, who is in the call, goes: left, removed (p_why) or lost (p_reason failed). The row is locked.
create function parley_call_part(p_call uuid, p_user uuid, p_reason text, p_why text default null)
returns parley_news language plpgsql as $$
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
			parley_member_event('member.left', p_call, p_user)
				|| jsonb_build_object('reason', coalesce(p_why, case p_reason when 'failed' then 'lost' else 'left' end)));
		v_news.media := parley_media_close_member(p_call, p_user);
	end if;
	if v_was_active then
		-- parley_call_finish() did not see this one any more.
		v_news.notify := v_news.notify || parley_presence_news(array[p_user]);
	end if;
	return v_news;
end
$$;

create or replace function parley_call_create(p_me uuid, p_sign_in uuid, p_call uuid, p_invite uuid[], p_video boolean,
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
		where c.started_by = p_invite[1] and c.state <> 'ended' and m.user_id = p_me and m.state = 'ringing'
			and not m.silent;
		if found then
			perform parley_calls_lock(p_me, v_other);
		end if;
		if v_other is not null and exists (select from call_members m join calls c on c.id = m.call_id
				where m.call_id = v_other and m.user_id = p_me and m.state = 'ringing'
					and c.state <> 'ended') and not parley_calls_full(p_me, v_other) then
			update calls c set glare_id = p_call where c.id = v_other;
			v_news := parley_call_join(v_other, p_me, p_sign_in);
			return parley_call_reply(201, v_other, v_news);
		end if;
	end if;

	if parley_calls_full(p_me, p_call) then
		return parley_call_problem('wrong_state', 'You are in two calls already.', (select m.call_id
			from call_members m where m.user_id = p_me and m.state in ('joined', 'reconnecting') limit 1));
	end if;
	perform parley_calls_lock(p_me, p_call);

	insert into calls (id, state, video, started_by, created_at, ring_deadline, reconnect_grace)
	values (p_call, 'ringing', p_video, p_me, v_now, v_now + make_interval(secs => p_ring_timeout),
		make_interval(secs => p_reconnect_grace));
	insert into call_members (call_id, user_id, position, state, sign_in, joined_at, call_created_at)
	values (p_call, p_me, 0, 'joined', p_sign_in, v_now, v_now);
	insert into call_members (call_id, user_id, position, state, silent, call_created_at)
	select p_call, i.id, i.n, case when not b.blocked and parley_is_busy(i.id) then 'busy' else 'ringing' end, b.blocked,
		v_now
	from unnest(p_invite) with ordinality i (id, n),
		lateral (select exists (select from contacts c
			where c.owner_id = i.id and c.other_id = p_me and c.blocked) as blocked) b;
	perform parley_contacts_called(p_me, p_call, p_invite, v_now);
	if not exists (select from call_members m where m.call_id = p_call and m.state = 'ringing') then
		return parley_call_reply(201, p_call, parley_call_finish(p_call, 'busy'));
	end if;
	v_json := parley_call_json(p_call);
	v_news.notify := parley_event(array_remove(parley_call_audience(p_call), p_me),
			parley_call_event('call.ringing', v_json))
		|| parley_event(array[p_me], parley_call_event('call.updated', v_json));
	return parley_call_reply(201, p_call, parley_news_join(v_news, parley_calls_pause(p_me, p_call)));
end
$$;

create or replace function parley_call_answer(p_me uuid, p_sign_in uuid, p_call uuid)
returns parley_reply language plpgsql as $$
declare
	v_call calls;
	v_member call_members;
begin
	perform parley_lock_users(array[p_me]);
	perform parley_calls_lock(p_me, p_call);
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
	elsif v_member.state <> 'ringing' and (v_call.state <> 'active' or v_call.locked or v_member.removed) then
		return parley_call_problem('wrong_state', 'It does not ring for you any more.', p_call);
	elsif parley_calls_full(p_me, p_call) then
		return parley_call_problem('wrong_state', 'You are in two calls already.', p_call);
	end if;
	return parley_call_reply(200, p_call, parley_call_join(p_call, p_me, p_sign_in));
end
$$;

create or replace function parley_call_invite(p_me uuid, p_call uuid, p_invite uuid[], p_ring_timeout integer,
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
		case when not b.blocked and parley_is_busy(i.id) then 'busy' else 'ringing' end, b.blocked, v_call.created_at
	from unnest(v_new) with ordinality i (id, n),
		lateral (select exists (select from contacts c
			where c.owner_id = i.id and c.other_id = p_me and c.blocked) as blocked) b
	on conflict (call_id, user_id) do update set state = excluded.state, silent = excluded.silent, removed = false;
	perform parley_contacts_called(p_me, p_call, v_new, v_now);
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

drop function parley_member_update(uuid, uuid, boolean, boolean, boolean, boolean);

-- Null: as it is. One of two calls waits, so resuming one pauses the other.
create function parley_member_update(p_me uuid, p_call uuid, p_paused boolean, p_muted_audio boolean,
	p_muted_video boolean, p_hand boolean, p_sharing boolean)
returns parley_reply language plpgsql as $$
declare
	v_call calls;
	v_member call_members;
	v_news parley_news;
begin
	if p_paused = false then
		perform parley_lock_users(array[p_me]);
		perform parley_calls_lock(p_me, p_call);
	end if;
	v_call := parley_call_lock(p_call);
	v_member := parley_call_member(p_call, p_me);
	if v_member.user_id is null then
		return parley_call_not_found();
	elsif v_member.state not in ('joined', 'reconnecting') then
		return parley_call_problem('wrong_state', 'You are not in this call.', p_call);
	end if;
	update call_members m set paused = coalesce(p_paused, m.paused),
		muted_audio = coalesce(p_muted_audio, m.muted_audio), muted_video = coalesce(p_muted_video, m.muted_video),
		hand = coalesce(p_hand, m.hand), sharing = coalesce(p_sharing, m.sharing)
	where m.call_id = p_call and m.user_id = p_me
		and (m.paused, m.muted_audio, m.muted_video, m.hand, m.sharing) is distinct from (coalesce(p_paused, m.paused),
			coalesce(p_muted_audio, m.muted_audio), coalesce(p_muted_video, m.muted_video),
			coalesce(p_hand, m.hand), coalesce(p_sharing, m.sharing));
	if found then
		update calls c set version = c.version + 1 where c.id = p_call;
		v_news.notify := parley_event(parley_call_audience(p_call),
			parley_member_event('member.updated', p_call, p_me));
		v_news.media := parley_media_state_of(p_call, p_me);
	end if;
	if p_paused = false then
		v_news := parley_news_join(v_news, parley_calls_pause(p_me, p_call));
	end if;
	return parley_call_reply(200, p_call, v_news);
end
$$;

-- What whoever started the call may do -------------------------------------------------------------------------------

-- What is in the way of p_me, or null. The row is locked.
create function parley_call_own(p_me uuid, p_call calls, p_what text) returns parley_reply language plpgsql stable as $$
declare
	v_member call_members := parley_call_member(p_call.id, p_me);
begin
	if v_member.user_id is null then
		return parley_call_not_found();
	elsif p_call.started_by <> p_me then
		return parley_problem(403, 'forbidden', 'Only who started the call can ' || p_what || '.');
	elsif p_call.state = 'ended' then
		return parley_call_problem('wrong_state', 'The call is over.', p_call.id);
	end if;
	return null;
end
$$;

create function parley_call_update(p_me uuid, p_call uuid, p_locked boolean) returns parley_reply language plpgsql as $$
declare
	v_call calls := parley_call_lock(p_call);
	v_problem parley_reply := parley_call_own(p_me, v_call, 'lock it');
	v_news parley_news;
begin
	if v_problem.status is not null then
		return v_problem;
	end if;
	update calls c set locked = p_locked, version = c.version + 1 where c.id = p_call and c.locked <> p_locked;
	if found then
		v_news.notify := parley_event(parley_call_audience(p_call),
			parley_call_event('call.updated', parley_call_json(p_call)));
	end if;
	return parley_call_reply(200, p_call, v_news);
end
$$;

create function parley_member_not_found() returns parley_reply language sql immutable as $$
	select parley_problem(404, 'not_found', 'There is no such member of this call.')
$$;

-- Mutes, never unmutes.
create function parley_member_mute(p_me uuid, p_call uuid, p_user uuid, p_audio boolean, p_video boolean)
returns parley_reply language plpgsql as $$
declare
	v_call calls := parley_call_lock(p_call);
	v_problem parley_reply := parley_call_own(p_me, v_call, 'mute others');
	v_state text;
	v_news parley_news;
begin
	if v_problem.status is not null then
		return v_problem;
	end if;
	select m.state into v_state from call_members m where m.call_id = p_call and m.user_id = p_user;
	if not found then
		return parley_member_not_found();
	elsif v_state not in ('joined', 'reconnecting') then
		return parley_call_problem('wrong_state', 'This person is not in the call.', p_call);
	end if;
	update call_members m set muted_audio = m.muted_audio or p_audio, muted_video = m.muted_video or p_video
	where m.call_id = p_call and m.user_id = p_user
		and (p_audio and not m.muted_audio or p_video and not m.muted_video);
	if found then
		update calls c set version = c.version + 1 where c.id = p_call;
		v_news.notify := parley_event(parley_call_audience(p_call),
			parley_member_event('member.updated', p_call, p_user));
		v_news.media := parley_media_state_of(p_call, p_user);
	end if;
	return parley_call_reply(200, p_call, v_news);
end
$$;

-- Stops the ringing, or closes the media. Not into this call again, unless invited anew.
create function parley_member_remove(p_me uuid, p_call uuid, p_user uuid) returns parley_reply language plpgsql as $$
declare
	v_call calls := parley_call_lock(p_call);
	v_problem parley_reply := parley_call_own(p_me, v_call, 'remove others');
	v_member call_members;
	v_end parley_news;
	v_news parley_news;
begin
	if v_problem.status is not null then
		return v_problem;
	elsif p_user = p_me then
		return parley_problem(403, 'forbidden', 'Nobody can remove themselves: leave.');
	end if;
	update call_members m set removed = true where m.call_id = p_call and m.user_id = p_user returning * into v_member;
	if not found then
		return parley_member_not_found();
	elsif v_member.state in ('joined', 'reconnecting') then
		return parley_call_reply(200, p_call, parley_call_part(p_call, p_user, 'hangup', 'removed'));
	elsif v_member.state <> 'ringing' then
		return parley_call_reply(200, p_call, null);
	elsif v_call.state = 'ringing' and not exists (select from call_members m
			where m.call_id = p_call and m.user_id <> p_user and m.state = 'ringing') then
		return parley_call_reply(200, p_call, parley_call_finish(p_call, 'cancelled'));
	end if;
	update call_members m set state = 'missed' where m.call_id = p_call and m.user_id = p_user;
	v_end := parley_call_settle(p_call, 'hangup');
	if not v_member.silent then
		v_news.notify := parley_event(array[p_user], parley_call_event('call.cancelled', parley_call_json(p_call)));
	end if;
	if v_end.notify is null then
		v_news.notify := coalesce(v_news.notify, '[]') || parley_event(parley_call_audience(p_call),
			parley_member_event('member.left', p_call, p_user) || '{"reason": "removed"}');
	end if;
	return parley_call_reply(200, p_call, parley_news_join(v_news, v_end));
end
$$;
