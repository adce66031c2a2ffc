ALTER TABLE messages
    -- The seq of the update that said so: an older one that comes again changes nothing.
    ADD COLUMN version bigint NOT NULL DEFAULT 0,
    -- Nothing is left of it but its place, so that no older record brings it back.
    ADD COLUMN is_deleted boolean NOT NULL DEFAULT false;

-- Nothing of these is indexed again.
CREATE TABLE deleted_chats (
    chat_id uuid PRIMARY KEY,
    deleted_at timestamptz NOT NULL
);
