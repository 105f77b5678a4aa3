-- Media: who may open it, and what becomes of a member when it comes and goes. Called by workers/api_media.c,
-- media_link.c and reconciler.c.

-- May this sign-in open media in this call? status 200, or what the problem is (body as in parley_reply).
-- joined_us orders the members of a call, position is the member's number in it.
create function parley_media_open(p_call uuid, p_user uuid, p_sign_in uuid, out status integer, out code text,
	out detail text, out body text, out joined_us bigint, out "position" integer, out paused boolean,
	out muted_audio boolean, out muted_video boolean)
language plpgsql as $$
declare
	v_call calls;
	v_member call_members;
begin
	status := 409;
	select * into v_call from calls c where c.id = p_call for share;
	select * into v_member from call_members m where m.call_id = p_call and m.user_id = p_user and not m.silent;
	if v_member.user_id is null then
		status := 404;
		code := 'not_found';
		detail := 'There is no such call of yours.';
		return;
	elsif v_call.state = 'ended' then
		code := 'wrong_state';
		detail := 'The call is over.';
	elsif v_member.state not in ('joined', 'reconnecting') then
		code := 'not_joined';
		detail := 'Answer the call first.';
	elsif v_member.sign_in <> p_sign_in then
		code := 'answered_elsewhere';
		detail := 'Another of your devices is in this call.';
	else
		status := 200;
		-- Whoever comes back gets the whole time anew to make it work.
		update call_members m set deadline = greatest(m.deadline, clock_timestamp() + v_call.reconnect_grace)
		where m.call_id = p_call and m.user_id = p_user and m.deadline is not null
			and m.deadline < clock_timestamp() + v_call.reconnect_grace;
		joined_us := (extract(epoch from v_member.joined_at) * 1000000)::bigint;
		"position" := v_member.position;
		paused := v_member.paused;
		muted_audio := v_member.muted_audio;
		muted_video := v_member.muted_video;
		return;
	end if;
	body := '"call": ' || parley_call_json(p_call)::text;
end
$$;

-- A transport of this member works (connected), is silent (disconnected) or has ended (closed). p_made_us: when it was
-- made, so that news of one that was replaced change nothing; 0: not known.
create function parley_media_state(p_call uuid, p_user uuid, p_sign_in uuid, p_state text, p_made_us bigint)
returns parley_reply language plpgsql as $$
declare
	v_call calls;
	v_member call_members;
	v_made bigint := p_made_us;
begin
	v_call := parley_call_lock(p_call);
	v_member := parley_call_member(p_call, p_user);
	if v_member.state is null or v_member.state not in ('joined', 'reconnecting') or v_member.sign_in <> p_sign_in then
		-- Too late: this transport should not be there. Where another device is in the call by now, an order for
		-- the member would hit that, too; the reconciler closes the right one.
		if p_state = 'closed' or v_member.state in ('joined', 'reconnecting') then
			return parley_ok(200, null);
		end if;
		return parley_ok(200, null, '[]', parley_media_close_member(p_call, p_user));
	end if;
	if v_made = 0 then
		v_made := v_member.media_made;
	end if;
	if v_made < v_member.media_made then
		return parley_ok(200, null);
	end if;
	if p_state = 'connected' then
		update call_members m set state = 'joined', connected = true, media_made = v_made, deadline = null,
			media_changed_at = clock_timestamp()
		where m.call_id = p_call and m.user_id = p_user;
	-- A newer one that never worked changes nothing for the one that does.
	elsif p_state in ('disconnected', 'closed') and v_member.connected and v_made = v_member.media_made then
		update call_members m set state = 'reconnecting', connected = false, media_made = v_made,
			media_changed_at = clock_timestamp(),
			deadline = case when v_call.state = 'active' then clock_timestamp() + v_call.reconnect_grace end
		where m.call_id = p_call and m.user_id = p_user;
	else
		return parley_ok(200, null);
	end if;
	if v_member.state = (select m.state from call_members m where m.call_id = p_call and m.user_id = p_user) then
		return parley_ok(200, null);
	end if;
	update calls c set version = c.version + 1 where c.id = p_call;
	return parley_ok(200, null, parley_event(parley_call_audience(p_call),
		parley_member_event('member.updated', p_call, p_user)));
end
$$;

-- p_transports: JSON array of {"media", "call", "user", "sign_in", "connected", "made"}, what the mediads have; media is
-- the transport's name, made when it was made. Rows: those that should not exist, because the member is not in the
-- call with that sign-in (any more) or has a newer transport that works.
create function parley_media_reconcile(p_transports jsonb) returns table (media text)
language plpgsql stable as $$
begin
	return query
		with t as (select * from jsonb_to_recordset(p_transports)
			t (media text, "call" uuid, "user" uuid, sign_in uuid, connected boolean, made bigint)),
		newest as (select t."call", t."user", max(t.made) as made from t where t.connected group by 1, 2)
		select t.media
		from t left join newest n on n."call" = t."call" and n."user" = t."user"
		where t.made < n.made
			or not exists (select from call_members m where m.call_id = t."call" and m.user_id = t."user"
				and m.sign_in = t.sign_in and m.state in ('joined', 'reconnecting'));
end
$$;

-- p_transports: JSON array of {"call", "user", "sign_in", "connected", "made"}, the complete list of all mediads.
-- Whose news was lost: members who are waited for and whose transport works are back, members who are said to be
-- connected and have no working transport are waited for from now on. The list is a few seconds old, so what changed
-- lately is left alone.
create function parley_media_present(p_transports jsonb) returns parley_reply language plpgsql as $$
declare
	v_row record;
	v_before text;
	v_after text;
	v_notify jsonb := '[]';
begin
	for v_row in
		with list as (
			select t."call", t."user", t.sign_in, max(t.made) as made
			from jsonb_to_recordset(p_transports)
				t ("call" uuid, "user" uuid, sign_in uuid, connected boolean, made bigint)
			where t.connected
			group by 1, 2, 3)
		select m.call_id, m.user_id, m.connected as was, l."call" is not null as works, l.made
		from call_members m join calls c on c.id = m.call_id
		left join list l on l."call" = m.call_id and l."user" = m.user_id and l.sign_in = m.sign_in
		where m.state in ('joined', 'reconnecting') and m.connected <> (l."call" is not null)
			and coalesce(m.media_changed_at, '-infinity') < now() - interval '10 seconds'
		order by m.call_id limit 500
		for update of c skip locked
	loop
		select m.state into v_before from call_members m
		where m.call_id = v_row.call_id and m.user_id = v_row.user_id
			and m.state in ('joined', 'reconnecting') and m.connected = v_row.was;
		continue when not found;
		update call_members m set
			state = case when v_row.works then 'joined' else 'reconnecting' end,
			connected = v_row.works,
			media_made = greatest(m.media_made, v_row.made),
			media_changed_at = clock_timestamp(),
			deadline = case when v_row.works or c.state <> 'active' then null
				else clock_timestamp() + c.reconnect_grace end
		from calls c
		where c.id = m.call_id and m.call_id = v_row.call_id and m.user_id = v_row.user_id
		returning m.state into v_after;
		continue when v_before = v_after;
		update calls c set version = c.version + 1 where c.id = v_row.call_id;
		v_notify := v_notify || parley_event(parley_call_audience(v_row.call_id),
			parley_member_event('member.updated', v_row.call_id, v_row.user_id));
	end loop;
	return parley_ok(200, null, v_notify);
end
$$;
