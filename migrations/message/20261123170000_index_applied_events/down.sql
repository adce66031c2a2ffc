DROP INDEX applied_events_seq;
