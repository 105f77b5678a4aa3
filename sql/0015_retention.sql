-- How long things are kept ([retention] in parley.conf). Called by workers/sweeper.c, by every worker.

create index calls_ended on calls (ended_at) where state = 'ended';

-- Deletes what is older than so many days (0: nothing is): calls that are over with all that belongs to them, messages,
-- rows of the audit log. At most p_limit of each, and nothing is waited for, so that it is over soon; true: there is more.
create function parley_retain(p_history_days integer, p_messages_days integer, p_audit_days integer, p_limit integer)
returns boolean language plpgsql as $$
declare
	v_ids uuid[];
	v_call uuid;
	v_before timestamptz;
	v_count integer;
	v_room integer := p_limit;
	v_more boolean := false;
begin
	if p_history_days > 0 then
		v_ids := array(select c.id from calls c
			where c.state = 'ended' and c.ended_at < now() - make_interval(days => p_history_days)
			order by c.ended_at limit p_limit for update skip locked);
		-- The lists of contacts do not know of it any longer, either.
		with old as (
			select t.owner_id, t.other_id from contacts t
			join call_members o on o.user_id = t.owner_id join call_members p on p.user_id = t.other_id
			where o.call_id = any (v_ids) and p.call_id = o.call_id and t.last_call_at <= o.call_created_at
			for update of t skip locked)
		update contacts t set last_call_at = null from old
		where t.owner_id = old.owner_id and t.other_id = old.other_id;
		delete from calls c where c.id = any (v_ids);
		v_more := cardinality(v_ids) = p_limit;
	end if;
	if p_messages_days > 0 then
		v_before := now() - make_interval(days => p_messages_days);
		for v_call in
			select c.id from calls c where c.id in (select m.call_id from messages m
				where m.created_at < v_before order by m.created_at limit p_limit)
			for update skip locked
		loop
			-- In the order of their numbers, which is that of their times.
			with old as (
				select m.id from messages m where m.call_id = v_call and m.created_at < v_before
				order by m.seq limit v_room
			), gone as (
				delete from messages m using old where m.id = old.id returning m.seq
			), last as (
				select max(g.seq) as seq, count(*) as n from gone g
			), noted as (
				update calls c set messages_gone = l.seq from last l where c.id = v_call and l.n > 0
			)
			select l.n into v_count from last l;
			v_room := v_room - v_count;
			exit when v_room = 0;
		end loop;
		v_more := v_more or v_room = 0;
	end if;
	if p_audit_days > 0 then
		with old as (
			select a.id from audit a where a.at < now() - make_interval(days => p_audit_days)
			order by a.at limit p_limit for update skip locked
		), gone as (
			delete from audit a using old where a.id = old.id returning 1)
		select count(*) into v_count from gone;
		v_more := v_more or v_count = p_limit;
	end if;
	return v_more;
end
$$;
