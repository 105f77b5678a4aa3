-- Words outside a call: a reply of somebody for whom it rings, a message for those who did not answer.
--
-- Who may write: whoever is in the call; for whom it rings; and, for a day after a call that nobody answered, who
-- started it. Who is not in the call leaves ten messages there at most, then has to call again.
-- Who may read: who is in the call all of it; who has left what was written until then; everybody their own; and
-- those named in readers. That is fixed at the moment of writing, and only before the first answer and after the
-- end: what is said in a conversation is for those who come into it. Who has blocked the writer is not among them,
-- and the writer cannot tell.

alter table messages add column readers uuid[]; -- null: said in the conversation
create index messages_words on messages (call_id, seq) where readers is not null;
alter table call_members add column read_seq integer not null default 0; -- up to here, words left for them were read
alter table calls add column messages_gone integer not null default 0; -- the last seq that is not kept any more

-- As before, with the number of messages that are still kept.
create or replace function parley_call_json(p_call uuid) returns jsonb language plpgsql stable as $$
begin
	return (select jsonb_build_object(
			'id', c.id,
			'version', c.version,
			'state', c.state,
			'video', c.video,
			'locked', c.locked,
			'started_by', c.started_by,
			'created_at', parley_time(c.created_at),
			'answered_at', parley_time(c.answered_at),
			'ended_at', parley_time(c.ended_at),
			'end_reason', c.end_reason,
			'messages', c.messages - c.messages_gone,
			'members', (select jsonb_agg(parley_member_json(m) order by m.position)
				from call_members m where m.call_id = c.id))
		from calls c where c.id = p_call);
end
$$;

create function parley_blocks(p_owner uuid, p_other uuid) returns boolean language sql stable as $$
	select exists (select from contacts c where c.owner_id = p_owner and c.other_id = p_other and c.blocked)
$$;

-- Whom p_me's words are for, outside a conversation. After the call only accepted contacts: one may have been removed.
create function parley_words_readers(p_me uuid, p_call calls) returns uuid[] language plpgsql stable as $$
begin
	return array(select m.user_id from call_members m
		where m.call_id = p_call.id and m.user_id <> p_me and not m.silent and not parley_blocks(m.user_id, p_me)
			and (p_call.state <> 'ended' or exists (select from contacts c where c.owner_id = p_me
				and c.other_id = m.user_id and c.state = 'accepted' and not c.blocked))
		order by m.position);
end
$$;

-- What keeps p_member, who is not in the call, from writing there; or null. The row is locked.
create function parley_words_problem(p_call calls, p_member call_members)
returns parley_reply language plpgsql stable as $$
begin
	if p_call.state <> 'ended' then
		if p_member.state <> 'ringing' then
			return parley_call_problem('wrong_state', 'You are not in this call.', p_call.id);
		end if;
	elsif p_call.answered_at is not null or p_call.started_by <> p_member.user_id then
		return parley_call_problem('wrong_state', 'The call is over.', p_call.id);
	elsif p_call.ended_at < now() - interval '1 day' then
		return parley_call_problem('wrong_state', 'The call was too long ago; call again.', p_call.id);
	-- By the own list alone: who was blocked, or is not heard for another reason, cannot tell.
	elsif not exists (select from contacts c join call_members m on m.user_id = c.other_id
			where m.call_id = p_call.id and c.owner_id = p_member.user_id and c.state = 'accepted' and not c.blocked) then
		return parley_problem(403, 'not_a_contact', 'Messages can be left for accepted contacts only.');
	end if;
	if (select count(*) from messages m where m.call_id = p_call.id and m.user_id = p_member.user_id
			and m.created_at > coalesce(p_member.left_at, '-infinity')) >= 10 then
		return parley_problem(403, 'forbidden', 'You have left ten messages; call again.');
	end if;
	return null;
end
$$;

-- 201, also for a repetition, whatever has become of the call since.
create or replace function parley_message_post(p_me uuid, p_call uuid, p_id uuid, p_text text)
returns parley_reply language plpgsql as $$
declare
	v_call calls;
	v_member call_members;
	v_message messages;
	v_problem parley_reply;
	v_readers uuid[];
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
		v_problem := parley_words_problem(v_call, v_member);
		if v_problem.status is not null then
			return v_problem;
		end if;
	end if;
	if v_call.answered_at is null then
		v_readers := parley_words_readers(p_me, v_call);
	end if;
	insert into messages (id, call_id, seq, user_id, text, created_at, readers)
	values (p_id, p_call, v_call.messages + 1, p_me, p_text, clock_timestamp(), v_readers)
	on conflict (id) do nothing
	returning * into v_message;
	if not found then
		return parley_problem(422, 'invalid_field', 'This id is taken; make a random one.', 'id');
	end if;
	update calls c set messages = v_message.seq where c.id = p_call;
	return parley_ok(201, jsonb_build_object('message', parley_message_json(v_message)),
		parley_event(array_remove(coalesce(v_readers, parley_call_present(p_call)), p_me) || p_me,
			jsonb_build_object('type', 'message', 'call_id', p_call, 'message', parley_message_json(v_message))));
end
$$;

-- May p_me, who reads what was said until p_until, read it? What came from outside, also within that time, only from
-- whom they have not blocked.
create function parley_message_visible(p_message messages, p_me uuid, p_until timestamptz)
returns boolean language sql stable as $$
	select p_message.user_id = p_me or p_me = any (p_message.readers)
		or p_message.created_at <= p_until and (p_message.readers is null or not parley_blocks(p_me, p_message.user_id))
$$;

create function parley_messages_until(p_member call_members) returns timestamptz language sql immutable as $$
	select case when p_member.joined_at is null then '-infinity'
		when p_member.state in ('joined', 'reconnecting') then 'infinity'
		else coalesce(p_member.left_at, '-infinity') end
$$;

-- Oldest first, 200 at a time.
create or replace function parley_messages(p_me uuid, p_call uuid, p_after integer)
returns parley_reply language plpgsql stable as $$
declare
	v_member call_members := parley_call_member(p_call, p_me);
	v_until timestamptz := parley_messages_until(v_member);
	v_items jsonb;
	v_last integer;
	v_more boolean;
begin
	if v_member.user_id is null then
		return parley_call_not_found();
	end if;
	select coalesce(jsonb_agg(parley_message_json(t.m) order by (t.m).seq), '[]'), max((t.m).seq)
	into v_items, v_last
	from (select m from messages m
		where m.call_id = p_call and m.seq > p_after and parley_message_visible(m, p_me, v_until)
		order by m.seq limit 200) t;
	v_more := exists (select from messages m
		where m.call_id = p_call and m.seq > v_last and parley_message_visible(m, p_me, v_until));
	return parley_ok(200, jsonb_build_object('items', v_items, 'next', case when v_more then v_last::text end));
end
$$;

-- Up to p_seq the words left in this call were read; the own pages hear of it. 204, also for a repetition.
create function parley_messages_read(p_me uuid, p_call uuid, p_seq integer) returns parley_reply language plpgsql as $$
declare
	v_seq integer := least(p_seq, (select c.messages from calls c where c.id = p_call));
	v_notify jsonb := '[]';
begin
	if (parley_call_member(p_call, p_me)).user_id is null then
		return parley_call_not_found();
	end if;
	update call_members m set read_seq = v_seq where m.call_id = p_call and m.user_id = p_me and m.read_seq < v_seq;
	if found then
		v_notify := parley_event(array[p_me],
			jsonb_build_object('type', 'messages.read', 'call_id', p_call, 'seq', v_seq));
	end if;
	return parley_ok(204, null, v_notify);
end
$$;

-- The call as it stands in p_me's history: with how many messages were left unread, and, for who never came into it,
-- how many there are to be read.
create function parley_call_json_for(p_me uuid, p_call uuid) returns jsonb language plpgsql stable as $$
declare
	v_member call_members := parley_call_member(p_call, p_me);
	v_json jsonb := parley_call_json(p_call);
begin
	if (v_json ->> 'messages')::integer > 0 and v_member.joined_at is null then
		return v_json || (select jsonb_build_object('messages', count(*),
				'unread', count(*) filter (where p_me = any (m.readers) and m.seq > v_member.read_seq))
			from messages m where m.call_id = p_call and (p_me = any (m.readers) or m.user_id = p_me));
	end if;
	return v_json || '{"unread": 0}';
end
$$;

create or replace function parley_call_get(p_me uuid, p_call uuid) returns parley_reply language plpgsql stable as $$
begin
	if (parley_call_member(p_call, p_me)).user_id is null then
		return parley_call_not_found();
	end if;
	return parley_ok(200, jsonb_build_object('call', parley_call_json_for(p_me, p_call)));
end
$$;

-- The history, 50 at a time; p_before is the id of the last call of the page before.
create or replace function parley_calls(p_me uuid, p_before uuid) returns parley_reply language plpgsql stable as $$
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
		'items', (select coalesce(jsonb_agg(parley_call_json_for(p_me, i.id) order by i.n), '[]')
			from unnest(v_ids) with ordinality i (id, n) where i.n <= 50),
		'next', case when cardinality(v_ids) > 50 then v_ids[50] end));
end
$$;
