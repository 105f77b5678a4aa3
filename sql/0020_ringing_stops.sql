-- Who blocks somebody whose call rings just then hears no more of it.
--
-- The call becomes one that rings for the others only (call_members.silent), as it would have been from its beginning:
-- for the caller it rings on until its time is over, and nobody answers. So neither its state nor its version changes,
-- or the caller could tell. Only the blocker's own pages are told that it is over.

-- The calls that p_other started and that ring for p_me. The locks of both people are held.
create function parley_ringing_stop(p_me uuid, p_other uuid) returns jsonb language plpgsql as $$
declare
	v_call uuid;
	v_json jsonb;
	v_notify jsonb := '[]';
begin
	perform from calls c where c.started_by = p_other and c.state <> 'ended' and c.id in (select m.call_id
		from call_members m where m.user_id = p_me and m.state = 'ringing') order by c.id for update;
	for v_call in
		update call_members m set silent = true
		from calls c
		where c.id = m.call_id and c.started_by = p_other and m.user_id = p_me and m.state = 'ringing' and not m.silent
		returning m.call_id
	loop
		v_json := parley_call_json(v_call);
		v_json := v_json || jsonb_build_object('state', 'ended', 'end_reason', 'cancelled',
			'ended_at', parley_time(clock_timestamp()), 'members', (
				select jsonb_agg(case when (e ->> 'state') = 'ringing' and e #>> '{user,id}' = p_me::text
					then e || '{"state": "missed"}' else e end order by n)
				from jsonb_array_elements(v_json -> 'members') with ordinality as t (e, n)));
		v_notify := v_notify || parley_event(array[p_me], parley_call_event('call.cancelled', v_json));
	end loop;
	return v_notify;
end
$$;

-- As before; what rings from who is blocked stops.
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
	-- First, so that a page knows why it stops.
	v_notify := parley_contact_event(p_me, p_other);
	if v_after.blocked and not v_before.blocked then
		v_notify := v_notify || parley_ringing_stop(p_me, p_other);
	end if;
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
