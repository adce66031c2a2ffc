ALTER TABLE builds DROP COLUMN ordered_at;
