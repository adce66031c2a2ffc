ALTER TABLE pending_updates DROP COLUMN joined_user_ids, DROP COLUMN left_user_ids;
DROP TABLE folders, drafts, chat_settings, join_requests, invites, bans;
DROP INDEX members_owner;
ALTER TABLE members DROP COLUMN role, DROP COLUMN added_by;
ALTER TABLE chats
    DROP CONSTRAINT chats_client_chat_id,
    DROP CONSTRAINT chats_handle,
    DROP COLUMN deleted_at,
    DROP COLUMN client_chat_id,
    DROP COLUMN created_by,
    DROP COLUMN member_count,
    DROP COLUMN is_history_visible,
    DROP COLUMN slow_mode_secs,
    DROP COLUMN who_may_post,
    DROP COLUMN handle,
    DROP COLUMN avatar_media_id,
    DROP COLUMN description,
    DROP COLUMN title,
    DROP CONSTRAINT chats_kind_check,
    ADD CONSTRAINT chats_kind_check CHECK (kind IN ('direct'));
