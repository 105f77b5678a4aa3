-- Contacts. Called by workers/api_contacts.c.

create function parley_contact_event(p_owner uuid, p_other uuid) returns jsonb language plpgsql stable as $$
begin
	return parley_event(array[p_owner], jsonb_build_object('type', 'contact', 'user_id', p_other, 'contact', (
		select parley_contact_json(c) from contacts c
		where c.owner_id = p_owner and c.other_id = p_other and (c.state <> 'none' or c.blocked))));
end
$$;

create function parley_contact_reply(p_owner uuid, p_other uuid, p_notify jsonb)
returns parley_reply language plpgsql stable as $$
begin
	return parley_ok(200, jsonb_build_object('contact', (
		select parley_contact_json(c) from contacts c
		where c.owner_id = p_owner and c.other_id = p_other)), p_notify);
end
$$;

create function parley_contacts(p_me uuid) returns parley_reply language plpgsql stable as $$
begin
	return parley_ok(200, jsonb_build_object('items', parley_contacts_json(p_me), 'next', null));
end
$$;

-- Asks, or accepts when the other one asked before. Somebody who blocked p_me hears nothing of it.
create function parley_contact_put(p_me uuid, p_other uuid) returns parley_reply language plpgsql as $$
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
	if v_mine.state in ('accepted', 'outgoing') then
		return parley_contact_reply(p_me, p_other, '[]');
	end if;
	if v_mine.owner_id is null and (select count(*) from contacts c where c.owner_id = p_me) >= 500 then
		return parley_problem(403, 'forbidden', 'You have 500 contacts already.');
	end if;
	if v_mine.state = 'incoming' then
		update contacts c set state = 'accepted'
		where c.owner_id = p_me and c.other_id = p_other or c.owner_id = p_other and c.other_id = p_me;
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

-- Null: as it is. p_nickname '' removes it. Unblocking somebody who is nothing else leaves nothing: 204.
create function parley_contact_update(p_me uuid, p_other uuid, p_nickname text, p_favourite boolean, p_blocked boolean)
returns parley_reply language plpgsql as $$
declare
	v_before contacts;
	v_after contacts;
	v_notify jsonb;
begin
	perform parley_lock_users(array[p_me, p_other]);
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
		v_notify := v_notify || parley_event(array[p_other], jsonb_build_object('type', 'presence', 'user_id', p_me,
			'presence', case when v_after.blocked then 'offline' else parley_presence(p_me) end));
	end if;
	if v_after.state = 'none' and not v_after.blocked then
		delete from contacts c where c.owner_id = p_me and c.other_id = p_other;
		return parley_ok(204, null, v_notify);
	end if;
	return parley_contact_reply(p_me, p_other, v_notify);
end
$$;

-- Removes, declines or takes back, on both sides. A block of the other side stays.
create function parley_contact_delete(p_me uuid, p_other uuid) returns parley_reply language plpgsql as $$
declare
	v_notify jsonb;
begin
	perform parley_lock_users(array[p_me, p_other]);
	delete from contacts c where c.owner_id = p_me and c.other_id = p_other;
	if not found then
		return parley_problem(404, 'not_found', 'There is no such contact of yours.');
	end if;
	v_notify := parley_contact_event(p_me, p_other);
	update contacts c set state = 'none', favourite = false
	where c.owner_id = p_other and c.other_id = p_me and c.blocked;
	if not found then
		delete from contacts c where c.owner_id = p_other and c.other_id = p_me;
		if found then
			v_notify := v_notify || parley_contact_event(p_other, p_me);
		end if;
	end if;
	return parley_ok(204, null, v_notify);
end
$$;
