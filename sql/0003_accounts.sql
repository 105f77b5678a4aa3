-- Accounts and sign-ins. Called by workers/api_accounts.c and workers/auth.c.

-- A repetition (the first answer was lost) finds the account that it made.
create function parley_account_create(p_id uuid, p_username text, p_display_name text, p_password text)
returns parley_reply language plpgsql as $$
begin
	insert into users (id, username, display_name, password)
	values (p_id, p_username, p_display_name, p_password)
	on conflict do nothing;
	if not found and not exists (select from users u where u.id = p_id) then
		return parley_problem(409, 'username_taken', 'Somebody has this user name.', 'username');
	end if;
	return parley_ok(201, jsonb_build_object('user', parley_user_json(p_id)));
end
$$;

-- After the password was found right. p_password is the hash that it was compared with: when the password was changed
-- in between, the old one opens nothing. The body is without the token, which the worker adds.
create function parley_session_create(p_user uuid, p_password text, p_id uuid, p_token_hash bytea, p_user_agent text)
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
	return parley_ok(201, jsonb_build_object('expires_at', parley_time(v_expires), 'user', parley_user_json(v_user)));
end
$$;

create function parley_sessions(p_user uuid, p_current uuid) returns parley_reply language plpgsql stable as $$
begin
	return parley_ok(200, jsonb_build_object('next', null, 'items', (
		select coalesce(jsonb_agg(jsonb_build_object('id', s.id, 'created_at', parley_time(s.created_at),
				'last_seen_at', parley_time(s.last_seen_at), 'expires_at', parley_time(s.expires_at),
				'user_agent', s.user_agent, 'current', s.id = p_current) order by s.created_at desc, s.id),
			'[]')
		from sessions s where s.user_id = p_user and s.expires_at > now())));
end
$$;

-- Signs a device out; the calls that it is in go on without it.
create function parley_session_delete(p_user uuid, p_session uuid) returns parley_reply language plpgsql as $$
declare
	v_news parley_news;
begin
	delete from sessions s where s.id = p_session and s.user_id = p_user;
	if not found then
		return parley_problem(404, 'not_found', 'There is no such sign-in of yours.');
	end if;
	v_news := parley_sign_in_leaves(p_user, p_session);
	return parley_ok(204, null, v_news.notify, v_news.media);
end
$$;

create function parley_me(p_user uuid) returns parley_reply language plpgsql stable as $$
begin
	return parley_ok(200, jsonb_build_object('user', parley_user_json(p_user)));
end
$$;

-- p_display_name null: as it is. Everybody who has this person in the list hears of the new name.
create function parley_me_update(p_user uuid, p_display_name text) returns parley_reply language plpgsql as $$
declare
	v_notify jsonb := '[]';
begin
	update users set display_name = p_display_name where id = p_user and display_name <> p_display_name;
	if found then
		select coalesce(jsonb_agg(jsonb_build_object('to', jsonb_build_array(c.owner_id), 'event',
				jsonb_build_object('type', 'contact', 'user_id', p_user, 'contact', parley_contact_json(c)))), '[]')
		into v_notify
		from contacts c where c.other_id = p_user;
	end if;
	return parley_ok(200, jsonb_build_object('user', parley_user_json(p_user)), v_notify);
end
$$;

-- People whose user name begins with p_q, or whose display name holds it; p_q is lower case. Whoever blocked the
-- one who asks cannot be found.
create function parley_users_search(p_me uuid, p_q text) returns parley_reply language plpgsql stable as $$
declare
	v_like text := replace(replace(replace(p_q, '\', '\\'), '%', '\%'), '_', '\_');
begin
	return parley_ok(200, jsonb_build_object('next', null, 'items', (
		select coalesce(jsonb_agg(parley_user_json(t.u) order by t.rank, lower((t.u).display_name), (t.u).id), '[]')
		from (select u, case when u.username = p_q then 0 when u.username like v_like || '%' then 1
				when lower(u.display_name) like v_like || '%' then 2 else 3 end as rank
			from users u
			where (u.username like v_like || '%' or lower(u.display_name) like '%' || v_like || '%')
				and u.id <> p_me and u.disabled_at is null
				and not exists (select from contacts b
					where b.owner_id = u.id and b.other_id = p_me and b.blocked)
			order by rank, lower(u.display_name), u.id limit 20) t)));
end
$$;

-- The first event of a WebSocket. Without "server", which the worker adds.
create function parley_hello(p_me uuid) returns jsonb language plpgsql stable as $$
begin
	return jsonb_build_object(
		'type', 'hello',
		'me', parley_user_json(p_me),
		'contacts', parley_contacts_json(p_me),
		'calls', (select coalesce(jsonb_agg(parley_call_json(m.call_id) order by m.call_created_at), '[]')
			from call_members m
			where m.user_id = p_me and m.state in ('ringing', 'joined', 'reconnecting') and not m.silent));
end
$$;
