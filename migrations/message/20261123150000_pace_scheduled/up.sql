-- After a try that came to nothing it is not tried again before.
ALTER TABLE scheduled_messages ADD COLUMN next_try_at timestamptz;
-- For who deletes their account.
CREATE INDEX scheduled_messages_by_sender ON scheduled_messages (sender_id);
