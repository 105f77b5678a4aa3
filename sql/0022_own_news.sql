-- Since 0019 the sign-in that changes the account hears of it like the others: nobody has to say which one it was.

drop function parley_me_event(uuid, uuid);
drop function parley_me_update(uuid, uuid, text, text);
drop function parley_avatar_set(uuid, uuid, text, bytea);
drop function parley_avatar_delete(uuid, uuid);

-- To this person's pages. The row in users is locked.
create function parley_me_event(p_user uuid) returns jsonb language plpgsql as $$
begin
	return parley_ordered(parley_event(array[p_user], jsonb_build_object('type', 'me', 'me', parley_me_json(p_user))));
end
$$;

create function parley_me_update(p_user uuid, p_display_name text, p_status text)
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
		v_notify := v_notify || parley_me_event(p_user);
	end if;
	return parley_ok(200, jsonb_build_object('user', parley_me_json(p_user)), v_notify);
end
$$;

create function parley_avatar_set(p_user uuid, p_name text, p_data bytea)
returns parley_reply language plpgsql as $$
begin
	perform parley_lock_users(array[p_user]);
	insert into avatars (user_id, name, data) values (p_user, p_name, p_data)
	on conflict (user_id) do update set name = excluded.name, data = excluded.data, created_at = now();
	update users u set avatar_url = '/api/v1/avatars/' || p_name where u.id = p_user;
	return parley_ok(200, jsonb_build_object('user', parley_me_json(p_user)),
		parley_user_news(p_user) || parley_me_event(p_user));
end
$$;

create function parley_avatar_delete(p_user uuid)
returns parley_reply language plpgsql as $$
begin
	perform parley_lock_users(array[p_user]);
	delete from avatars a where a.user_id = p_user;
	if not found then
		return parley_ok(204, null);
	end if;
	update users u set avatar_url = null where u.id = p_user;
	return parley_ok(204, null, parley_user_news(p_user) || parley_me_event(p_user));
end
$$;
