ALTER TABLE chat_heads DROP COLUMN hidden_until_seq;
