DROP INDEX scheduled_messages_by_sender;
ALTER TABLE scheduled_messages DROP COLUMN next_try_at;
