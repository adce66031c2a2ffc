-- For those whose updates are older than logs are kept.
CREATE INDEX CONCURRENTLY IF NOT EXISTS applied_events_seq ON applied_events (chat_id, seq);
