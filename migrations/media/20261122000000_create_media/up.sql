-- One row an upload, from the moment its address is given out.
CREATE TABLE media (
    id           uuid PRIMARY KEY,
    owner_id     uuid NOT NULL,
    -- pending: an address was given out; ready: the object is there and checked;
    -- expired: given up, the object is about to be removed, then the row.
    state        text NOT NULL CHECK (state IN ('pending', 'ready', 'expired')),
    file_name    text NOT NULL,
    content_type text NOT NULL,
    size_bytes   bigint NOT NULL CHECK (size_bytes > 0),
    created_at   timestamptz NOT NULL,
    -- A pending upload must be complete before this instant.
    expires_at   timestamptz NOT NULL
);

-- What an owner has begun and not completed: the quota.
CREATE INDEX media_unfinished_by_owner ON media (owner_id) WHERE state <> 'ready';
-- What the expiry worker looks for.
CREATE INDEX media_unfinished_by_expiry ON media (expires_at) WHERE state <> 'ready';
