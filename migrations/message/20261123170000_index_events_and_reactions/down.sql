DROP INDEX reactions_newest;
DROP INDEX applied_events_seq;
