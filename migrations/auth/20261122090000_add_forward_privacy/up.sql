-- In whose forwards a person is named as the sender.
ALTER TABLE users
    ADD COLUMN forwards_audience smallint NOT NULL DEFAULT 1 CHECK (forwards_audience BETWEEN 1 AND 3);
