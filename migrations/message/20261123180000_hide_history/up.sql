-- Some members may not see what is before it.
ALTER TABLE chat_heads ADD COLUMN hidden_until_seq bigint NOT NULL DEFAULT 0;
UPDATE chat_heads h SET hidden_until_seq = p.seq
FROM (SELECT chat_id, max(visible_from_seq) AS seq FROM participants WHERE visible_from_seq > 0 GROUP BY chat_id) AS p
WHERE h.chat_id = p.chat_id;
