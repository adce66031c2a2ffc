ALTER TABLE messages DROP COLUMN epoch;
