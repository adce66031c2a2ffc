-- The application server's key (RFC 8292). Subscriptions are bound to it: it is made once and never changes.
CREATE TABLE vapid_keys (
    id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    private_key bytea NOT NULL CHECK (octet_length(private_key) = 32),
    created_at timestamptz NOT NULL
);

CREATE TABLE web_push_subscriptions (
    device_id uuid PRIMARY KEY,
    user_id uuid NOT NULL,
    session_id uuid NOT NULL,
    endpoint text NOT NULL CHECK (octet_length(endpoint) BETWEEN 1 AND 2048),
    p256dh bytea NOT NULL CHECK (octet_length(p256dh) = 65),
    auth bytea NOT NULL CHECK (octet_length(auth) = 16),
    created_at timestamptz NOT NULL,
    -- The push service asked to be left alone until then.
    paused_until timestamptz
);
CREATE INDEX web_push_subscriptions_by_user ON web_push_subscriptions (user_id);
CREATE INDEX web_push_subscriptions_by_session ON web_push_subscriptions (session_id);
CREATE INDEX web_push_subscriptions_by_endpoint ON web_push_subscriptions (md5(endpoint));

-- What devices are told of one message; gone when it is too old to be told.
CREATE TABLE notifications (
    chat_id uuid NOT NULL,
    seq bigint NOT NULL,
    payload bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (chat_id, seq)
);
CREATE INDEX notifications_by_expiry ON notifications (expires_at);

-- One notification to one device. The row is made once, so a message that comes again is not sent again; a try is
-- claimed by moving due_at into the future before it is made.
CREATE TABLE deliveries (
    device_id uuid NOT NULL REFERENCES web_push_subscriptions ON DELETE CASCADE,
    chat_id uuid NOT NULL,
    seq bigint NOT NULL,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sent', 'failed')),
    attempt_count integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL,
    PRIMARY KEY (device_id, chat_id, seq),
    FOREIGN KEY (chat_id, seq) REFERENCES notifications ON DELETE CASCADE
);
CREATE INDEX deliveries_due ON deliveries (due_at) WHERE state = 'pending';
CREATE INDEX deliveries_by_notification ON deliveries (chat_id, seq);
