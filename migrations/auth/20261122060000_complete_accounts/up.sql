-- Profiles, privacy and the end of an account. A purged account keeps its row and nothing that names the person.
ALTER TABLE users
    ADD COLUMN bio text NOT NULL DEFAULT '',
    ADD COLUMN avatar_media_id uuid,
    ADD COLUMN last_seen_audience smallint NOT NULL DEFAULT 1 CHECK (last_seen_audience BETWEEN 1 AND 3),
    ADD COLUMN avatar_audience smallint NOT NULL DEFAULT 1 CHECK (avatar_audience BETWEEN 1 AND 3),
    ADD COLUMN messages_audience smallint NOT NULL DEFAULT 1 CHECK (messages_audience BETWEEN 1 AND 3),
    ADD COLUMN calls_audience smallint NOT NULL DEFAULT 1 CHECK (calls_audience BETWEEN 1 AND 3),
    ADD COLUMN password_changed_at timestamptz,
    ADD COLUMN deleted_at timestamptz,
    ADD COLUMN purged_at timestamptz;
CREATE INDEX users_by_deletion ON users (deleted_at) WHERE deleted_at IS NOT NULL AND purged_at IS NULL;

-- Two usernames that look alike are one: UTS #39 skeletons, as far as they concern a-z, 0-9 and _.
ALTER TABLE usernames
    ADD COLUMN skeleton text NOT NULL
        GENERATED ALWAYS AS (replace(replace(translate(username, '01i', 'oll'), 'rn', 'm'), 'vv', 'w')) STORED;
CREATE UNIQUE INDEX usernames_by_skeleton ON usernames (skeleton);

-- All that there is between two people: one row a pair, lower id first; its lock decides who was first.
CREATE TABLE relationships (
    low_id uuid NOT NULL REFERENCES users (id),
    high_id uuid NOT NULL REFERENCES users (id),
    -- Whose request waits for an answer: the lower one's or the higher one's.
    low_requested_at timestamptz,
    high_requested_at timestamptz,
    friends_since timestamptz,
    low_blocked_at timestamptz,
    high_blocked_at timestamptz,
    -- Grows with each change of the blocks.
    block_version bigint NOT NULL DEFAULT 0,
    -- What the chat service knows of it.
    told_block_version bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (low_id, high_id),
    CHECK (low_id < high_id),
    CHECK (low_requested_at IS NULL OR high_requested_at IS NULL),
    CHECK (friends_since IS NULL OR (low_requested_at IS NULL AND high_requested_at IS NULL)),
    CHECK (
        (low_blocked_at IS NULL AND high_blocked_at IS NULL)
        OR (friends_since IS NULL AND low_requested_at IS NULL AND high_requested_at IS NULL)
    )
);
CREATE INDEX relationships_by_high ON relationships (high_id);
-- The lists of a person, whichever of the two they are, newest first.
CREATE INDEX relationships_friends_of_low ON relationships (low_id, friends_since, high_id)
    WHERE friends_since IS NOT NULL;
CREATE INDEX relationships_friends_of_high ON relationships (high_id, friends_since, low_id)
    WHERE friends_since IS NOT NULL;
CREATE INDEX relationships_requests_of_low ON relationships (low_id, low_requested_at, high_id)
    WHERE low_requested_at IS NOT NULL;
CREATE INDEX relationships_requests_to_high ON relationships (high_id, low_requested_at, low_id)
    WHERE low_requested_at IS NOT NULL;
CREATE INDEX relationships_requests_of_high ON relationships (high_id, high_requested_at, low_id)
    WHERE high_requested_at IS NOT NULL;
CREATE INDEX relationships_requests_to_low ON relationships (low_id, high_requested_at, high_id)
    WHERE high_requested_at IS NOT NULL;
CREATE INDEX relationships_blocks_of_low ON relationships (low_id, low_blocked_at, high_id)
    WHERE low_blocked_at IS NOT NULL;
CREATE INDEX relationships_blocks_of_high ON relationships (high_id, high_blocked_at, low_id)
    WHERE high_blocked_at IS NOT NULL;
CREATE INDEX relationships_untold ON relationships (low_id, high_id) WHERE told_block_version < block_version;

-- Where and when sessions were used last, and why they ended.
ALTER TABLE sessions ADD COLUMN last_address text;
CREATE INDEX sessions_by_user ON sessions (user_id, refreshed_at);
-- Gateways ask twice a second for those of the last minute.
CREATE INDEX revocations_by_age ON revocations (revoked_at, session_id);

-- Every device that an account ever logged in from: another one is worth a mail.
CREATE TABLE known_devices (
    user_id uuid NOT NULL REFERENCES users (id),
    device_id uuid NOT NULL,
    first_used_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, device_id)
);

-- Tries to log in at accounts that exist, kept 90 days.
CREATE TABLE logins (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id),
    at timestamptz NOT NULL,
    outcome smallint NOT NULL,
    device_id uuid NOT NULL,
    device_name text NOT NULL,
    device_platform text NOT NULL,
    address text
);
CREATE INDEX logins_by_user ON logins (user_id, id DESC);
CREATE INDEX logins_by_age ON logins (at);

-- Authenticator secrets (RFC 6238). Unconfirmed ones change nothing yet.
CREATE TABLE totp_secrets (
    user_id uuid PRIMARY KEY REFERENCES users (id),
    secret bytea NOT NULL,
    is_sealed boolean NOT NULL,
    confirmed_at timestamptz,
    -- The last step whose code was taken: each is taken once.
    last_step bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL
);

CREATE TABLE recovery_codes (
    user_id uuid NOT NULL REFERENCES users (id),
    code_hash bytea NOT NULL,
    PRIMARY KEY (user_id, code_hash)
);

-- Logins that wait for their second factor.
CREATE TABLE challenges (
    token_hash bytea PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id),
    device_id uuid NOT NULL,
    device_name text NOT NULL,
    device_platform text NOT NULL,
    wrong_try_count integer NOT NULL DEFAULT 0,
    expires_at timestamptz NOT NULL
);
CREATE INDEX challenges_by_user ON challenges (user_id, expires_at);
CREATE INDEX challenges_by_end ON challenges (expires_at);

-- Password resets and their limits, for every address that anybody named, known or not. Only a hash of a token is here.
CREATE TABLE password_resets (
    email text PRIMARY KEY,
    token_hash bytea UNIQUE,
    token_expires_at timestamptz,
    asked_at timestamptz,
    day_started_at timestamptz,
    day_ask_count integer NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX password_resets_by_age ON password_resets (updated_at);

-- Alerts tell when and on what device: facts for the letter, no secret.
ALTER TABLE mails
    ADD COLUMN facts jsonb NOT NULL DEFAULT '{}',
    DROP CONSTRAINT mails_kind_check,
    ADD CONSTRAINT mails_kind_check CHECK (
        kind IN (
            'verification_code', 'already_registered', 'session_alert', 'password_reset', 'new_device',
            'password_changed', 'two_factor_enabled', 'two_factor_disabled', 'recovery_code_used', 'account_deleted',
            'account_restored'
        )
    ),
    DROP CONSTRAINT mails_recipient_kind_key;
-- A second request before the first mail left changes that mail; alerts are each a mail of their own.
CREATE UNIQUE INDEX mails_once ON mails (recipient, kind)
    WHERE kind IN ('verification_code', 'already_registered', 'session_alert', 'password_reset');

-- A key signs from an instant after it was published, so that verifiers know it, until its successor does.
ALTER TABLE token_keys ADD COLUMN signs_from timestamptz NOT NULL DEFAULT '-infinity';
