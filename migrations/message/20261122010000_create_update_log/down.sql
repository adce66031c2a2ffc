DO $$
BEGIN
    EXECUTE format('ALTER ROLE CURRENT_USER IN DATABASE %I RESET enable_seqscan', current_database());
    EXECUTE format('ALTER ROLE CURRENT_USER IN DATABASE %I RESET enable_hashjoin', current_database());
    EXECUTE format('ALTER ROLE CURRENT_USER IN DATABASE %I RESET enable_mergejoin', current_database());
    EXECUTE format('ALTER ROLE CURRENT_USER IN DATABASE %I RESET plan_cache_mode', current_database());
    EXECUTE format('ALTER ROLE CURRENT_USER IN DATABASE %I RESET jit', current_database());
END
$$;
DROP FUNCTION renew_logs;
DROP FUNCTION first_seq_after;
DROP FUNCTION occurred_after;
DROP TABLE sweeper_lease;
DROP TABLE log_generation;
DROP TABLE sync_log;
DROP TABLE outbox;
DROP TABLE applied_events;
DROP TABLE messages;
DROP TABLE chat_heads;
