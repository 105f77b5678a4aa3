-- A sign-in that ends, ends everywhere, whatever ended it: signed out, revoked, disabled, too many, or its time is over.
--
-- All of them take locks in the order of 0001 with the account's row and the sign-ins in between: the person (advisory),
-- users, sessions, calls by id, members. Whoever deletes a sign-in holds its person's lock.

-- These sign-ins are gone: their calls go on without them. The people's locks are held, so that nobody comes into another
-- call meanwhile.
create function parley_sign_ins_leave(p_sign_ins uuid[]) returns parley_news language plpgsql as $$
declare
	v_member record;
	v_news parley_news;
begin
	perform from calls c where c.id in (select m.call_id from call_members m
		where m.sign_in = any (p_sign_ins) and m.state in ('joined', 'reconnecting')) order by c.id for update;
	for v_member in
		select m.call_id, m.user_id, m.sign_in from call_members m
		where m.sign_in = any (p_sign_ins) and m.state in ('joined', 'reconnecting')
		order by m.call_id, m.position
	loop
		-- The one before may have been the last but one.
		if exists (select from call_members m where m.call_id = v_member.call_id and m.user_id = v_member.user_id
				and m.sign_in = v_member.sign_in and m.state in ('joined', 'reconnecting')) then
			v_news := parley_news_join(v_news, parley_call_part(v_member.call_id, v_member.user_id, 'hangup'));
		end if;
	end loop;
	return parley_news_join(v_news, null);
end
$$;

create or replace function parley_sign_in_leaves(p_user uuid, p_sign_in uuid) returns parley_news language plpgsql as $$
begin
	return parley_sign_ins_leave(array[p_sign_in]);
end
$$;

-- The same, and their WebSockets close. p_sign_ins and p_users go together.
create function parley_sign_ins_end(p_sign_ins uuid[], p_users uuid[]) returns parley_news language plpgsql as $$
declare
	v_news parley_news := parley_sign_ins_leave(p_sign_ins);
begin
	v_news.notify := v_news.notify || (select coalesce(jsonb_agg(parley_close_event(t.user_id, t.id) -> 0), '[]')
		from unnest(p_sign_ins, p_users) t (id, user_id));
	return v_news;
end
$$;

-- Ends all sign-ins of this person but one (null: all). The person's lock is held.
create or replace function parley_sessions_end(p_user uuid, p_but uuid) returns parley_news language plpgsql as $$
declare
	v_sign_ins uuid[];
begin
	with gone as (
		delete from sessions s where s.user_id = p_user and s.id is distinct from p_but returning s.id)
	select coalesce(array_agg(g.id), '{}') into v_sign_ins from gone g;
	return parley_sign_ins_end(v_sign_ins, array_fill(p_user, array[cardinality(v_sign_ins)]));
end
$$;

-- Signs a device out. The worker closes its WebSockets.
create or replace function parley_session_delete(p_user uuid, p_session uuid) returns parley_reply language plpgsql as $$
declare
	v_news parley_news;
begin
	perform parley_lock_users(array[p_user]);
	delete from sessions s where s.id = p_session and s.user_id = p_user;
	if not found then
		return parley_problem(404, 'not_found', 'There is no such sign-in of yours.');
	end if;
	v_news := parley_sign_ins_leave(array[p_session]);
	return parley_ok(204, null, v_news.notify, v_news.media);
end
$$;

-- After the password was found right. p_password is the hash that it was compared with: when the password was changed
-- in between, the old one opens nothing. The body is without the token, which the worker adds.
create or replace function parley_session_create(p_user uuid, p_password text, p_id uuid, p_token_hash bytea,
	p_user_agent text, p_address text default null)
returns parley_reply language plpgsql as $$
declare
	v_user users;
	v_expires timestamptz := now() + interval '30 days';
	v_old uuid[];
	v_news parley_news;
begin
	perform parley_lock_users(array[p_user]);
	select * into v_user from users u
	where u.id = p_user and u.password = p_password and u.disabled_at is null for share;
	if not found then
		return parley_problem(401, 'bad_credentials', 'User name and password do not belong together.');
	end if;
	insert into sessions (id, user_id, token_hash, expires_at, user_agent)
	values (p_id, p_user, p_token_hash, v_expires, p_user_agent);
	-- A person's list stays readable: the oldest go.
	with old as (
		select s.id from sessions s where s.user_id = p_user order by s.created_at desc offset 200
	), gone as (
		delete from sessions s using old where s.id = old.id returning s.id)
	select coalesce(array_agg(g.id), '{}') into v_old from gone g;
	v_news := parley_sign_ins_end(v_old, array_fill(p_user, array[cardinality(v_old)]));
	perform parley_audit(p_user::text, 'sign-in', p_user, p_address, p_user_agent);
	return parley_ok(201, jsonb_build_object('expires_at', parley_time(v_expires), 'user', parley_user_json(v_user)),
		v_news.notify, v_news.media);
end
$$;

-- Every few seconds, by every worker: sign-ins whose time is over. At most p_limit; people who are locked wait for the
-- next round.
create function parley_sessions_expire(p_limit integer) returns parley_reply language plpgsql as $$
declare
	v_old uuid[];
	v_user uuid;
	v_users uuid[] := '{}';
	v_owners uuid[];
	v_news parley_news;
begin
	v_old := array(select s.id from sessions s where s.expires_at <= now() order by s.expires_at limit p_limit);
	if cardinality(v_old) = 0 then
		return parley_ok(200, null);
	end if;
	for v_user in select distinct s.user_id from sessions s where s.id = any (v_old) loop
		-- The lock of parley_lock_users(); several are taken in no order, so none is waited for.
		if pg_try_advisory_xact_lock(hashtextextended(v_user::text, 1)) then
			v_users := v_users || v_user;
		end if;
	end loop;
	with gone as (
		delete from sessions s where s.id = any (v_old) and s.user_id = any (v_users) returning s.id, s.user_id)
	select coalesce(array_agg(g.id order by g.id), '{}'), coalesce(array_agg(g.user_id order by g.id), '{}')
	into v_old, v_owners
	from gone g;
	v_news := parley_sign_ins_end(v_old, v_owners);
	return parley_ok(200, null, v_news.notify, v_news.media);
end
$$;

-- p_old is the hash that the current password was compared with.
create or replace function parley_password_change(p_user uuid, p_session uuid, p_old text, p_new text)
returns parley_reply language plpgsql as $$
declare
	v_news parley_news;
begin
	perform parley_lock_users(array[p_user]);
	update users u set password = p_new where u.id = p_user and u.password in (p_old, p_new);
	if not found then
		return parley_wrong_password('current');
	end if;
	v_news := parley_sessions_end(p_user, p_session);
	return parley_ok(204, null, v_news.notify, v_news.media);
end
$$;

-- The account of that name, with its person's lock; all null when there is none.
create function parley_admin_user_lock(p_username text) returns users language plpgsql as $$
declare
	v_user users;
begin
	perform parley_lock_users(array(select u.id from users u where u.username = p_username and u.deleted_at is null));
	select * into v_user from users u where u.username = p_username and u.deleted_at is null for update;
	return v_user;
end
$$;

-- A disabled account signs in no more, is signed out everywhere, leaves its calls and is not found. What it has stays.
create or replace function parley_admin_user_disable(p_username text, p_disabled boolean)
returns parley_reply language plpgsql as $$
declare
	v_user users := parley_admin_user_lock(p_username);
	v_news parley_news;
begin
	if v_user.id is null then
		return parley_admin_no_user();
	end if;
	update users u set disabled_at = case when p_disabled then coalesce(u.disabled_at, now()) end where u.id = v_user.id;
	if p_disabled then
		v_news := parley_news_join(parley_user_leaves(v_user.id), parley_sessions_end(v_user.id, null));
	end if;
	perform parley_audit('admin', case when p_disabled then 'user-disable' else 'user-enable' end, v_user.id, null,
		p_username);
	return parley_ok(200, jsonb_build_object('user', (select parley_admin_user_json(u) from users u
		where u.id = v_user.id)), coalesce(v_news.notify, '[]'), coalesce(v_news.media, '[]'));
end
$$;

create or replace function parley_admin_user_password(p_username text, p_password text)
returns parley_reply language plpgsql as $$
declare
	v_user users := parley_admin_user_lock(p_username);
	v_news parley_news;
begin
	if v_user.id is null then
		return parley_admin_no_user();
	end if;
	update users u set password = p_password where u.id = v_user.id;
	v_news := parley_sessions_end(v_user.id, null);
	perform parley_audit('admin', 'user-password', v_user.id, null, p_username);
	return parley_ok(204, null, v_news.notify, v_news.media);
end
$$;
