-- Chat in a call. Called by workers/api_messages.c and workers/api_events.c.

create table messages (
	id uuid primary key, -- the client's
	call_id uuid not null references calls on delete cascade,
	seq integer not null, -- 1, 2, … without gaps, in the order of the calls' locks
	user_id uuid not null references users on delete cascade,
	text text not null check (char_length(text) between 1 and 4000),
	created_at timestamptz not null,
	unique (call_id, seq)
);
create index messages_user on messages (user_id);
create index messages_age on messages (created_at);

create function parley_message_json(m messages) returns jsonb language sql stable as $$
	select jsonb_build_object('id', m.id, 'call_id', m.call_id, 'seq', m.seq, 'user_id', m.user_id, 'text', m.text,
		'created_at', parley_time(m.created_at))
$$;

-- Who is in the call now.
create function parley_call_present(p_call uuid) returns uuid[] language plpgsql stable as $$
begin
	return (select array_agg(m.user_id order by m.position) from call_members m
		where m.call_id = p_call and m.state in ('joined', 'reconnecting'));
end
$$;

-- 201, also for a repetition, whatever has become of the call since.
create function parley_message_post(p_me uuid, p_call uuid, p_id uuid, p_text text)
returns parley_reply language plpgsql as $$
declare
	v_call calls;
	v_member call_members;
	v_message messages;
begin
	v_call := parley_call_lock(p_call);
	v_member := parley_call_member(p_call, p_me);
	if v_member.user_id is null then
		return parley_call_not_found();
	end if;
	select * into v_message from messages m where m.id = p_id;
	if found then
		if v_message.call_id = p_call and v_message.user_id = p_me then
			return parley_ok(201, jsonb_build_object('message', parley_message_json(v_message)));
		end if;
		return parley_problem(422, 'invalid_field', 'This id is taken; make a random one.', 'id');
	elsif v_call.state = 'ended' or v_member.state not in ('joined', 'reconnecting') then
		return parley_call_problem('wrong_state', 'You are not in this call.', p_call);
	end if;
	insert into messages (id, call_id, seq, user_id, text, created_at)
	values (p_id, p_call, v_call.messages + 1, p_me, p_text, clock_timestamp())
	on conflict (id) do nothing
	returning * into v_message;
	if not found then
		return parley_problem(422, 'invalid_field', 'This id is taken; make a random one.', 'id');
	end if;
	update calls c set messages = v_message.seq where c.id = p_call;
	return parley_ok(201, jsonb_build_object('message', parley_message_json(v_message)),
		parley_event(parley_call_present(p_call), jsonb_build_object('type', 'message', 'call_id', p_call,
			'message', parley_message_json(v_message))));
end
$$;

-- Oldest first, 200 at a time. Who is in the call reads all of it, who has left what was written until then.
create function parley_messages(p_me uuid, p_call uuid, p_after integer) returns parley_reply language plpgsql stable as $$
declare
	v_member call_members;
	v_until timestamptz;
	v_items jsonb;
	v_last integer;
	v_more boolean;
begin
	v_member := parley_call_member(p_call, p_me);
	if v_member.user_id is null then
		return parley_call_not_found();
	elsif v_member.joined_at is null then
		return parley_problem(403, 'forbidden', 'You were not in this call.');
	end if;
	v_until := case when v_member.state in ('joined', 'reconnecting') then 'infinity'
		else coalesce(v_member.left_at, '-infinity') end;
	select coalesce(jsonb_agg(parley_message_json(t.m) order by (t.m).seq), '[]'), max((t.m).seq)
	into v_items, v_last
	from (select m from messages m
		where m.call_id = p_call and m.seq > p_after and m.created_at <= v_until
		order by m.seq limit 200) t;
	v_more := exists (select from messages m
		where m.call_id = p_call and m.seq > v_last and m.created_at <= v_until);
	return parley_ok(200, jsonb_build_object('items', v_items, 'next', case when v_more then v_last::text end));
end
$$;

-- Something that passes and is kept nowhere: typing (p_emoji null) goes to the others, a reaction to everybody.
create function parley_call_signal(p_me uuid, p_call uuid, p_type text, p_emoji text)
returns parley_reply language plpgsql stable as $$
declare
	v_present uuid[] := parley_call_present(p_call);
begin
	if v_present is null or p_me <> all (v_present) then
		return parley_ok(204, null);
	end if;
	return parley_ok(204, null, parley_event(
		case p_type when 'typing' then array_remove(v_present, p_me) else v_present end,
		jsonb_strip_nulls(jsonb_build_object('type', p_type, 'call_id', p_call, 'user_id', p_me, 'emoji', p_emoji))));
end
$$;
