-- What is done with an upload after it was completed, who else may fetch it, and what is to be removed.

-- processing: the object is there and is being looked at; rejected: it was looked at and is not kept. A release before
-- this one takes both for uploads that were given up: it serves neither.
ALTER TABLE media DROP CONSTRAINT media_state_check;
ALTER TABLE media ADD CONSTRAINT media_state_check
    CHECK (state IN ('pending', 'processing', 'ready', 'rejected', 'expired')) NOT VALID;
ALTER TABLE media VALIDATE CONSTRAINT media_state_check;

ALTER TABLE media
    ADD COLUMN kind text NOT NULL DEFAULT 'document'
        CHECK (kind IN ('image', 'video', 'video_note', 'voice', 'audio', 'document')),
    -- As the client announced it; 32 bytes.
    ADD COLUMN sha256 bytea,
    -- Of the S3 multipart upload that brings the parts, while it is open.
    ADD COLUMN upload_id text,
    ADD COLUMN scan text NOT NULL DEFAULT 'unscanned' CHECK (scan IN ('unscanned', 'clean', 'infected')),
    -- Why it was rejected: a stable name.
    ADD COLUMN rejection text,
    -- What was found in it: size, length, blurhash, waveform, and what was made of it. Read whole, never searched.
    ADD COLUMN details jsonb,
    -- From then on it is removed if no message carries it; null while one does, and for what was there before.
    ADD COLUMN collect_at timestamptz;

-- The quotas of an owner, and what nothing refers to.
CREATE INDEX media_by_owner ON media (owner_id, created_at) INCLUDE (size_bytes, state);
CREATE INDEX media_unused ON media (collect_at) WHERE collect_at IS NOT NULL;

-- One row an upload that is to be looked at. A claim is a due time in the future: when the claimer dies, the job is due
-- again then.
CREATE TABLE jobs (
    media_id   uuid PRIMARY KEY REFERENCES media ON DELETE CASCADE,
    due_at     timestamptz NOT NULL,
    -- Claims that did not end in a result, outages not counted.
    attempts   integer NOT NULL DEFAULT 0,
    -- Claims that ended because another part was down.
    outages    integer NOT NULL DEFAULT 0,
    -- Names the claim, so that a claimer who was given up cannot write its result.
    claim      uuid,
    last_error text NOT NULL DEFAULT '',
    -- What the object is put together with, in the order of its parts, when it came in parts.
    part_etags text[] NOT NULL DEFAULT '{}',
    -- Given up, and why: last_error.
    dead_at    timestamptz
);
CREATE INDEX jobs_due ON jobs (due_at) WHERE dead_at IS NULL;

-- Which messages carry which upload, as the stream tells it; message_seq 0 is the chat's own picture. Rows of deleted
-- messages stay, so that an old record that comes again does not bring them back.
CREATE TABLE attachments (
    chat_id     uuid NOT NULL,
    message_seq bigint NOT NULL,
    media_id    uuid NOT NULL,
    -- The seq of the update that said so.
    version     bigint NOT NULL,
    is_gone     boolean NOT NULL,
    PRIMARY KEY (chat_id, message_seq, media_id)
);
CREATE INDEX attachments_by_media ON attachments (media_id, chat_id) WHERE NOT is_gone;

-- Objects to remove. One whose presigned address may still work is removed again until `until`.
CREATE TABLE garbage (
    object_key text PRIMARY KEY,
    due_at     timestamptz NOT NULL,
    until      timestamptz NOT NULL
);
CREATE INDEX garbage_due ON garbage (due_at);
