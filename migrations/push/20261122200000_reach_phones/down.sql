DROP TABLE cues, notification_settings, read_cursors;
DROP TRIGGER drop_waiting_deliveries ON web_push_subscriptions;
DROP TRIGGER drop_waiting_deliveries ON push_tokens;
DROP FUNCTION drop_waiting_deliveries;
DELETE FROM deliveries d WHERE NOT EXISTS (SELECT FROM web_push_subscriptions s WHERE s.device_id = d.device_id);
UPDATE deliveries SET state = 'failed' WHERE state = 'cancelled';
DROP INDEX deliveries_by_user, deliveries_due;
ALTER TABLE deliveries
    DROP CONSTRAINT deliveries_state_check,
    ADD CONSTRAINT deliveries_state_check CHECK (state IN ('pending', 'sent', 'failed')),
    ADD CONSTRAINT deliveries_device_id_fkey
        FOREIGN KEY (device_id) REFERENCES web_push_subscriptions ON DELETE CASCADE,
    DROP COLUMN user_id,
    DROP COLUMN provider,
    DROP COLUMN is_mention,
    DROP COLUMN outcome,
    DROP COLUMN finished_at,
    DROP COLUMN is_withdrawn;
CREATE INDEX deliveries_due ON deliveries (due_at) WHERE state = 'pending';
DROP INDEX notifications_fan_out;
ALTER TABLE notifications
    DROP COLUMN sender_id,
    DROP COLUMN sent_at,
    DROP COLUMN mentioned,
    DROP COLUMN fan_out_due_at,
    DROP COLUMN fan_out_after;
DROP VIEW addresses;
DROP TABLE push_tokens;
