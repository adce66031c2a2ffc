DROP TABLE builds;
DROP FUNCTION first_seq_at;
DROP TABLE entries;
