ALTER TABLE chats
    DROP CONSTRAINT chats_kind_check,
    ADD CONSTRAINT chats_kind_check CHECK (kind IN ('direct', 'saved', 'group', 'channel')),
    -- Of groups and channels.
    ADD COLUMN title text NOT NULL DEFAULT '',
    ADD COLUMN description text NOT NULL DEFAULT '',
    ADD COLUMN avatar_media_id uuid,
    -- Of public channels, case-folded.
    ADD COLUMN handle text COLLATE "C",
    ADD COLUMN who_may_post text NOT NULL DEFAULT 'members' CHECK (who_may_post IN ('members', 'admins')),
    ADD COLUMN slow_mode_secs integer NOT NULL DEFAULT 0 CHECK (slow_mode_secs BETWEEN 0 AND 86400),
    ADD COLUMN is_history_visible boolean NOT NULL DEFAULT true,
    -- Kept by whoever adds and removes members, with the chat's row locked.
    ADD COLUMN member_count integer NOT NULL DEFAULT 0,
    ADD COLUMN created_by uuid,
    -- The creator's name for it, so that a repeated call finds it.
    ADD COLUMN client_chat_id text COLLATE "C",
    -- Gone for everybody; the row stays so that its id is never used again.
    ADD COLUMN deleted_at timestamptz,
    ADD CONSTRAINT chats_handle UNIQUE (handle),
    ADD CONSTRAINT chats_client_chat_id UNIQUE (created_by, client_chat_id);
UPDATE chats SET member_count = 2 WHERE kind = 'direct';
-- Chats that are gone and whose members are not told yet.
CREATE INDEX chats_emptying ON chats (deleted_at) WHERE deleted_at IS NOT NULL AND member_count > 0;

ALTER TABLE members
    ADD COLUMN role text NOT NULL DEFAULT 'member' CHECK (role IN ('owner', 'admin', 'member')),
    -- Who added them; themselves when they came by an invite or subscribed.
    ADD COLUMN added_by uuid;
-- A chat has at most one owner.
CREATE UNIQUE INDEX members_owner ON members (chat_id) WHERE role = 'owner';

CREATE TABLE bans (
    chat_id uuid NOT NULL REFERENCES chats (id),
    user_id uuid NOT NULL,
    banned_by uuid NOT NULL,
    banned_at timestamptz NOT NULL,
    PRIMARY KEY (chat_id, user_id)
);

CREATE INDEX bans_by_user ON bans (user_id);

CREATE TABLE invites (
    -- 128 random bits in base64url.
    code text COLLATE "C" PRIMARY KEY,
    chat_id uuid NOT NULL REFERENCES chats (id),
    created_by uuid NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    -- 0: any number.
    uses_max integer NOT NULL,
    use_count integer NOT NULL DEFAULT 0,
    needs_approval boolean NOT NULL
);
CREATE INDEX invites_by_chat ON invites (chat_id, created_at);

CREATE TABLE join_requests (
    chat_id uuid NOT NULL REFERENCES chats (id),
    user_id uuid NOT NULL,
    invite_code text NOT NULL,
    requested_at timestamptz NOT NULL,
    PRIMARY KEY (chat_id, user_id)
);
CREATE INDEX join_requests_by_age ON join_requests (chat_id, requested_at, user_id);
CREATE INDEX join_requests_by_user ON join_requests (user_id);

-- What one person has set for a chat; no row: nothing.
CREATE TABLE chat_settings (
    user_id uuid NOT NULL,
    chat_id uuid NOT NULL,
    -- 'infinity' is for ever.
    muted_until timestamptz,
    is_archived boolean NOT NULL DEFAULT false,
    PRIMARY KEY (user_id, chat_id)
);

CREATE TABLE drafts (
    user_id uuid NOT NULL,
    chat_id uuid NOT NULL,
    -- An encoded godwit.v1.Draft.
    payload bytea NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, chat_id)
);

CREATE TABLE folders (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL,
    title text NOT NULL,
    -- In their order.
    chat_ids uuid[] NOT NULL,
    place integer NOT NULL,
    -- Deferred: places move all together.
    CONSTRAINT folders_place UNIQUE (user_id, place) DEFERRABLE INITIALLY DEFERRED
);

-- Who comes and goes with a change that the log does not tell.
ALTER TABLE pending_updates
    ADD COLUMN joined_user_ids uuid[] NOT NULL DEFAULT '{}',
    ADD COLUMN left_user_ids uuid[] NOT NULL DEFAULT '{}';
