DROP TABLE scrubs, purges, reports, scheduled_messages, participants, pins, hidden_messages, mentions, reactions, content_updates,
    message_versions;
DROP INDEX messages_replies;
ALTER TABLE messages
    DROP COLUMN deleted_at,
    DROP COLUMN edit_count,
    DROP COLUMN edited_at,
    DROP COLUMN reply_to_seq,
    DROP COLUMN reactions,
    DROP COLUMN extras;
ALTER TABLE chat_heads DROP COLUMN active_at;
