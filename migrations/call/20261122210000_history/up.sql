-- A second id that names the call: both called each other, and the callee's request became the answer.
ALTER TABLE calls ADD COLUMN crossed_id uuid, ADD COLUMN end_cause smallint, ADD COLUMN chat_id uuid;
CREATE INDEX calls_crossed_id ON calls (crossed_id) WHERE crossed_id IS NOT NULL;
-- The history of a person, from either side.
CREATE INDEX calls_caller_id ON calls (caller_id, created_at DESC, call_id DESC);
CREATE INDEX calls_callee_id ON calls (callee_id, created_at DESC, call_id DESC);
