-- When a person who is not online was last online. Who is online now is kept in live, not here.
CREATE TABLE last_seen (
    user_id uuid PRIMARY KEY,
    seen_at timestamptz NOT NULL
);
