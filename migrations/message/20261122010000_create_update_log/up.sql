-- Every table leads with chat_id, so that the schema can be distributed by it.

-- The head of every chat's update log. The appender locks it, numbers from it and moves it on in one transaction.
CREATE TABLE chat_heads (
    chat_id uuid PRIMARY KEY,
    last_seq bigint NOT NULL,
    -- The oldest update that clients may still sync; older ones belong to a log that was before a restore.
    first_seq bigint NOT NULL DEFAULT 1,
    -- A random name of this log; another one tells clients to load the chat again.
    epoch text NOT NULL,
    -- The version of the chat's member list; a posting policy read at a lower one is stale.
    membership_version bigint NOT NULL,
    -- occurred_at of the newest update; never goes back.
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE messages (
    chat_id uuid NOT NULL,
    seq bigint NOT NULL,
    sender_id uuid NOT NULL,
    client_message_id text COLLATE "C" NOT NULL,
    -- Tells a resend (the same content) from a client_message_id used twice.
    content_hash bytea NOT NULL,
    text text NOT NULL,
    sent_at timestamptz NOT NULL,
    PRIMARY KEY (chat_id, seq),
    CONSTRAINT messages_client_message_id UNIQUE (chat_id, sender_id, client_message_id)
);

-- Changes that other services had appended: each event is appended once.
CREATE TABLE applied_events (
    chat_id uuid NOT NULL,
    event_id uuid NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY (chat_id, event_id)
);

-- Updates that are committed and not yet in the sync log. An update is always in exactly one of the two.
CREATE TABLE outbox (
    chat_id uuid NOT NULL,
    seq bigint NOT NULL,
    -- An encoded godwit.v1.Update.
    payload bytea NOT NULL,
    occurred_at timestamptz NOT NULL,
    -- Of the record on the stream: the trace context, as an object of strings.
    headers jsonb NOT NULL,
    -- How often the sweeper took it.
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL,
    PRIMARY KEY (chat_id, seq)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);
-- In two parts: what the sweeper has taken before waits for the stream and must not stand before what is new.
CREATE INDEX outbox_unswept ON outbox (next_attempt_at, chat_id, seq) WHERE attempts = 0;
CREATE INDEX outbox_swept ON outbox (next_attempt_at, chat_id, seq) WHERE attempts > 0;

-- The updates of every chat as stored bytes, moved here from the outbox when the stream has brought them back.
CREATE TABLE sync_log (
    chat_id uuid NOT NULL,
    seq bigint NOT NULL,
    payload bytea NOT NULL,
    occurred_at timestamptz NOT NULL,
    PRIMARY KEY (chat_id, seq)
) PARTITION BY HASH (chat_id);
CREATE TABLE sync_log_0 PARTITION OF sync_log FOR VALUES WITH (MODULUS 8, REMAINDER 0);
CREATE TABLE sync_log_1 PARTITION OF sync_log FOR VALUES WITH (MODULUS 8, REMAINDER 1);
CREATE TABLE sync_log_2 PARTITION OF sync_log FOR VALUES WITH (MODULUS 8, REMAINDER 2);
CREATE TABLE sync_log_3 PARTITION OF sync_log FOR VALUES WITH (MODULUS 8, REMAINDER 3);
CREATE TABLE sync_log_4 PARTITION OF sync_log FOR VALUES WITH (MODULUS 8, REMAINDER 4);
CREATE TABLE sync_log_5 PARTITION OF sync_log FOR VALUES WITH (MODULUS 8, REMAINDER 5);
CREATE TABLE sync_log_6 PARTITION OF sync_log FOR VALUES WITH (MODULUS 8, REMAINDER 6);
CREATE TABLE sync_log_7 PARTITION OF sync_log FOR VALUES WITH (MODULUS 8, REMAINDER 7);

-- One row: a random name of all logs together. An account cursor of another one is answered by a reset.
CREATE TABLE log_generation (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    generation uuid NOT NULL
);
INSERT INTO log_generation (generation) VALUES (gen_random_uuid());

-- One row: which replica sweeps now.
CREATE TABLE sweeper_lease (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    holder uuid NOT NULL,
    held_until timestamptz NOT NULL
);

-- Whether an update is there and occurred after an instant.
CREATE FUNCTION occurred_after(chat uuid, update_seq bigint, instant timestamptz) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM sync_log l WHERE l.chat_id = chat AND l.seq = update_seq AND l.occurred_at > instant)
        OR EXISTS (SELECT FROM outbox o WHERE o.chat_id = chat AND o.seq = update_seq AND o.occurred_at > instant);
END
$$;

-- The lowest seq from lowest to highest whose update occurred after an instant, given that the highest one's did.
-- Looks from the end in growing steps, then halves: its cost is the logarithm of what it finds.
CREATE FUNCTION first_seq_after(chat uuid, lowest bigint, highest bigint, instant timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
DECLARE
    late bigint := highest;     -- occurred after the instant
    early bigint;               -- did not, or is below the lowest
    middle bigint;
    step bigint := 1;
BEGIN
    LOOP
        early := greatest(late - step, lowest - 1);
        EXIT WHEN early < lowest OR NOT occurred_after(chat, early, instant);
        late := early;
        step := step * 2;
    END LOOP;
    WHILE late - early > 1 LOOP
        middle := early + (late - early) / 2;
        IF occurred_after(chat, middle, instant) THEN
            late := middle;
        ELSE
            early := middle;
        END IF;
    END LOOP;
    RETURN late;
END
$$;

-- For whoever restores the database to an earlier moment, before the service starts again: clients may have seen
-- updates that are gone, so every log begins a new epoch and everybody loads their chats again.
CREATE FUNCTION renew_logs() RETURNS void
LANGUAGE sql AS $$
    UPDATE chat_heads SET epoch = substr(md5(gen_random_uuid()::text), 1, 16), first_seq = last_seq + 1;
    UPDATE log_generation SET generation = gen_random_uuid();
$$;

-- Every statement of this service reaches rows by key. A plan that was kept while the tables were small must not
-- scan them once they are large, and planning anew for every batch costs more than the batch.
DO $$
BEGIN
    EXECUTE format('ALTER ROLE CURRENT_USER IN DATABASE %I SET enable_seqscan = off', current_database());
    EXECUTE format('ALTER ROLE CURRENT_USER IN DATABASE %I SET enable_hashjoin = off', current_database());
    EXECUTE format('ALTER ROLE CURRENT_USER IN DATABASE %I SET enable_mergejoin = off', current_database());
    EXECUTE format('ALTER ROLE CURRENT_USER IN DATABASE %I SET plan_cache_mode = force_generic_plan', current_database());
    EXECUTE format('ALTER ROLE CURRENT_USER IN DATABASE %I SET jit = off', current_database());
END
$$;
