DELETE FROM pending_updates WHERE payload IS NULL;
ALTER TABLE pending_updates ALTER COLUMN payload SET NOT NULL;
DROP TABLE direct_blocks;
