-- Streams: programs that send media into a call (WHIP, RFC 9725) or watch it (WHEP), each with a token of its own.
--
-- A stream is a member of the call without an account: its id stands where a person's stands, so mediads, seats and
-- events need to know nothing of it, and whoever starts the call can mute and remove it like anybody. No row of users:
-- nothing to sign in with, to be found or to be added. It keeps no call alive, works only while its maker is in the
-- call, and is gone with the call. Called by workers/api_streams.c.

create table call_streams (
	id uuid primary key,
	call_id uuid not null references calls on delete cascade,
	kind text not null check (kind in ('publish', 'watch')),
	name text not null check (char_length(name) between 1 and 64),
	made_by uuid not null references users on delete cascade,
	token_hash bytea not null unique, -- SHA-256
	created_at timestamptz not null,
	expires_at timestamptz not null, -- after that nothing new is opened
	revoked boolean not null default false, -- the row stays for the member's name, until the call ends
	etag text -- of the ICE session of the transport that was opened last
);
create index call_streams_call on call_streams (call_id);
create index call_streams_made_by on call_streams (made_by);

alter table call_members add column stream boolean not null default false;
-- A member is an account or a stream. Rows of accounts are never deleted, so that nothing is lost with this.
alter table call_members drop constraint call_members_user_id_fkey;

-- Shapes --------------------------------------------------------------------------------------------------------

create or replace function parley_member_json(m call_members) returns jsonb language plpgsql stable as $$
declare
	v_json jsonb := jsonb_build_object(
		'user', parley_user_json(m.user_id),
		'state', case when m.state = 'joined' and m.paused then 'paused' else m.state end,
		'muted', jsonb_build_object('audio', m.muted_audio, 'video', m.muted_video),
		'sharing', m.sharing,
		'hand', m.hand);
begin
	if not m.stream then
		return v_json;
	end if;
	return v_json || (select jsonb_build_object(
			'user', jsonb_build_object('id', s.id, 'username', 'stream.' || left(replace(s.id::text, '-', ''), 20),
				'display_name', s.name, 'avatar_url', null),
			'stream', jsonb_build_object('kind', s.kind, 'made_by', s.made_by))
		from call_streams s where s.id = m.user_id);
end
$$;

-- p_base: "https://example.org".
create function parley_stream_json(s call_streams, p_base text) returns jsonb language plpgsql stable as $$
begin
	return jsonb_build_object('id', s.id, 'kind', s.kind, 'name', s.name, 'made_by', s.made_by,
		'url', p_base || '/api/v1/' || case s.kind when 'publish' then 'whip' else 'whep' end || '/' || s.id,
		'state', coalesce((select case when m.state = 'joined' and m.paused then 'paused' else m.state end
			from call_members m where m.call_id = s.call_id and m.user_id = s.id and m.state in ('joined', 'reconnecting')),
			'waiting'),
		'created_at', parley_time(s.created_at), 'expires_at', parley_time(s.expires_at));
end
$$;

-- Transitions of a call, with streams in it ---------------------------------------------------------------------

-- As before; its streams are gone.
create or replace function parley_call_finish(p_call uuid, p_reason text) returns parley_news language plpgsql as $$
declare
	v_was_active boolean := (select c.state = 'active' from calls c where c.id = p_call);
	v_rang uuid[];
	v_talked uuid[];
	v_json jsonb;
	v_news parley_news;
begin
	delete from call_members m where m.call_id = p_call and m.stream;
	delete from call_streams s where s.call_id = p_call;
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

-- As before; streams are nobody to talk to.
create or replace function parley_call_settle(p_call uuid, p_reason text) returns parley_news language plpgsql as $$
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
	from call_members m where m.call_id = p_call and not m.stream;
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

-- As before; the streams of who goes go first.
create or replace function parley_call_part(p_call uuid, p_user uuid, p_reason text, p_why text default null)
returns parley_news language plpgsql as $$
declare
	v_was_active boolean := (select c.state = 'active' from calls c where c.id = p_call);
	v_stream uuid;
	v_one parley_news;
	v_news parley_news;
begin
	for v_stream in
		select s.id from call_streams s join call_members m on m.call_id = s.call_id and m.user_id = s.id
		where s.call_id = p_call and s.made_by = p_user and m.state in ('joined', 'reconnecting')
		order by m.position
	loop
		v_news := parley_news_join(v_news, parley_call_part(p_call, v_stream, 'hangup'));
	end loop;
	update call_members m set state = 'left', left_at = clock_timestamp(), deadline = null, connected = false,
		paused = false, sharing = false, hand = false
	where m.call_id = p_call and m.user_id = p_user;
	v_one := parley_call_settle(p_call, p_reason);
	if v_one.notify is null then
		v_one.notify := parley_event(parley_call_audience(p_call) || p_user,
			parley_member_event('member.left', p_call, p_user)
				|| jsonb_build_object('reason', coalesce(p_why, case p_reason when 'failed' then 'lost' else 'left' end)));
		v_one.media := parley_media_close_member(p_call, p_user);
	end if;
	if v_was_active then
		-- parley_call_finish() did not see this one any more.
		v_one.notify := v_one.notify || parley_presence_news(array[p_user]);
	end if;
	return parley_news_join(v_news, v_one);
end
$$;

-- Links: made, listed, paused and revoked by people ----------------------------------------------------------------

-- What is in the way of p_me, or null. The row is locked.
create function parley_streams_problem(p_me uuid, p_call calls) returns parley_reply language plpgsql stable as $$
declare
	v_member call_members := parley_call_member(p_call.id, p_me);
begin
	if v_member.user_id is null then
		return parley_call_not_found();
	elsif p_call.state = 'ended' or v_member.state not in ('joined', 'reconnecting') then
		return parley_call_problem('wrong_state', 'You are not in this call.', p_call.id);
	end if;
	return null;
end
$$;

-- p_max 0: any number. The body is the stream alone; the worker adds the token.
create function parley_stream_create(p_me uuid, p_call uuid, p_id uuid, p_kind text, p_name text, p_token_hash bytea,
	p_max integer, p_base text, p_address text)
returns parley_reply language plpgsql as $$
declare
	v_call calls := parley_call_lock(p_call);
	v_problem parley_reply := parley_streams_problem(p_me, v_call);
	v_stream call_streams;
begin
	if v_problem.status is not null then
		return v_problem;
	elsif v_call.locked and v_call.started_by <> p_me then
		return parley_problem(403, 'forbidden', 'The call is locked.');
	elsif p_max > 0 and (select count(*) from call_streams s where s.call_id = p_call and not s.revoked
			and s.expires_at > now()) >= p_max then
		return parley_problem(403, 'forbidden', 'This call has ' || p_max || ' stream links, and no more may be; revoke one.');
	end if;
	insert into call_streams (id, call_id, kind, name, made_by, token_hash, created_at, expires_at)
	values (p_id, p_call, p_kind, p_name, p_me, p_token_hash, clock_timestamp(), clock_timestamp() + interval '1 day')
	returning * into v_stream;
	perform parley_audit(p_me::text, 'stream-create', p_me, p_address, p_kind || ' ' || p_id);
	return parley_ok(201, parley_stream_json(v_stream, p_base));
end
$$;

create function parley_streams(p_me uuid, p_call uuid, p_base text) returns parley_reply language plpgsql stable as $$
declare
	v_call calls;
	v_problem parley_reply;
begin
	select * into v_call from calls c where c.id = p_call;
	v_problem := parley_streams_problem(p_me, v_call);
	if v_problem.status is not null then
		return v_problem;
	end if;
	return parley_ok(200, jsonb_build_object('next', null, 'items', (
		select coalesce(jsonb_agg(parley_stream_json(s, p_base) order by s.created_at, s.id), '[]')
		from call_streams s where s.call_id = p_call and not s.revoked)));
end
$$;

-- As parley_streams_problem(), for one stream: who made it and who started the call may change it.
create function parley_stream_own(p_me uuid, p_call calls, p_stream call_streams)
returns parley_reply language plpgsql stable as $$
declare
	v_problem parley_reply := parley_streams_problem(p_me, p_call);
begin
	if v_problem.status is not null then
		return v_problem;
	elsif p_stream.id is null then
		return parley_problem(404, 'not_found', 'There is no such stream link in this call.');
	elsif p_me not in (p_call.started_by, p_stream.made_by) then
		return parley_problem(403, 'forbidden', 'Only who made the link, or started the call, can do this.');
	end if;
	return null;
end
$$;

create function parley_stream_of(p_call uuid, p_stream uuid) returns call_streams language plpgsql stable as $$
declare
	v_stream call_streams;
begin
	select * into v_stream from call_streams s where s.id = p_stream and s.call_id = p_call and not s.revoked;
	return v_stream;
end
$$;

-- 204. The token is worth nothing from here on.
create function parley_stream_delete(p_me uuid, p_call uuid, p_stream uuid, p_address text)
returns parley_reply language plpgsql as $$
declare
	v_call calls := parley_call_lock(p_call);
	v_problem parley_reply := parley_stream_own(p_me, v_call, parley_stream_of(p_call, p_stream));
	v_news parley_news;
begin
	if v_problem.status is not null then
		return v_problem;
	end if;
	update call_streams s set revoked = true where s.id = p_stream;
	perform parley_audit(p_me::text, 'stream-delete', p_me, p_address, p_stream::text);
	if exists (select from call_members m where m.call_id = p_call and m.user_id = p_stream
			and m.state in ('joined', 'reconnecting')) then
		v_news := parley_call_part(p_call, p_stream, 'hangup', 'removed');
	end if;
	return parley_ok(204, null, coalesce(v_news.notify, '[]'), coalesce(v_news.media, '[]'));
end
$$;

-- Null: as it is. A program cannot unmute itself, so its maker does it.
create function parley_stream_update(p_me uuid, p_call uuid, p_stream uuid, p_paused boolean, p_muted_audio boolean,
	p_muted_video boolean, p_base text)
returns parley_reply language plpgsql as $$
declare
	v_call calls := parley_call_lock(p_call);
	v_stream call_streams := parley_stream_of(p_call, p_stream);
	v_problem parley_reply := parley_stream_own(p_me, v_call, v_stream);
	v_reply parley_reply;
begin
	if v_problem.status is not null then
		return v_problem;
	elsif not exists (select from call_members m where m.call_id = p_call and m.user_id = p_stream) then
		return parley_call_problem('wrong_state', 'Nothing came by this link yet.', p_call);
	end if;
	v_reply := parley_member_update(p_stream, p_call, p_paused, p_muted_audio, p_muted_video, null, null);
	if v_reply.status <> 200 then
		return parley_call_problem('wrong_state', 'Nothing comes by this link now.', p_call);
	end if;
	v_reply.body := jsonb_build_object('stream', parley_stream_json(v_stream, p_base))::text;
	return v_reply;
end
$$;

-- What the program does ---------------------------------------------------------------------------------------------

-- It has an offer: into the call with it. Columns as of parley_media_open(), call, notify, and whether it was not in the
-- call before.
create function parley_stream_open(p_stream uuid, p_etag text, out status integer, out code text, out detail text, out body text,
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
	select * into v_stream from call_streams s where s.id = p_stream and not s.revoked;
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

-- It has gone, or never got as far as media: out of the call. Row: notify, media.
create function parley_stream_leave(p_stream uuid) returns parley_reply language plpgsql as $$
declare
	v_call calls := parley_call_lock((select s.call_id from call_streams s where s.id = p_stream));
	v_news parley_news;
begin
	if exists (select from call_members m where m.call_id = v_call.id and m.user_id = p_stream
			and m.state in ('joined', 'reconnecting')) then
		v_news := parley_call_part(v_call.id, p_stream, 'hangup');
	end if;
	return parley_ok(204, null, coalesce(v_news.notify, '[]'), coalesce(v_news.media, '[]'));
end
$$;
