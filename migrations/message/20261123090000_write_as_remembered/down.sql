DROP FUNCTION refuse_unless(boolean);
