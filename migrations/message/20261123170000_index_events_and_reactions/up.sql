-- For those whose updates are older than logs are kept.
CREATE INDEX applied_events_seq ON applied_events (chat_id, seq);
-- A page of who reacted, the newest first, costs what the page has, not what the message has.
CREATE INDEX reactions_newest ON reactions (chat_id, seq, reacted_at, user_id);
