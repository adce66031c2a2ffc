ALTER TABLE invites
    DROP CONSTRAINT invites_idempotency_key,
    DROP COLUMN idempotency_key;
