-- Tables. All state that must outlive a process lives here; what is true only while somebody is connected
-- (presence, transports) does not.
--
-- The API logic stands in PL/pgSQL functions, one call per request, each one transaction: workers send a single
-- statement and never BEGIN. Row locks are taken in one order: people (advisory), then calls by id, then members.

create table users (
	id uuid primary key,
	username text not null unique check (username ~ '^[a-z0-9._-]{3,32}$'),
	display_name text not null check (char_length(display_name) between 1 and 64),
	password text not null, -- Argon2id, as text
	avatar_url text,
	created_at timestamptz not null default now(),
	disabled_at timestamptz
);

create table sessions ( -- sign-ins
	id uuid primary key,
	user_id uuid not null references users on delete cascade,
	token_hash bytea not null unique, -- SHA-256
	created_at timestamptz not null default now(),
	last_seen_at timestamptz not null default now(),
	expires_at timestamptz not null,
	user_agent text
);
create index sessions_user on sessions (user_id, created_at desc);
create index sessions_expiry on sessions (expires_at);

-- One row for each side of an acquaintance: what it is for its owner.
create table contacts (
	owner_id uuid not null references users on delete cascade,
	other_id uuid not null references users on delete cascade,
	-- none: there is only the block
	state text not null check (state in ('accepted', 'incoming', 'outgoing', 'none')),
	blocked boolean not null default false, -- the owner does not want to hear of the other
	favourite boolean not null default false,
	nickname text check (char_length(nickname) between 1 and 64),
	created_at timestamptz not null default now(),
	primary key (owner_id, other_id),
	check (owner_id <> other_id)
);
create index contacts_other on contacts (other_id);

--   ringing ──▶ active ──▶ ended
--      └──────────────────────▲
create table calls (
	id uuid primary key,
	-- The id that the other side chose for a call it made at the same moment, and that became this one.
	glare_id uuid unique,
	version integer not null default 1, -- one more with every change
	state text not null check (state in ('ringing', 'active', 'ended')),
	video boolean not null,
	locked boolean not null default false,
	started_by uuid not null references users on delete cascade,
	created_at timestamptz not null,
	answered_at timestamptz,
	ended_at timestamptz,
	end_reason text check (end_reason in ('hangup', 'declined', 'cancelled', 'timeout', 'busy', 'failed')),
	ring_deadline timestamptz, -- whoever still rings then has missed it; null: nobody rings
	reconnect_grace interval not null,
	check ((state = 'ended') = (ended_at is not null)),
	check ((state = 'ended') = (end_reason is not null))
);
create index calls_ringing on calls (ring_deadline) where ring_deadline is not null;

--   ringing ──▶ joined ◀──▶ reconnecting      the caller begins as joined
--      │           └──▶ left ◀──┘
--      └──▶ declined, missed                  busy is there from the beginning
create table call_members (
	call_id uuid not null references calls on delete cascade,
	user_id uuid not null references users on delete cascade,
	position integer not null, -- 0: who started it
	state text not null check (state in ('invited', 'ringing', 'joined', 'reconnecting', 'left', 'declined',
		'busy', 'missed')),
	silent boolean not null default false, -- rings for the others only: this person blocked the caller
	sign_in uuid,                          -- the one device that is in the call
	joined_at timestamptz,
	left_at timestamptz,
	paused boolean not null default false,
	muted_audio boolean not null default false,
	muted_video boolean not null default false,
	sharing boolean not null default false,
	hand boolean not null default false,
	-- Media: whether the newest transport works, and since when; when it was made (the mediad's clock, in
	-- microseconds); and until when a member without one is waited for.
	connected boolean not null default false,
	media_made bigint not null default 0,
	media_changed_at timestamptz,
	deadline timestamptz,
	call_created_at timestamptz not null, -- as in calls, for the history
	primary key (call_id, user_id)
);
create index call_members_history on call_members (user_id, call_created_at desc, call_id desc);
create index call_members_here on call_members (user_id) where state in ('ringing', 'joined', 'reconnecting');
create index call_members_sign_in on call_members (sign_in) where state in ('joined', 'reconnecting');
create index call_members_deadline on call_members (deadline) where deadline is not null;

-- Searching for a part of a display name; without the extension the search reads all names.
do $$
begin
	create extension if not exists pg_trgm;
	create index users_display_name on users using gin (lower(display_name) gin_trgm_ops);
exception when others then
	raise notice 'no pg_trgm here (%): searching people will be slow when there are very many', sqlerrm;
end
$$;
