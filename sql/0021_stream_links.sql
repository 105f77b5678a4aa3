-- Stream links: seen and revoked by administrators, counted by themselves, and ended by a program whose link is old.

-- limits.call_members is about people; programs have limits.call_streams. As before but for that.
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
			where m.call_id = p_call and not m.stream and m.user_id <> all (v_new)) > p_members_max then
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

-- A link that is too old opens nothing new. Its program goes on, and may restart ICE and end its session: the token is
-- good for as long as it is in the call (statement stream_auth). As before but for the time.
create or replace function parley_stream_open(p_stream uuid, p_etag text, out status integer, out code text, out detail text, out body text,
	out notify text, out "call" uuid, out joined_us bigint, out "position" integer, out paused boolean,
	out muted_audio boolean, out muted_video boolean, out joined boolean)
language plpgsql as $$
declare
	v_call calls := parley_call_lock((select s.call_id from call_streams s where s.id = p_stream));
	v_stream call_streams;
	v_maker call_members;
	v_member call_members;
	v_now timestamptz := clock_timestamp();
begin
	select * into v_stream from call_streams s where s.id = p_stream and not s.revoked and s.expires_at > now();
	v_maker := parley_call_member(v_call.id, v_stream.made_by);
	select * into v_member from call_members m where m.call_id = v_call.id and m.user_id = p_stream;
	status := 409;
	code := 'wrong_state';
	if v_stream.id is null or v_call.state = 'ended' then
		status := 401;
		code := 'unauthorized';
		detail := 'This link is not valid any more.';
		return;
	elsif v_call.state = 'ringing' then
		detail := 'Nobody has answered the call yet; try again.';
	elsif v_maker.state not in ('joined', 'reconnecting') then
		detail := 'Who made this link is not in the call.';
	elsif v_member.removed then
		status := 403;
		code := 'forbidden';
		detail := 'This stream was removed from the call.';
	else
		status := 200;
	end if;
	if status <> 200 then
		return;
	end if;
	code := null;
	update call_streams s set etag = p_etag where s.id = p_stream;
	joined := v_member.state is null or v_member.state not in ('joined', 'reconnecting');
	if not joined then
		-- Whoever comes back gets the whole time anew to make it work.
		update call_members m set deadline = greatest(m.deadline, v_now + v_call.reconnect_grace)
		where m.call_id = v_call.id and m.user_id = p_stream and m.deadline is not null;
	else
		insert into call_members as m (call_id, user_id, position, state, stream, sign_in, joined_at, deadline,
			call_created_at)
		values (v_call.id, p_stream, (select max(o.position) + 1 from call_members o where o.call_id = v_call.id),
			'joined', true, p_stream, v_now, v_now + 2 * v_call.reconnect_grace, v_call.created_at)
		on conflict (call_id, user_id) do update set state = 'joined', joined_at = excluded.joined_at, left_at = null,
			connected = false, deadline = excluded.deadline;
		update calls c set version = c.version + 1 where c.id = v_call.id;
		notify := nullif(parley_event(parley_call_audience(v_call.id),
			parley_member_event('member.joined', v_call.id, p_stream)), '[]')::text;
	end if;
	select m.call_id, (extract(epoch from m.joined_at) * 1000000)::bigint, m.position, m.paused, m.muted_audio,
		m.muted_video
	into "call", joined_us, "position", paused, muted_audio, muted_video
	from call_members m where m.call_id = v_call.id and m.user_id = p_stream;
end
$$;

-- The token is worth nothing from here on; what came by it leaves. The call's row is locked.
create function parley_stream_revoke(p_call uuid, p_stream uuid, p_actor text, p_user uuid, p_address text)
returns parley_news language plpgsql as $$
declare
	v_news parley_news;
begin
	update call_streams s set revoked = true where s.id = p_stream;
	perform parley_audit(p_actor, 'stream-delete', p_user, p_address, p_stream::text);
	if exists (select from call_members m where m.call_id = p_call and m.user_id = p_stream
			and m.state in ('joined', 'reconnecting')) then
		v_news := parley_call_part(p_call, p_stream, 'hangup', 'removed');
	end if;
	return parley_news_join(v_news, null);
end
$$;

-- 204.
create or replace function parley_stream_delete(p_me uuid, p_call uuid, p_stream uuid, p_address text)
returns parley_reply language plpgsql as $$
declare
	v_call calls := parley_call_lock(p_call);
	v_problem parley_reply := parley_stream_own(p_me, v_call, parley_stream_of(p_call, p_stream));
	v_news parley_news;
begin
	if v_problem.status is not null then
		return v_problem;
	end if;
	v_news := parley_stream_revoke(p_call, p_stream, p_me::text, p_me, p_address);
	return parley_ok(204, null, v_news.notify, v_news.media);
end
$$;

-- For administrators: without the URL, which depends on whom one asks, and with the call and its maker's name. p_call
-- null: of all calls. Oldest first.
create function parley_admin_streams_json(p_call uuid) returns jsonb language plpgsql stable as $$
begin
	return (select coalesce(jsonb_agg((parley_stream_json(s, '') - 'url') || jsonb_build_object('call_id', s.call_id,
			'maker', (select u.username from users u where u.id = s.made_by)) order by s.created_at, s.id), '[]')
		from call_streams s where not s.revoked and (p_call is null or s.call_id = p_call));
end
$$;

create function parley_admin_streams() returns parley_reply language plpgsql stable as $$
begin
	return parley_ok(200, jsonb_build_object('next', null, 'items', parley_admin_streams_json(null)));
end
$$;

create function parley_admin_stream_delete(p_stream uuid) returns parley_reply language plpgsql as $$
declare
	v_call calls := parley_call_lock((select s.call_id from call_streams s where s.id = p_stream));
	v_stream call_streams := parley_stream_of(v_call.id, p_stream);
	v_news parley_news;
begin
	if v_stream.id is null then
		return parley_problem(404, 'not_found', 'There is no such stream link.');
	end if;
	v_news := parley_stream_revoke(v_call.id, p_stream, 'admin', v_stream.made_by, null);
	return parley_ok(204, null, v_news.notify, v_news.media);
end
$$;

-- As before, with the stream links of each call.
create or replace function parley_admin_calls(p_call uuid) returns parley_reply language plpgsql stable as $$
begin
	if p_call is null then
		return parley_ok(200, jsonb_build_object('next', null, 'items', (
			select coalesce(jsonb_agg(parley_call_json(c.id)
				|| jsonb_build_object('streams', parley_admin_streams_json(c.id)) order by c.created_at), '[]')
			from calls c where c.state <> 'ended')));
	elsif not exists (select from calls c where c.id = p_call) then
		return parley_problem(404, 'not_found', 'There is no such call.');
	end if;
	return parley_ok(200, jsonb_build_object('call', parley_call_json(p_call)
		|| jsonb_build_object('streams', parley_admin_streams_json(p_call))));
end
$$;
