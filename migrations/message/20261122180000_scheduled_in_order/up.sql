-- What one person has scheduled in one chat, in the order in which it is due.
CREATE INDEX scheduled_messages_pending ON scheduled_messages (chat_id, sender_id, send_at, id)
    WHERE failure IS NULL AND ended_at IS NULL;
