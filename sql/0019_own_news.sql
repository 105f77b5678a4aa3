-- The sign-in that changes the account hears of it like the others.
--
-- It had the answer alone. But a page whose WebSocket is opened or told anew at that moment takes its hello as the
-- beginning: read before the change and there after the answer, it brought the old name back, and nothing corrected it.
-- An event follows the hello in any case.

create or replace function parley_me_event(p_user uuid, p_not uuid) returns jsonb language plpgsql as $$
begin
	return parley_ordered(parley_event(array[p_user], jsonb_build_object('type', 'me', 'me', parley_me_json(p_user))));
end
$$;
