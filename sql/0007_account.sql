-- Status, and what only the person sees of the own account; times and numbers that calls and contacts show.

alter table users add column status text not null default 'available'
	check (status in ('available', 'away', 'do_not_disturb'));
alter table calls add column messages integer not null default 0; -- how many were written: the last seq
alter table contacts add column last_call_at timestamptz; -- when one of the two last called the other

update contacts t set last_call_at = l.at
from (select c.owner_id, c.other_id, max(m.call_created_at) as at
	from contacts c
	join call_members m on m.user_id = c.owner_id
	join call_members o on o.call_id = m.call_id and o.user_id = c.other_id
	join calls k on k.id = m.call_id and k.started_by in (c.owner_id, c.other_id)
	where not m.silent and not o.silent
	group by 1, 2) l
where t.owner_id = l.owner_id and t.other_id = l.other_id;

-- A user, with what only they see of themselves.
create function parley_me_json(p_user uuid) returns jsonb language plpgsql stable as $$
begin
	return (select parley_user_json(u) || jsonb_build_object('status', u.status) from users u where u.id = p_user);
end
$$;

-- To this person's pages, except those of the sign-in that caused it.
create function parley_me_event(p_user uuid, p_not uuid) returns jsonb language plpgsql stable as $$
begin
	return parley_event(array[p_user], jsonb_build_object('type', 'me', 'me', parley_me_json(p_user)), p_not => p_not);
end
$$;

-- Everybody who has this person in the list hears of the new name or picture.
create function parley_user_news(p_user uuid) returns jsonb language plpgsql stable as $$
begin
	return (select coalesce(jsonb_agg(jsonb_build_object('to', jsonb_build_array(c.owner_id), 'event',
			jsonb_build_object('type', 'contact', 'user_id', p_user, 'contact', parley_contact_json(c)))), '[]')
		from contacts c where c.other_id = p_user and (c.state <> 'none' or c.blocked));
end
$$;

create or replace function parley_me(p_user uuid) returns parley_reply language plpgsql stable as $$
begin
	return parley_ok(200, jsonb_build_object('user', parley_me_json(p_user)));
end
$$;

drop function parley_me_update(uuid, text);

-- Null: as it is.
create function parley_me_update(p_user uuid, p_session uuid, p_display_name text, p_status text)
returns parley_reply language plpgsql as $$
declare
	v_before users;
	v_notify jsonb := '[]';
begin
	select * into v_before from users u where u.id = p_user for update;
	update users u set display_name = coalesce(p_display_name, u.display_name), status = coalesce(p_status, u.status)
	where u.id = p_user;
	if p_display_name <> v_before.display_name then
		v_notify := parley_user_news(p_user);
	end if;
	if p_status <> v_before.status then
		v_notify := v_notify || parley_presence_news(array[p_user]);
	end if;
	if p_display_name <> v_before.display_name or p_status <> v_before.status then
		v_notify := v_notify || parley_me_event(p_user, p_session);
	end if;
	return parley_ok(200, jsonb_build_object('user', parley_me_json(p_user)), v_notify);
end
$$;

-- The worker replaces this by online, away, busy or offline (workers/events.h): '!' in a call, '#' busy while
-- connected, '~' away while connected, '@' as connected.
create or replace function parley_presence(p_user uuid) returns text language plpgsql stable as $$
begin
	return case
		when exists (select from call_members m join calls c on c.id = m.call_id
			where m.user_id = p_user and m.state in ('joined', 'reconnecting') and c.state = 'active') then '!'
		else (select case u.status when 'do_not_disturb' then '#' when 'away' then '~' else '@' end
			from users u where u.id = p_user)
		end || p_user;
end
$$;

create or replace function parley_contact_json(p contacts) returns jsonb language plpgsql stable as $$
declare
	v_seen boolean := p.state = 'accepted' and not p.blocked and not exists (
		select from contacts o where o.owner_id = p.other_id and o.other_id = p.owner_id and o.blocked);
begin
	return jsonb_build_object(
		'user', parley_user_json(p.other_id),
		'state', case when p.blocked then 'blocked' else p.state end,
		'presence', case when v_seen then parley_presence(p.other_id) else 'offline' end,
		'favourite', p.favourite,
		'nickname', p.nickname,
		'last_call_at', parley_time(p.last_call_at));
end
$$;

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
			'messages', c.messages,
			'members', (select jsonb_agg(parley_member_json(m) order by m.position)
				from call_members m where m.call_id = c.id))
		from calls c where c.id = p_call);
end
$$;

create or replace function parley_hello(p_me uuid) returns jsonb language plpgsql stable as $$
begin
	return jsonb_build_object(
		'type', 'hello',
		'me', parley_me_json(p_me),
		'contacts', parley_contacts_json(p_me),
		'calls', (select coalesce(jsonb_agg(parley_call_json(m.call_id) order by m.call_created_at), '[]')
			from call_members m
			where m.user_id = p_me and m.state in ('ringing', 'joined', 'reconnecting') and not m.silent));
end
$$;
