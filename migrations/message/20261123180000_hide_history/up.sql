-- Some members may not see what is before it.
ALTER TABLE chat_heads ADD COLUMN hidden_until_seq bigint NOT NULL DEFAULT 0;
