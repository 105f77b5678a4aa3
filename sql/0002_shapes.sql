-- Shapes: how rows become the JSON of the API, and what functions answer.

-- What every API function returns, one row. The worker sends body with status; with a status of 400 or more it sends
-- a problem of code, field and detail, and body is one more member of it ('"call": {…}').
-- notify: JSON array of {"to": [user ids], "event": {…}} and perhaps "not" or "only": a sign-in (workers/events.h).
-- media: JSON array of {"do": "close_call" | "close_member" | "state", "call", "member", …} (workers/answer.h).
create type parley_reply as (
	status integer, code text, field text, detail text, body text, notify text, media text
);

-- What has to be told after a change.
create type parley_news as (notify jsonb, media jsonb);

create function parley_ok(p_status integer, p_body jsonb, p_notify jsonb default '[]', p_media jsonb default '[]')
returns parley_reply language sql immutable as $$
	select p_status, null::text, null::text, null::text, p_body::text, nullif(p_notify, '[]')::text,
		nullif(p_media, '[]')::text
$$;

create function parley_problem(p_status integer, p_code text, p_detail text, p_field text default null,
	p_call jsonb default null)
returns parley_reply language sql immutable as $$
	select p_status, p_code, p_field, p_detail, '"call": ' || p_call::text, null::text, null::text
$$;

create function parley_time(p_at timestamptz) returns text language sql stable as $$
	select to_char(p_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

create function parley_user_json(u users) returns jsonb language sql immutable as $$
	select jsonb_build_object('id', u.id, 'username', u.username, 'display_name', u.display_name,
		'avatar_url', u.avatar_url)
$$;

create function parley_user_json(p_user uuid) returns jsonb language plpgsql stable as $$
begin
	return (select parley_user_json(u) from users u where u.id = p_user);
end
$$;

-- The worker replaces this by online, away or offline; '!' says that the person is in a call (busy).
create function parley_presence(p_user uuid) returns text language plpgsql stable as $$
begin
	return case when exists (
		select from call_members m join calls c on c.id = m.call_id
		where m.user_id = p_user and m.state in ('joined', 'reconnecting') and c.state = 'active'
	) then '!' else '@' end || p_user;
end
$$;

create function parley_contact_json(p contacts) returns jsonb language plpgsql stable as $$
declare
	v_seen boolean := p.state = 'accepted' and not p.blocked and not exists (
		select from contacts o where o.owner_id = p.other_id and o.other_id = p.owner_id and o.blocked);
begin
	return jsonb_build_object(
		'user', parley_user_json(p.other_id),
		'state', case when p.blocked then 'blocked' else p.state end,
		'presence', case when v_seen then parley_presence(p.other_id) else 'offline' end,
		'favourite', p.favourite,
		'nickname', p.nickname);
end
$$;

create function parley_contacts_json(p_owner uuid) returns jsonb language plpgsql stable as $$
begin
	return (select coalesce(jsonb_agg(parley_contact_json(c) order by lower(u.display_name), u.id), '[]')
		from contacts c join users u on u.id = c.other_id
		where c.owner_id = p_owner);
end
$$;

create function parley_member_json(m call_members) returns jsonb language plpgsql stable as $$
begin
	return jsonb_build_object(
		'user', parley_user_json(m.user_id),
		'state', case when m.state = 'joined' and m.paused then 'paused' else m.state end,
		'muted', jsonb_build_object('audio', m.muted_audio, 'video', m.muted_video),
		'sharing', m.sharing,
		'hand', m.hand);
end
$$;

create function parley_call_json(p_call uuid) returns jsonb language plpgsql stable as $$
begin
	return (select jsonb_build_object(
			'id', c.id,
			'version', c.version,
			'state', c.state,
			'video', c.video,
			'locked', c.locked,
			'started_by', c.started_by,
			'created_at', parley_time(c.created_at),
			'ended_at', parley_time(c.ended_at),
			'end_reason', c.end_reason,
			'members', (select jsonb_agg(parley_member_json(m) order by m.position)
				from call_members m where m.call_id = c.id))
		from calls c where c.id = p_call);
end
$$;

-- Events, ready to be appended to a notify array.

create function parley_event(p_to uuid[], p_event jsonb, p_not uuid default null, p_only uuid default null)
returns jsonb language sql immutable as $$
	select case when coalesce(cardinality(p_to), 0) = 0 then '[]'::jsonb
		else jsonb_build_array(jsonb_strip_nulls(jsonb_build_object('not', p_not, 'only', p_only))
			|| jsonb_build_object('to', p_to, 'event', p_event)) end
$$;

create function parley_call_event(p_type text, p_call jsonb) returns jsonb language sql immutable as $$
	select jsonb_build_object('type', p_type, 'call_id', p_call -> 'id', 'version', p_call -> 'version', 'call', p_call)
$$;

create function parley_member_event(p_type text, p_call uuid, p_user uuid) returns jsonb language plpgsql stable as $$
begin
	return (select jsonb_build_object('type', p_type, 'call_id', c.id, 'version', c.version,
			'member', parley_member_json(m))
		from calls c join call_members m on m.call_id = c.id
		where c.id = p_call and m.user_id = p_user);
end
$$;

-- These people's contacts hear how they are now. Called by the statement presence_notify, when a person comes or
-- goes, and wherever a call begins or ends for somebody.
create function parley_presence_news(p_users uuid[]) returns jsonb language plpgsql stable as $$
begin
	return (select coalesce(jsonb_agg(jsonb_build_object('to', t.others, 'event', jsonb_build_object(
			'type', 'presence', 'user_id', t.owner_id, 'presence', parley_presence(t.owner_id)))), '[]')
		from (select c.owner_id, jsonb_agg(c.other_id) as others
			from contacts c
			where c.owner_id = any (p_users) and c.state = 'accepted' and not c.blocked
				and not exists (select from contacts o
					where o.owner_id = c.other_id and o.other_id = c.owner_id and o.blocked)
			group by c.owner_id) t);
end
$$;

-- Takes these people's locks, always in the same order, until the transaction ends: what is decided about several
-- people at once (who is busy, who asked whom first) is decided by one transaction at a time.
create function parley_lock_users(p_users uuid[]) returns void language plpgsql as $$
declare
	v_key bigint;
begin
	for v_key in select distinct hashtextextended(u::text, 1) as k from unnest(p_users) u order by k loop
		perform pg_advisory_xact_lock(v_key);
	end loop;
end
$$;
