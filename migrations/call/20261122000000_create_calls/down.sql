DROP TABLE outbox;
DROP TABLE calls;
