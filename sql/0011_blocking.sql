-- Anybody can be blocked, also who is no contact.

-- Null: as it is. p_nickname '' removes it. Unblocking somebody who is nothing else leaves nothing: 204.
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
