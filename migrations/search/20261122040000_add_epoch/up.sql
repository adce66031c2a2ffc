-- Of the chat's log: the same address under another epoch is another message.
ALTER TABLE messages ADD COLUMN epoch text NOT NULL DEFAULT '';
