-- Gives a statement up unless what it was made for holds: who sent it asks first and sends another.
CREATE FUNCTION refuse_unless(holds boolean) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF holds IS NOT TRUE THEN
        RAISE EXCEPTION 'not as remembered' USING ERRCODE = 'serialization_failure';
    END IF;
END
$$;
