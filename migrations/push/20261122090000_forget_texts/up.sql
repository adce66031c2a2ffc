-- What a device is told is read when it is sent, so that nothing of a deleted message is kept here. The column is empty from
-- now on, and goes when no release writes it any more.
ALTER TABLE notifications ALTER COLUMN payload SET DEFAULT '';
UPDATE notifications SET payload = '';
