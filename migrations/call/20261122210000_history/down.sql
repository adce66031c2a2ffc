DROP INDEX calls_callee_id, calls_caller_id, calls_crossed_id;
ALTER TABLE calls DROP COLUMN chat_id, DROP COLUMN end_cause, DROP COLUMN crossed_id;
