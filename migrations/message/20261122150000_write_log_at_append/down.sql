CREATE OR REPLACE FUNCTION occurred_after(chat uuid, update_seq bigint, instant timestamptz) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM sync_log l WHERE l.chat_id = chat AND l.seq = update_seq AND l.occurred_at > instant)
        OR EXISTS (SELECT FROM outbox o WHERE o.chat_id = chat AND o.seq = update_seq AND o.occurred_at > instant);
END
$$;

DROP TRIGGER outbox_log_at_once ON outbox;
DROP FUNCTION log_at_once();

WITH waiting AS (
    SELECT DISTINCT u.chat_id, u.seq FROM outbox_batches b, unnest(b.chat_ids, b.seqs) AS u (chat_id, seq)
), unlogged AS (
    DELETE FROM sync_log l USING waiting w WHERE l.chat_id = w.chat_id AND l.seq = w.seq
    RETURNING l.chat_id, l.seq, l.payload, l.occurred_at
)
INSERT INTO outbox (chat_id, seq, payload, occurred_at, headers, next_attempt_at)
SELECT chat_id, seq, payload, occurred_at, '{}', now() FROM unlogged;
DROP FUNCTION published_until();
DROP TABLE outbox_batches;
