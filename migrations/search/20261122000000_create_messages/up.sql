-- What can be found. Built from the stream; the truth is the message service's.
CREATE TABLE messages (
    chat_id uuid NOT NULL,
    seq bigint NOT NULL,
    sender_id uuid NOT NULL,
    client_message_id text NOT NULL,
    text text NOT NULL,
    sent_at timestamptz NOT NULL,
    terms tsvector NOT NULL GENERATED ALWAYS AS (to_tsvector('simple', text)) STORED,
    PRIMARY KEY (chat_id, seq)
);

CREATE INDEX messages_terms ON messages USING gin (terms);
