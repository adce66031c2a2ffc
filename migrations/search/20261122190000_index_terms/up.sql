-- By what messages are found. It holds nothing of what they say: terms are hashes of words, so that nothing is left of a
-- deleted message, also not among the keys of the GIN index, which PostgreSQL never removes.
CREATE TABLE entries (
    chat_id uuid NOT NULL,
    seq bigint NOT NULL,
    -- Of the chat's log: the same address under another epoch is another message.
    epoch text NOT NULL,
    -- The seq of the update that said so: an older one that comes again changes nothing.
    version bigint NOT NULL,
    -- Nothing is left of it but its place, so that no older record brings it back.
    is_deleted boolean NOT NULL,
    -- Within a chat it never goes back as seq grows.
    sent_at timestamptz NOT NULL,
    -- Of its words, stems and beginnings of words, its chat, its sender and what it brings.
    terms integer[] NOT NULL,
    PRIMARY KEY (chat_id, seq)
);
-- Where in each chat what was sent up to an instant ends.
CREATE INDEX entries_by_time ON entries (chat_id, sent_at, seq) WHERE NOT is_deleted;
-- New entries wait in a list that every search reads; it is short, so that this costs little.
CREATE INDEX entries_terms ON entries USING gin (terms) WITH (gin_pending_list_limit = 1024) WHERE NOT is_deleted;
-- Which terms are in most messages.
ALTER TABLE entries ALTER COLUMN terms SET STATISTICS 300;
-- The list is emptied, and the table made ready for the index to be read alone, by a vacuum; inserts alone call for one.
ALTER TABLE entries SET (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

-- How far the index has been built from the services that own what is found, beside what the stream brings.
CREATE TABLE builds (
    part text PRIMARY KEY CHECK (part IN ('messages', 'people', 'channels')),
    -- What it was built for: the format of the index and what the operator asked for.
    label text NOT NULL,
    -- The id of the last one that was taken; empty at the start.
    after_id text NOT NULL DEFAULT '',
    taken_count bigint NOT NULL DEFAULT 0,
    begun_at timestamptz NOT NULL,
    -- When all was taken.
    ended_at timestamptz
);
