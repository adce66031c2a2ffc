-- Tokens of Apple's and Google's push services. A device has one for what is shown (or a Web Push subscription), and one
-- for calls.
CREATE TABLE push_tokens (
    device_id uuid NOT NULL,
    purpose text NOT NULL CHECK (purpose IN ('alert', 'voip')),
    provider text NOT NULL CHECK (provider IN ('apns', 'fcm')),
    user_id uuid NOT NULL,
    session_id uuid NOT NULL,
    token text NOT NULL CHECK (octet_length(token) BETWEEN 1 AND 4096),
    registered_at timestamptz NOT NULL,
    -- The push service asked to be left alone until then.
    paused_until timestamptz,
    PRIMARY KEY (device_id, purpose)
);
CREATE INDEX push_tokens_by_user ON push_tokens (user_id);
CREATE INDEX push_tokens_by_session ON push_tokens (session_id);
CREATE INDEX push_tokens_by_token ON push_tokens (md5(token));

-- Where devices are reached, whoever registered them: releases before this one know the subscriptions alone.
CREATE VIEW addresses AS
    SELECT device_id, 'alert' AS purpose, 'web' AS provider, user_id, session_id, endpoint AS address, p256dh, auth,
        created_at AS registered_at, paused_until
    FROM web_push_subscriptions
    UNION ALL
    SELECT device_id, purpose, provider, user_id, session_id, token, NULL, NULL, registered_at, paused_until
    FROM push_tokens;

-- A message waits here until every recipient has a delivery; fan_out_after says how far that is. Releases before this one
-- make the deliveries at once and leave it null.
ALTER TABLE notifications
    ADD COLUMN sender_id uuid,
    ADD COLUMN sent_at timestamptz,
    ADD COLUMN mentioned uuid[] NOT NULL DEFAULT '{}',
    ADD COLUMN fan_out_due_at timestamptz,
    ADD COLUMN fan_out_after uuid;
CREATE INDEX notifications_fan_out ON notifications (fan_out_due_at) WHERE fan_out_due_at IS NOT NULL;

-- How a delivery ended is kept for a while.
ALTER TABLE deliveries
    DROP CONSTRAINT deliveries_device_id_fkey,
    DROP CONSTRAINT deliveries_state_check,
    ADD CONSTRAINT deliveries_state_check CHECK (state IN ('pending', 'sent', 'failed', 'cancelled')),
    ADD COLUMN user_id uuid,
    ADD COLUMN provider text NOT NULL DEFAULT 'web' CHECK (provider IN ('web', 'apns', 'fcm')),
    ADD COLUMN is_mention boolean NOT NULL DEFAULT false,
    ADD COLUMN outcome text,
    ADD COLUMN finished_at timestamptz,
    -- The device was told since that it need not be shown any more.
    ADD COLUMN is_withdrawn boolean NOT NULL DEFAULT false;
DROP INDEX deliveries_due;
CREATE INDEX deliveries_due ON deliveries (provider, due_at) WHERE state = 'pending';
CREATE INDEX deliveries_by_user ON deliveries (user_id, chat_id, seq) WHERE state IN ('pending', 'sent');

-- What the foreign key did: nothing waits for a device that is not reached any more.
CREATE FUNCTION drop_waiting_deliveries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM deliveries WHERE device_id = OLD.device_id AND state = 'pending';
    RETURN NULL;
END
$$;
CREATE TRIGGER drop_waiting_deliveries AFTER DELETE ON web_push_subscriptions
    FOR EACH ROW EXECUTE FUNCTION drop_waiting_deliveries();
CREATE TRIGGER drop_waiting_deliveries AFTER DELETE ON push_tokens
    FOR EACH ROW WHEN (OLD.purpose = 'alert') EXECUTE FUNCTION drop_waiting_deliveries();

-- How far people have read, who can be reached: what they read meanwhile is not told. The log of a chat and that of its
-- readers come over different partitions, so a position may be known before the message.
CREATE TABLE read_cursors (
    user_id uuid NOT NULL,
    chat_id uuid NOT NULL,
    read_seq bigint NOT NULL,
    moved_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, chat_id)
);
CREATE INDEX read_cursors_by_age ON read_cursors (moved_at);

-- What people want to see; no row: everything, mentions too.
CREATE TABLE notification_settings (
    user_id uuid PRIMARY KEY,
    preview text NOT NULL CHECK (preview IN ('full', 'sender', 'hidden')),
    are_mentions_muted boolean NOT NULL
);

-- What devices are told besides messages: that a chat was read elsewhere, that messages are deleted, that a call rings or
-- does not any more. The subject is the chat or the call; a newer cue of a kind takes the place of an older one.
CREATE TABLE cues (
    device_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('chat_read', 'messages_deleted', 'call_ringing', 'call_over')),
    user_id uuid NOT NULL,
    provider text NOT NULL CHECK (provider IN ('web', 'apns', 'fcm')),
    purpose text NOT NULL CHECK (purpose IN ('alert', 'voip')),
    -- Of chat_read: up to where.
    read_seq bigint NOT NULL DEFAULT 0,
    -- Of messages_deleted.
    seqs bigint[] NOT NULL DEFAULT '{}',
    -- Of calls: an encoded godwit.v1.Call.
    call bytea NOT NULL DEFAULT '',
    -- Grows with each change, so that what was changed while it was sent is sent again.
    version bigint NOT NULL DEFAULT 1,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done')),
    attempt_count integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (device_id, subject_id, kind)
);
CREATE INDEX cues_due ON cues (provider, due_at) WHERE state = 'pending';
CREATE INDEX cues_by_expiry ON cues (expires_at);
CREATE INDEX cues_by_subject ON cues (subject_id);
