DROP TABLE deleted_chats;
DELETE FROM messages WHERE is_deleted;
ALTER TABLE messages DROP COLUMN version, DROP COLUMN is_deleted;
