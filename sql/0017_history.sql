-- A call that is none of theirs is no mark in anybody's history.

-- The history, 50 at a time; p_before is the id of the last call of the page before. Whoever blocked the caller has no
-- such call, so its id is as good as one that never was.
create or replace function parley_calls(p_me uuid, p_before uuid) returns parley_reply language plpgsql stable as $$
declare
	v_at timestamptz;
	v_ids uuid[];
begin
	if p_before is not null then
		select m.call_created_at into v_at from call_members m
		where m.call_id = p_before and m.user_id = p_me and not m.silent;
		if not found then
			return parley_problem(422, 'invalid_field', 'This is not the `next` of a page of this list.', 'before');
		end if;
	end if;
	v_ids := array(select m.call_id from call_members m
		where m.user_id = p_me and not m.silent
			and (p_before is null or (m.call_created_at, m.call_id) < (v_at, p_before))
		order by m.call_created_at desc, m.call_id desc limit 51);
	return parley_ok(200, jsonb_build_object(
		'items', (select coalesce(jsonb_agg(parley_call_json_for(p_me, i.id) order by i.n), '[]')
			from unnest(v_ids) with ordinality i (id, n) where i.n <= 50),
		'next', case when cardinality(v_ids) > 50 then v_ids[50] end));
end
$$;
