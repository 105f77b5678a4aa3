-- Administration over the admin listener (workers/admin_api.c), and the log of sign-ins and of what administrators do.

create table audit (
	id bigint generated always as identity primary key,
	at timestamptz not null default now(),
	actor text not null, -- a user's id, or "admin"
	action text not null,
	user_id uuid, -- whom it concerned; no reference: it outlives the account
	address text,
	detail text
);
create index audit_at on audit (at);
create index audit_user on audit (user_id, at desc);

create function parley_audit(p_actor text, p_action text, p_user uuid, p_address text, p_detail text)
returns void language sql as $$
	insert into audit (actor, action, user_id, address, detail) values (p_actor, p_action, p_user, p_address, p_detail)
$$;

drop function parley_session_create(uuid, text, uuid, bytea, text);

-- After the password was found right. p_password is the hash that it was compared with: when the password was changed
-- in between, the old one opens nothing. The body is without the token, which the worker adds.
create function parley_session_create(p_user uuid, p_password text, p_id uuid, p_token_hash bytea, p_user_agent text,
	p_address text default null)
returns parley_reply language plpgsql as $$
declare
	v_user users;
	v_expires timestamptz := now() + interval '30 days';
begin
	select * into v_user from users u
	where u.id = p_user and u.password = p_password and u.disabled_at is null for share;
	if not found then
		return parley_problem(401, 'bad_credentials', 'User name and password do not belong together.');
	end if;
	insert into sessions (id, user_id, token_hash, expires_at, user_agent)
	values (p_id, p_user, p_token_hash, v_expires, p_user_agent);
	-- A person's list stays readable: the oldest go.
	delete from sessions s using (
		select id from sessions where user_id = p_user order by created_at desc offset 200) old
	where s.id = old.id;
	perform parley_audit(p_user::text, 'sign-in', p_user, p_address, p_user_agent);
	return parley_ok(201, jsonb_build_object('expires_at', parley_time(v_expires), 'user', parley_user_json(v_user)));
end
$$;

create function parley_admin_user_json(u users) returns jsonb language sql stable as $$
	select parley_user_json(u) || jsonb_build_object('created_at', parley_time(u.created_at),
		'disabled_at', parley_time(u.disabled_at),
		'last_seen_at', (select parley_time(max(s.last_seen_at)) from sessions s where s.user_id = u.id),
		'sessions', (select count(*) from sessions s where s.user_id = u.id and s.expires_at > now()))
$$;

create function parley_admin_users(p_q text) returns parley_reply language plpgsql stable as $$
begin
	return parley_ok(200, jsonb_build_object('next', null, 'items', (
		select coalesce(jsonb_agg(parley_admin_user_json(t.u) order by (t.u).username), '[]')
		from (select u from users u
			where u.deleted_at is null and (p_q is null or position(lower(p_q) in u.username) > 0
				or position(lower(p_q) in lower(u.display_name)) > 0)
			order by u.username limit 1000) t)));
end
$$;

create function parley_admin_no_user() returns parley_reply language sql immutable as $$
	select parley_problem(404, 'not_found', 'There is no account of this name.')
$$;

create function parley_admin_user_create(p_id uuid, p_username text, p_display_name text, p_password text)
returns parley_reply language plpgsql as $$
declare
	v_reply parley_reply := parley_account_create(p_id, p_username, p_display_name, p_password);
begin
	if v_reply.status = 201 then
		perform parley_audit('admin', 'user-create', p_id, null, p_username);
	end if;
	return v_reply;
end
$$;

-- A disabled account signs in no more, is signed out everywhere, leaves its calls and is not found. What it has stays.
create function parley_admin_user_disable(p_username text, p_disabled boolean) returns parley_reply language plpgsql as $$
declare
	v_user users;
	v_news parley_news;
begin
	update users u set disabled_at = case when p_disabled then coalesce(u.disabled_at, now()) end
	where u.username = p_username and u.deleted_at is null
	returning * into v_user;
	if not found then
		return parley_admin_no_user();
	end if;
	if p_disabled then
		v_news := parley_news_join(parley_user_leaves(v_user.id), parley_sessions_end(v_user.id, null));
	end if;
	perform parley_audit('admin', case when p_disabled then 'user-disable' else 'user-enable' end, v_user.id, null,
		p_username);
	return parley_ok(200, jsonb_build_object('user', (select parley_admin_user_json(u) from users u
		where u.id = v_user.id)), coalesce(v_news.notify, '[]'), coalesce(v_news.media, '[]'));
end
$$;

create function parley_admin_user_password(p_username text, p_password text) returns parley_reply language plpgsql as $$
declare
	v_user uuid;
	v_news parley_news;
begin
	update users u set password = p_password where u.username = p_username and u.deleted_at is null
	returning u.id into v_user;
	if not found then
		return parley_admin_no_user();
	end if;
	v_news := parley_sessions_end(v_user, null);
	perform parley_audit('admin', 'user-password', v_user, null, p_username);
	return parley_ok(204, null, v_news.notify, v_news.media);
end
$$;

create function parley_admin_user_delete(p_username text) returns parley_reply language plpgsql as $$
declare
	v_user uuid := (select u.id from users u where u.username = p_username and u.deleted_at is null);
begin
	if v_user is null then
		return parley_admin_no_user();
	end if;
	perform parley_audit('admin', 'user-delete', v_user, null, p_username);
	return parley_account_delete(v_user, null);
end
$$;

create function parley_invite_json(i invites) returns jsonb language sql stable as $$
	select jsonb_build_object('id', i.id, 'note', i.note, 'uses', i.uses, 'used', i.used,
		'created_at', parley_time(i.created_at), 'expires_at', parley_time(i.expires_at))
$$;

create function parley_admin_invites() returns parley_reply language plpgsql stable as $$
begin
	return parley_ok(200, jsonb_build_object('next', null, 'items',
		(select coalesce(jsonb_agg(parley_invite_json(i) order by i.created_at desc), '[]') from invites i)));
end
$$;

-- p_days null: for ever. The code itself is added by the worker, which alone knows it.
create function parley_admin_invite_create(p_id uuid, p_code_hash text, p_uses integer, p_days integer, p_note text)
returns parley_reply language plpgsql as $$
declare
	v_invite invites;
begin
	insert into invites (id, code_hash, uses, expires_at, note)
	values (p_id, decode(p_code_hash, 'hex'), p_uses, now() + make_interval(days => p_days), p_note)
	returning * into v_invite;
	perform parley_audit('admin', 'invite-create', null, null, p_id::text);
	return parley_ok(201, jsonb_build_object('invite', parley_invite_json(v_invite)));
end
$$;

create function parley_admin_invite_delete(p_id uuid) returns parley_reply language plpgsql as $$
begin
	delete from invites i where i.id = p_id;
	if not found then
		return parley_problem(404, 'not_found', 'There is no such invitation.');
	end if;
	perform parley_audit('admin', 'invite-delete', null, null, p_id::text);
	return parley_ok(204, null);
end
$$;

-- Those that ring or are active; with p_call that one, whatever its state.
create function parley_admin_calls(p_call uuid) returns parley_reply language plpgsql stable as $$
begin
	if p_call is null then
		return parley_ok(200, jsonb_build_object('next', null, 'items', (
			select coalesce(jsonb_agg(parley_call_json(c.id) order by c.created_at), '[]')
			from calls c where c.state <> 'ended')));
	elsif not exists (select from calls c where c.id = p_call) then
		return parley_problem(404, 'not_found', 'There is no such call.');
	end if;
	return parley_ok(200, jsonb_build_object('call', parley_call_json(p_call)));
end
$$;

create function parley_admin_call_end(p_call uuid) returns parley_reply language plpgsql as $$
declare
	v_call calls := parley_call_lock(p_call);
begin
	if v_call.id is null then
		return parley_problem(404, 'not_found', 'There is no such call.');
	elsif v_call.state = 'ended' then
		return parley_call_problem('wrong_state', 'The call is over.', p_call);
	end if;
	perform parley_audit('admin', 'call-end', null, null, p_call::text);
	return parley_call_reply(200, p_call,
		parley_call_finish(p_call, case v_call.state when 'ringing' then 'cancelled' else 'hangup' end));
end
$$;

create function parley_admin_audit() returns parley_reply language plpgsql stable as $$
begin
	return parley_ok(200, jsonb_build_object('next', null, 'items', (
		select coalesce(jsonb_agg(jsonb_build_object('at', parley_time(t.at), 'actor', t.actor, 'action', t.action,
			'user', (select u.username from users u where u.id = t.user_id), 'address', t.address,
			'detail', t.detail) order by t.id desc), '[]')
		from (select * from audit a order by a.id desc limit 500) t)));
end
$$;

create index calls_running on calls (created_at) where state <> 'ended';
