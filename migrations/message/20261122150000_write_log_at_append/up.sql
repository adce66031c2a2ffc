-- The updates of a batch are in the log with its commit. What is left to do for them is told by one row a batch.

-- Batches of updates that are committed and that nobody has seen on the stream yet.
CREATE TABLE outbox_batches (
    batch_id uuid PRIMARY KEY,
    -- The addresses of the updates, side by side, in the order of the batch.
    chat_ids uuid[] NOT NULL,
    seqs bigint[] NOT NULL,
    -- When the transaction began: no update of the batch occurred before.
    begun_at timestamptz NOT NULL DEFAULT now(),
    -- How often the sweeper took it.
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
-- In two parts: what the sweeper has taken before waits for the stream and must not stand before what is new.
CREATE INDEX outbox_batches_unswept ON outbox_batches (next_attempt_at) WHERE attempts = 0;
CREATE INDEX outbox_batches_swept ON outbox_batches (next_attempt_at) WHERE attempts > 0;
CREATE INDEX outbox_batches_begun ON outbox_batches (begun_at);

-- Updates that occurred before this instant are on the stream.
CREATE FUNCTION published_until() RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT coalesce(min(begun_at), 'infinity') FROM outbox_batches
$$;

-- The release before this one writes updates into outbox. They go the new way too, so that both can run side by side.
CREATE FUNCTION log_at_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO sync_log (chat_id, seq, payload, occurred_at)
    VALUES (NEW.chat_id, NEW.seq, NEW.payload, NEW.occurred_at);
    INSERT INTO outbox_batches (batch_id, chat_ids, seqs, next_attempt_at)
    VALUES (gen_random_uuid(), ARRAY[NEW.chat_id], ARRAY[NEW.seq], NEW.next_attempt_at);
    RETURN NULL;
END
$$;
CREATE TRIGGER outbox_log_at_once BEFORE INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION log_at_once();

WITH waiting AS (
    DELETE FROM outbox RETURNING chat_id, seq, payload, occurred_at
), logged AS (
    INSERT INTO sync_log (chat_id, seq, payload, occurred_at)
    SELECT chat_id, seq, payload, occurred_at FROM waiting ON CONFLICT (chat_id, seq) DO NOTHING
)
INSERT INTO outbox_batches (batch_id, chat_ids, seqs, begun_at, next_attempt_at)
SELECT gen_random_uuid(), array_agg(chat_id ORDER BY seq), array_agg(seq ORDER BY seq), min(occurred_at), now()
FROM waiting GROUP BY chat_id, seq / 100;

CREATE OR REPLACE FUNCTION occurred_after(chat uuid, update_seq bigint, instant timestamptz) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM sync_log l WHERE l.chat_id = chat AND l.seq = update_seq AND l.occurred_at > instant);
END
$$;
