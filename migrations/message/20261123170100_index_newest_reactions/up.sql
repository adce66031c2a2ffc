-- A page of who reacted, the newest first, costs what the page has, not what the message has.
CREATE INDEX CONCURRENTLY IF NOT EXISTS reactions_newest ON reactions (chat_id, seq, reacted_at, user_id);
