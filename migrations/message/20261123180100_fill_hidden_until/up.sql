-- By itself: all members are looked at, and nobody shall wait for that.
UPDATE chat_heads h SET hidden_until_seq = p.seq
FROM (SELECT chat_id, max(visible_from_seq) AS seq FROM participants WHERE visible_from_seq > 0 GROUP BY chat_id) AS p
WHERE h.chat_id = p.chat_id AND h.hidden_until_seq < p.seq;
