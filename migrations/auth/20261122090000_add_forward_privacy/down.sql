ALTER TABLE users DROP COLUMN forwards_audience;
