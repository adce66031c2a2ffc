-- Calls that are over. The running ones live in the replicated machine.
CREATE TABLE calls (
    call_id uuid PRIMARY KEY,
    media smallint NOT NULL,
    state smallint NOT NULL,
    caller_id uuid NOT NULL,
    caller_device_id uuid NOT NULL,
    callee_id uuid NOT NULL,
    callee_device_id uuid,
    created_at timestamptz NOT NULL,
    accepted_at timestamptz,
    ended_at timestamptz NOT NULL
);

CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    key bytea NOT NULL,
    payload bytea NOT NULL,
    headers jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
