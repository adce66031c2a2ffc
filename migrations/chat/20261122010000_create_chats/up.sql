CREATE TABLE chats (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('direct')),
    -- Grows with every change of who may do what; a posting policy names the one it was read at.
    membership_version bigint NOT NULL,
    created_at timestamptz NOT NULL
);

-- The two people of a direct chat, in one order: whoever asks, and whoever asks first, it is one row.
CREATE TABLE direct_chats (
    least_user_id uuid NOT NULL,
    greatest_user_id uuid NOT NULL,
    -- Deferred: the pair is claimed before the chat is made, so that who comes second makes nothing.
    chat_id uuid NOT NULL UNIQUE REFERENCES chats (id) DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (least_user_id, greatest_user_id),
    CHECK (least_user_id < greatest_user_id)
);
CREATE INDEX direct_chats_by_greatest ON direct_chats (greatest_user_id, least_user_id);

CREATE TABLE members (
    chat_id uuid NOT NULL REFERENCES chats (id),
    user_id uuid NOT NULL,
    joined_at timestamptz NOT NULL,
    PRIMARY KEY (chat_id, user_id)
);
CREATE INDEX members_by_user ON members (user_id, chat_id);

-- Updates that were committed with a change of this schema and that the message service has not appended yet. Those
-- of one chat are appended in the order of their numbers: a change of an existing chat locks its row first.
CREATE TABLE pending_updates (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id uuid NOT NULL UNIQUE,
    chat_id uuid NOT NULL REFERENCES chats (id),
    -- An encoded godwit.v1.Update without seq and epoch.
    payload bytea NOT NULL,
    -- The version of the member list after the change.
    membership_version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    -- How often the worker took it.
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL
);
CREATE INDEX pending_updates_by_chat ON pending_updates (chat_id, id);
CREATE INDEX pending_updates_due ON pending_updates (next_attempt_at);
