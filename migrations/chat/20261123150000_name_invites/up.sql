ALTER TABLE invites
    -- What its maker called it, so that a repeat makes no other.
    ADD COLUMN idempotency_key text COLLATE "C",
    ADD CONSTRAINT invites_idempotency_key UNIQUE (chat_id, created_by, idempotency_key);
