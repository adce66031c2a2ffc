-- Accounts whose e-mail address is confirmed.
CREATE TABLE users (
    id uuid PRIMARY KEY,
    username text NOT NULL UNIQUE,
    display_name text NOT NULL,
    email text NOT NULL UNIQUE,
    password_hash text NOT NULL,
    created_at timestamptz NOT NULL
);

-- Registrations that wait for their code. One also stands for an address that has an account: it can never be
-- confirmed, and holds its username as any other, so that nobody learns from a name whether an address is known.
CREATE TABLE registrations (
    email text PRIMARY KEY,
    username text NOT NULL,
    display_name text NOT NULL,
    password_hash text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX registrations_by_end ON registrations (expires_at);

-- The one place that decides who has a username: a user, or until an instant a registration.
CREATE TABLE usernames (
    username text PRIMARY KEY,
    user_id uuid UNIQUE REFERENCES users (id),
    registration_email text,
    held_until timestamptz,
    CHECK (
        (user_id IS NOT NULL AND registration_email IS NULL AND held_until IS NULL)
        OR (user_id IS NULL AND registration_email IS NOT NULL AND held_until IS NOT NULL)
    )
);
CREATE INDEX usernames_by_end ON usernames (held_until) WHERE held_until IS NOT NULL;

-- Codes and their limits, for every address that anybody named, known or not. Only a hash of a code is here.
CREATE TABLE email_codes (
    email text PRIMARY KEY,
    code_hash bytea,
    code_expires_at timestamptz,
    code_used_at timestamptz,
    wrong_try_count integer NOT NULL,
    locked_until timestamptz,
    asked_at timestamptz,
    day_started_at timestamptz,
    day_ask_count integer NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX email_codes_by_age ON email_codes (updated_at);

-- Failed logins by a keyed hash of what was typed as e-mail address or username.
CREATE TABLE login_throttles (
    login_hash bytea PRIMARY KEY,
    failure_count integer NOT NULL,
    failed_at timestamptz NOT NULL,
    blocked_until timestamptz
);
CREATE INDEX login_throttles_by_age ON login_throttles (failed_at);

-- One a device. Refresh tokens are a chain: only the number and the hash of the newest are here.
CREATE TABLE sessions (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id),
    device_id uuid NOT NULL,
    device_name text NOT NULL,
    device_platform text NOT NULL,
    refresh_generation integer NOT NULL,
    refresh_hash bytea NOT NULL,
    refreshed_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (user_id, device_id)
);
CREATE INDEX sessions_by_end ON sessions (expires_at);

-- Sessions that ended before their access tokens did.
CREATE TABLE revocations (
    session_id uuid PRIMARY KEY,
    user_id uuid NOT NULL,
    revoked_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX revocations_by_end ON revocations (expires_at);

-- Mails to send. A code is made when its mail is sent, so no secret is here.
CREATE TABLE mails (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('verification_code', 'already_registered', 'session_alert')),
    recipient text NOT NULL,
    attempt_count integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (recipient, kind)
);
CREATE INDEX mails_by_due ON mails (due_at);

-- Keys that sign access tokens; the newest signs.
CREATE TABLE token_keys (
    id text PRIMARY KEY,
    secret bytea NOT NULL,
    is_sealed boolean NOT NULL,
    created_at timestamptz NOT NULL
);

-- Other secrets of this service, by name.
CREATE TABLE secrets (
    name text PRIMARY KEY,
    secret bytea NOT NULL,
    is_sealed boolean NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    key bytea NOT NULL,
    payload bytea NOT NULL,
    headers jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
