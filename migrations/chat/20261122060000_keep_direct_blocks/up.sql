-- Whether one of two people blocks the other, as auth says: one row a pair that ever blocked, lower id first. Also of
-- pairs without a chat.
CREATE TABLE direct_blocks (
    low_id uuid NOT NULL,
    high_id uuid NOT NULL,
    is_blocked boolean NOT NULL,
    -- Auth's number of the change; only a newer one counts.
    version bigint NOT NULL,
    PRIMARY KEY (low_id, high_id),
    CHECK (low_id < high_id)
);

-- Without a payload no update is appended: only the version of the log's member list is raised.
ALTER TABLE pending_updates ALTER COLUMN payload DROP NOT NULL;
