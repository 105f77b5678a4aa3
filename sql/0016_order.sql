-- What happened on two workers at one moment is told in one order.
--
-- Events of a call carry its version, and workers/order.h puts them in order. Here contacts and the own account get a
-- number like that ("order" beside an event of notify), taken while the people's locks are held. And presence is no
-- longer told by the transaction that changes it: two that end two calls of one person each still see the other's, and
-- both would tell "busy". The transaction names the people ({"presence": […]}), and the worker that speaks for them
-- asks afterwards.

create sequence order_numbers as bigint maxvalue 4294967295 cycle;

-- Named in the notify of a transaction: how these people are seen may have changed.
create or replace function parley_presence_news(p_users uuid[]) returns jsonb language plpgsql stable as $$
begin
	return case when coalesce(cardinality(p_users), 0) = 0 then '[]'
		else jsonb_build_array(jsonb_build_object('presence', to_jsonb(p_users))) end;
end
$$;

-- How these people are seen now, for their contacts. Called by the statement presence_notify.
create function parley_presence_tell(p_users uuid[]) returns jsonb language plpgsql stable as $$
begin
	return (select coalesce(jsonb_agg(jsonb_build_object('to', t.others, 'event', jsonb_build_object(
			'type', 'presence', 'user_id', t.owner_id,
			'presence', case when t.hidden then 'offline' else parley_presence(t.owner_id) end))), '[]')
		from (select c.owner_id, v.hidden, jsonb_agg(c.other_id) as others
			from contacts c, lateral (select c.blocked or exists (select from contacts o
				where o.owner_id = c.other_id and o.other_id = c.owner_id and o.blocked) as hidden) v
			where c.owner_id = any (p_users) and c.state = 'accepted'
			group by 1, 2) t);
end
$$;

-- An event of which only the newest counts. Its person's lock is held.
create function parley_ordered(p_event jsonb) returns jsonb language plpgsql as $$
begin
	return (select coalesce(jsonb_agg(e || jsonb_build_object('order', nextval('order_numbers'))), '[]')
		from jsonb_array_elements(p_event) e);
end
$$;

-- The locks of both are held. An accepted one is followed by how the other one is, should that be changing just now.
create or replace function parley_contact_event(p_owner uuid, p_other uuid) returns jsonb language plpgsql as $$
declare
	v_contact jsonb := (select parley_contact_json(c) from contacts c
		where c.owner_id = p_owner and c.other_id = p_other and (c.state <> 'none' or c.blocked));
begin
	return parley_ordered(parley_event(array[p_owner], jsonb_build_object('type', 'contact', 'user_id', p_other,
			'contact', v_contact)))
		|| case when v_contact ->> 'state' = 'accepted' then parley_presence_news(array[p_other]) else '[]' end;
end
$$;

-- To this person's pages, except those of the sign-in that caused it. The row in users is locked.
create or replace function parley_me_event(p_user uuid, p_not uuid) returns jsonb language plpgsql as $$
begin
	return parley_ordered(parley_event(array[p_user], jsonb_build_object('type', 'me', 'me', parley_me_json(p_user)),
		p_not => p_not));
end
$$;

-- Everybody who has this person in the list hears of the new name or picture. The person's lock is held.
create or replace function parley_user_news(p_user uuid) returns jsonb language plpgsql as $$
begin
	return (select coalesce(jsonb_agg(jsonb_build_object('to', jsonb_build_array(c.owner_id),
			'order', nextval('order_numbers'), 'event', jsonb_build_object('type', 'contact', 'user_id', p_user,
				'contact', parley_contact_json(c)))), '[]')
		from contacts c where c.other_id = p_user and (c.state <> 'none' or c.blocked))
		|| parley_presence_news(array[p_user]);
end
$$;

-- As before, with the lock.
create or replace function parley_me_update(p_user uuid, p_session uuid, p_display_name text, p_status text)
returns parley_reply language plpgsql as $$
declare
	v_before users;
	v_notify jsonb := '[]';
begin
	perform parley_lock_users(array[p_user]);
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

create or replace function parley_avatar_set(p_user uuid, p_session uuid, p_name text, p_data bytea)
returns parley_reply language plpgsql as $$
begin
	perform parley_lock_users(array[p_user]);
	insert into avatars (user_id, name, data) values (p_user, p_name, p_data)
	on conflict (user_id) do update set name = excluded.name, data = excluded.data, created_at = now();
	update users u set avatar_url = '/api/v1/avatars/' || p_name where u.id = p_user;
	return parley_ok(200, jsonb_build_object('user', parley_me_json(p_user)),
		parley_user_news(p_user) || parley_me_event(p_user, p_session));
end
$$;

create or replace function parley_avatar_delete(p_user uuid, p_session uuid)
returns parley_reply language plpgsql as $$
begin
	perform parley_lock_users(array[p_user]);
	delete from avatars a where a.user_id = p_user;
	if not found then
		return parley_ok(204, null);
	end if;
	update users u set avatar_url = null where u.id = p_user;
	return parley_ok(204, null, parley_user_news(p_user) || parley_me_event(p_user, p_session));
end
$$;

-- As before; who is blocked, and who blocks, hears of the other's presence from presence_notify.
create or replace function parley_contact_update(p_me uuid, p_other uuid, p_nickname text, p_favourite boolean,
	p_blocked boolean)
returns parley_reply language plpgsql as $$
declare
	v_before contacts;
	v_after contacts;
	v_notify jsonb;
begin
	perform parley_lock_users(array[p_me, p_other]);
	if p_blocked and p_me <> p_other and exists (select from users u where u.id = p_other and u.deleted_at is null)
		and (select count(*) from contacts c where c.owner_id = p_me) < 5000
	then
		insert into contacts (owner_id, other_id, state) values (p_me, p_other, 'none') on conflict do nothing;
	end if;
	select * into v_before from contacts c where c.owner_id = p_me and c.other_id = p_other;
	if not found then
		return parley_problem(404, 'not_found', 'There is no such contact of yours.');
	end if;
	update contacts c set
		nickname = case when p_nickname is null then c.nickname else nullif(p_nickname, '') end,
		favourite = coalesce(p_favourite, c.favourite),
		blocked = coalesce(p_blocked, c.blocked)
	where c.owner_id = p_me and c.other_id = p_other
	returning * into v_after;
	v_notify := parley_contact_event(p_me, p_other);
	if v_after.blocked <> v_before.blocked and v_after.state = 'accepted' then
		v_notify := v_notify || parley_presence_news(array[p_me, p_other]);
	end if;
	if v_after.state = 'none' and not v_after.blocked then
		delete from contacts c where c.owner_id = p_me and c.other_id = p_other;
		return parley_ok(204, null, v_notify);
	end if;
	return parley_contact_reply(p_me, p_other, v_notify);
end
$$;

-- The call as it is now, to a member whose page has missed something of it (workers/events.c).
create function parley_call_tell(p_user uuid, p_call uuid) returns jsonb language plpgsql stable as $$
declare
	v_call jsonb;
begin
	if not exists (select from call_members m where m.call_id = p_call and m.user_id = p_user and not m.silent) then
		return '[]';
	end if;
	v_call := parley_call_json(p_call);
	return parley_event(array[p_user], parley_call_event(
		case v_call ->> 'state' when 'ended' then 'call.ended' else 'call.updated' end, v_call));
end
$$;

-- Asks, or accepts when the other one asked before: also when that was while p_me had blocked the other and heard
-- nothing of it. A request that was lost in a block reaches the other one when it is repeated.
create or replace function parley_contact_put(p_me uuid, p_other uuid) returns parley_reply language plpgsql as $$
declare
	v_mine contacts;
	v_theirs contacts;
	v_notify jsonb := '[]';
begin
	if p_me = p_other then
		return parley_problem(403, 'forbidden', 'Nobody is their own contact.');
	end if;
	if not exists (select from users u where u.id = p_other and u.disabled_at is null) then
		return parley_problem(404, 'not_found', 'There is no such person.');
	end if;
	perform parley_lock_users(array[p_me, p_other]);
	select * into v_mine from contacts c where c.owner_id = p_me and c.other_id = p_other;
	select * into v_theirs from contacts c where c.owner_id = p_other and c.other_id = p_me;
	if v_mine.blocked then
		return parley_problem(403, 'forbidden', 'You have blocked this person.');
	end if;
	if v_mine.state = 'accepted' or v_mine.state = 'outgoing' and v_theirs.owner_id is not null then
		return parley_contact_reply(p_me, p_other, '[]');
	end if;
	if v_mine.owner_id is null and (select count(*) from contacts c where c.owner_id = p_me) >= 500 then
		return parley_problem(403, 'forbidden', 'You have 500 contacts already.');
	end if;
	if v_mine.state = 'incoming' or v_theirs.state = 'outgoing' then
		insert into contacts (owner_id, other_id, state)
		values (p_me, p_other, 'accepted'), (p_other, p_me, 'accepted')
		on conflict (owner_id, other_id) do update set state = 'accepted';
	else
		insert into contacts (owner_id, other_id, state) values (p_me, p_other, 'outgoing')
		on conflict (owner_id, other_id) do update set state = 'outgoing';
		insert into contacts (owner_id, other_id, state) values (p_other, p_me, 'incoming')
		on conflict (owner_id, other_id) do nothing;
	end if;
	v_notify := parley_contact_event(p_me, p_other);
	if v_theirs.blocked is not true then
		v_notify := v_notify || parley_contact_event(p_other, p_me);
	end if;
	return parley_contact_reply(p_me, p_other, v_notify);
end
$$;
