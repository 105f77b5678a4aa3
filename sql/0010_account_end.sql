-- Invitations, passwords that change, pictures, the end of an account, and everything that is known about it.

create table invites (
	id uuid primary key,
	code_hash bytea not null unique, -- SHA-256
	note text,
	uses integer not null check (uses > 0),
	used integer not null default 0 check (used <= uses),
	created_at timestamptz not null default now(),
	expires_at timestamptz
);

create table avatars (
	user_id uuid primary key references users on delete cascade,
	name text not null unique, -- of the file in avatar_url
	data bytea not null,       -- WebP, 256 × 256
	created_at timestamptz not null default now()
);

alter table users add column deleted_at timestamptz;

-- Ends the WebSockets of this sign-in (workers/events.h).
create function parley_close_event(p_user uuid, p_session uuid) returns jsonb language sql immutable as $$
	select jsonb_build_array(jsonb_build_object('to', jsonb_build_array(p_user), 'close', p_session))
$$;

drop function parley_account_create(uuid, text, text, text);

-- A repetition (the first answer was lost) finds the account that it made. p_invite: the code's SHA-256 in hex;
-- p_invited: without an invitation there is no account.
create function parley_account_create(p_id uuid, p_username text, p_display_name text, p_password text,
	p_invite text default null, p_invited boolean default false)
returns parley_reply language plpgsql as $$
begin
	if exists (select from users u where u.id = p_id) then
		return parley_ok(201, jsonb_build_object('user', parley_user_json(p_id)));
	end if;
	begin
		if p_invited then
			update invites i set used = i.used + 1
			where i.code_hash = decode(p_invite, 'hex') and i.used < i.uses
				and (i.expires_at is null or i.expires_at > now());
			if not found then
				return parley_problem(403, 'invite_required',
					'An account needs an invitation that is valid and not used up.', 'invite');
			end if;
		end if;
		insert into users (id, username, display_name, password)
		values (p_id, p_username, p_display_name, p_password);
	exception when unique_violation then
		-- The invitation is not used up: this block is undone.
		return parley_problem(409, 'username_taken', 'Somebody has this user name.', 'username');
	end;
	return parley_ok(201, jsonb_build_object('user', parley_user_json(p_id)));
end
$$;

-- Ends all sign-ins of this person but one (null: all), their WebSockets and media.
create function parley_sessions_end(p_user uuid, p_but uuid) returns parley_news language plpgsql as $$
declare
	v_session uuid;
	v_news parley_news;
begin
	for v_session in
		delete from sessions s where s.user_id = p_user and s.id is distinct from p_but returning s.id
	loop
		v_news := parley_news_join(v_news, parley_sign_in_leaves(p_user, v_session));
		v_news.notify := v_news.notify || parley_close_event(p_user, v_session);
	end loop;
	return parley_news_join(v_news, null);
end
$$;

create function parley_wrong_password(p_field text) returns parley_reply language sql immutable as $$
	select parley_problem(403, 'wrong_password', 'This is not your password.', p_field)
$$;

-- p_old is the hash that the current password was compared with.
create function parley_password_change(p_user uuid, p_session uuid, p_old text, p_new text)
returns parley_reply language plpgsql as $$
declare
	v_news parley_news;
begin
	update users u set password = p_new where u.id = p_user and u.password in (p_old, p_new);
	if not found then
		return parley_wrong_password('current');
	end if;
	v_news := parley_sessions_end(p_user, p_session);
	return parley_ok(204, null, v_news.notify, v_news.media);
end
$$;

create function parley_avatar_set(p_user uuid, p_session uuid, p_name text, p_data bytea)
returns parley_reply language plpgsql as $$
begin
	insert into avatars (user_id, name, data) values (p_user, p_name, p_data)
	on conflict (user_id) do update set name = excluded.name, data = excluded.data, created_at = now();
	update users u set avatar_url = '/api/v1/avatars/' || p_name where u.id = p_user;
	return parley_ok(200, jsonb_build_object('user', parley_me_json(p_user)),
		parley_user_news(p_user) || parley_me_event(p_user, p_session));
end
$$;

create function parley_avatar_delete(p_user uuid, p_session uuid) returns parley_reply language plpgsql as $$
begin
	delete from avatars a where a.user_id = p_user;
	if not found then
		return parley_ok(204, null);
	end if;
	update users u set avatar_url = null where u.id = p_user;
	return parley_ok(204, null, parley_user_news(p_user) || parley_me_event(p_user, p_session));
end
$$;

-- This person stops ringing and leaves every call.
create function parley_user_leaves(p_user uuid) returns parley_news language plpgsql as $$
declare
	v_call uuid;
	v_state text;
	v_reply parley_reply;
	v_news parley_news;
begin
	for v_call in
		select c.id from calls c join call_members m on m.call_id = c.id
		where m.user_id = p_user and m.state in ('ringing', 'joined', 'reconnecting')
		order by c.id for update of c
	loop
		select m.state into v_state from call_members m where m.call_id = v_call and m.user_id = p_user;
		if v_state in ('joined', 'reconnecting') then
			v_news := parley_news_join(v_news, parley_call_part(v_call, p_user, 'hangup'));
		elsif v_state = 'ringing' then
			-- A silent one rings on for the others, until it is missed.
			v_reply := parley_call_decline(p_user, null, v_call);
			v_news := parley_news_join(v_news, row(v_reply.notify::jsonb, v_reply.media::jsonb)::parley_news);
		end if;
	end loop;
	return parley_news_join(v_news, null);
end
$$;

-- What others have of this person stays (calls, what was written in them), without the name. p_password: the hash that
-- the password was compared with; null: an administrator does it.
create function parley_account_delete(p_user uuid, p_password text) returns parley_reply language plpgsql as $$
declare
	v_news parley_news;
begin
	perform parley_lock_users(array[p_user]);
	perform from users u where u.id = p_user and u.deleted_at is null
		and (p_password is null or u.password = p_password) for update;
	if not found then
		return parley_wrong_password('password');
	end if;
	v_news := parley_user_leaves(p_user);
	v_news := parley_news_join(v_news, parley_sessions_end(p_user, null));
	with gone as (
		delete from contacts c where c.owner_id = p_user or c.other_id = p_user
		returning c.owner_id, c.state, c.blocked)
	select v_news.notify || coalesce(jsonb_agg(jsonb_build_object('to', jsonb_build_array(g.owner_id), 'event',
		jsonb_build_object('type', 'contact', 'user_id', p_user, 'contact', null))), '[]')
	into v_news.notify
	from gone g where g.owner_id <> p_user and (g.state <> 'none' or g.blocked);
	delete from avatars a where a.user_id = p_user;
	update users u set username = 'deleted.' || left(replace(u.id::text, '-', ''), 20), display_name = 'Deleted account',
		password = '', avatar_url = null, status = 'available', deleted_at = now(), disabled_at = now()
	where u.id = p_user;
	return parley_ok(204, null, v_news.notify, v_news.media);
end
$$;

create function parley_export(p_me uuid, p_session uuid) returns parley_reply language plpgsql stable as $$
begin
	return parley_ok(200, jsonb_build_object(
		'exported_at', parley_time(now()),
		'user', parley_me_json(p_me),
		'sessions', (parley_sessions(p_me, p_session)).body::jsonb -> 'items',
		'contacts', parley_contacts_json(p_me),
		'calls', (select coalesce(jsonb_agg(parley_call_json(m.call_id) order by m.call_created_at), '[]')
			from call_members m where m.user_id = p_me and not m.silent),
		'messages', (select coalesce(jsonb_agg(parley_message_json(m) order by m.created_at), '[]')
			from messages m where m.user_id = p_me)));
end
$$;
