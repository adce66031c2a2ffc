-- Of the newest message; of the log's begin while there is none. Orders chat lists.
ALTER TABLE chat_heads ADD COLUMN active_at timestamptz;
UPDATE chat_heads SET active_at = changed_at;

ALTER TABLE messages
    -- An encoded godwit.v1.Message with what is neither a column nor of a viewer: entities, attachments, reply, origin,
    -- silence, link preview. NULL for a plain text.
    ADD COLUMN extras bytea,
    -- An encoded godwit.v1.Message with nothing but the counts of reactions. NULL: none.
    ADD COLUMN reactions bytea,
    -- What it answers.
    ADD COLUMN reply_to_seq bigint,
    ADD COLUMN edited_at timestamptz,
    ADD COLUMN edit_count integer NOT NULL DEFAULT 0,
    -- Then text, hash, extras and reactions are empty.
    ADD COLUMN deleted_at timestamptz;
-- For the snippets that replies bear of a message.
CREATE INDEX messages_replies ON messages (chat_id, reply_to_seq) WHERE reply_to_seq IS NOT NULL;

-- The versions of a message that were edited since.
CREATE TABLE message_versions (
    chat_id uuid NOT NULL,
    seq bigint NOT NULL,
    -- 0 is the one that was sent.
    version integer NOT NULL,
    text text NOT NULL,
    -- An encoded godwit.v1.Message with nothing but entities. NULL: none.
    entities bytea,
    written_at timestamptz NOT NULL,
    PRIMARY KEY (chat_id, seq, version)
);

-- The updates that hold a message's content besides the one that created it: edits and link previews. What is deleted is
-- deleted from all of them.
CREATE TABLE content_updates (
    chat_id uuid NOT NULL,
    seq bigint NOT NULL,
    update_seq bigint NOT NULL,
    PRIMARY KEY (chat_id, seq, update_seq)
);

CREATE TABLE reactions (
    chat_id uuid NOT NULL,
    seq bigint NOT NULL,
    user_id uuid NOT NULL,
    emoji text NOT NULL,
    reacted_at timestamptz NOT NULL,
    PRIMARY KEY (chat_id, seq, user_id)
);

-- Whom a message mentions, of those who were members when it was written.
CREATE TABLE mentions (
    chat_id uuid NOT NULL,
    user_id uuid NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY (chat_id, user_id, seq)
);
CREATE INDEX mentions_by_message ON mentions (chat_id, seq);

-- Messages that somebody deleted for themselves.
CREATE TABLE hidden_messages (
    chat_id uuid NOT NULL,
    user_id uuid NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY (chat_id, user_id, seq)
);

CREATE TABLE pins (
    chat_id uuid NOT NULL,
    seq bigint NOT NULL,
    -- The update that pinned it: the order of pins.
    pinned_seq bigint NOT NULL,
    PRIMARY KEY (chat_id, seq)
);

-- Where the members of a chat stand in its log. Kept in the transaction of the update by which they come and go. Members of
-- direct chats from before this table have no row until they read.
CREATE TABLE participants (
    chat_id uuid NOT NULL,
    user_id uuid NOT NULL,
    -- The update by which they came; nothing before it is unread to them.
    joined_seq bigint NOT NULL,
    -- Nothing before it is for them.
    visible_from_seq bigint NOT NULL DEFAULT 0,
    read_seq bigint NOT NULL DEFAULT 0,
    delivered_seq bigint NOT NULL DEFAULT 0,
    -- Messages up to it are deleted for them.
    cleared_seq bigint NOT NULL DEFAULT 0,
    -- In chats with slow mode.
    last_sent_at timestamptz,
    PRIMARY KEY (chat_id, user_id)
) WITH (fillfactor = 70);

CREATE TABLE scheduled_messages (
    chat_id uuid NOT NULL,
    id uuid NOT NULL,
    sender_id uuid NOT NULL,
    client_message_id text COLLATE "C" NOT NULL,
    -- An encoded godwit.message.v1.ScheduledMessage; empty once it has ended.
    payload bytea NOT NULL,
    send_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    -- Somebody is sending it. Another replica may take it from then on; nobody changes it before it is known what became of
    -- it.
    claimed_until timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    -- Why it could not be sent; it is not tried again.
    failure text,
    -- When it was sent or deleted; the row stays for a week, so that a repeat of its client message id makes no other.
    ended_at timestamptz,
    -- The event that tells its sender of the last change, until it is in the log.
    untold_event_id uuid,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (chat_id, id),
    CONSTRAINT scheduled_messages_client_message_id UNIQUE (chat_id, sender_id, client_message_id)
);
CREATE INDEX scheduled_messages_due ON scheduled_messages (send_at) WHERE failure IS NULL AND ended_at IS NULL;
CREATE INDEX scheduled_messages_by_id ON scheduled_messages (id);
CREATE INDEX scheduled_messages_untold ON scheduled_messages (changed_at) WHERE untold_event_id IS NOT NULL;
CREATE INDEX scheduled_messages_ended ON scheduled_messages (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE reports (
    chat_id uuid NOT NULL,
    seq bigint NOT NULL,
    reporter_id uuid NOT NULL,
    event_id uuid NOT NULL,
    reported_at timestamptz NOT NULL,
    -- An encoded godwit.events.v1.ModerationEvent until it is on the stream, then NULL.
    payload bytea,
    PRIMARY KEY (chat_id, seq, reporter_id)
);
CREATE INDEX reports_unpublished ON reports (reported_at) WHERE payload IS NOT NULL;

-- Chats that were deleted, until nothing is left of them but the head.
CREATE TABLE purges (
    chat_id uuid PRIMARY KEY,
    requested_at timestamptz NOT NULL
);

-- Deleted messages of which some replies still bear a snippet.
CREATE TABLE scrubs (
    chat_id uuid NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY (chat_id, seq)
);
