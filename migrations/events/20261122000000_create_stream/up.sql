-- The stream of one machine: partitions of records, and the groups that read them.

-- One row a partition. It is locked by whoever appends, until the commit: so offsets have no gaps, and become visible in order.
CREATE TABLE partitions (
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);

CREATE TABLE records (
    topic text NOT NULL,
    partition integer NOT NULL,
    record_offset bigint NOT NULL,
    key bytea NOT NULL,
    payload bytea NOT NULL,
    headers jsonb NOT NULL,
    published_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (topic, partition, record_offset)
);

CREATE TABLE group_members (
    group_name text NOT NULL,
    member_id uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (group_name, member_id)
) WITH (fillfactor = 50);

-- How far a group has come in a partition, and which member reads it now.
CREATE TABLE group_partitions (
    group_name text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL DEFAULT 0,
    owner_id uuid,
    leased_until timestamptz,
    PRIMARY KEY (group_name, topic, partition)
) WITH (fillfactor = 50);

-- Appends records in the order of the arrays. PL/pgSQL, because each statement must see what the lock waited for.
CREATE FUNCTION publish(p_topics text[], p_partitions integer[], p_keys bytea[], p_payloads bytea[], p_headers jsonb[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1
    FROM partitions p
    WHERE (p.topic, p.partition) IN (SELECT * FROM unnest(p_topics, p_partitions))
    ORDER BY p.topic, p.partition
    FOR NO KEY UPDATE;

    INSERT INTO records (topic, partition, record_offset, key, payload, headers)
    SELECT r.topic, r.partition,
           p.next_offset + row_number() OVER (PARTITION BY r.topic, r.partition ORDER BY r.place) - 1,
           r.key, r.payload, r.headers
    FROM unnest(p_topics, p_partitions, p_keys, p_payloads, p_headers) WITH ORDINALITY
             AS r (topic, partition, key, payload, headers, place)
    LEFT JOIN partitions p ON p.topic = r.topic AND p.partition = r.partition;

    UPDATE partitions p
    SET next_offset = p.next_offset + added.count
    FROM (SELECT a.topic, a.partition, count(*) AS count
          FROM unnest(p_topics, p_partitions) AS a (topic, partition)
          GROUP BY a.topic, a.partition) added
    WHERE p.topic = added.topic AND p.partition = added.partition;
END
$$;

-- Reports that a member lives, renews its leases, and leases it partitions that nobody has, up to its share. Answers
-- what it holds now. A lost commit only makes members report again, so it need not wait for the disk.
CREATE FUNCTION report_member(p_group text, p_member uuid, p_lease_ms bigint, p_topics text[])
RETURNS TABLE (topic text, partition integer, next_offset bigint, lag bigint, share integer)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_until timestamptz;
    v_share integer;
    v_held integer;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM pg_advisory_xact_lock(hashtextextended('godwit.events.group.' || p_group, 0));
    v_until := clock_timestamp() + p_lease_ms * interval '1 millisecond';

    INSERT INTO group_members (group_name, member_id, expires_at) VALUES (p_group, p_member, v_until)
    ON CONFLICT (group_name, member_id) DO UPDATE SET expires_at = v_until;
    DELETE FROM group_members WHERE group_name = p_group AND expires_at < clock_timestamp();

    INSERT INTO group_partitions (group_name, topic, partition)
    SELECT p_group, p.topic, p.partition FROM partitions p WHERE p.topic = ANY (p_topics)
    ON CONFLICT DO NOTHING;

    SELECT ceil(count(*)::numeric / (SELECT count(*) FROM group_members WHERE group_name = p_group))
    INTO v_share FROM group_partitions g WHERE g.group_name = p_group AND g.topic = ANY (p_topics);

    UPDATE group_partitions g SET leased_until = v_until
    WHERE g.group_name = p_group AND g.owner_id = p_member AND g.topic = ANY (p_topics);
    GET DIAGNOSTICS v_held = ROW_COUNT;

    UPDATE group_partitions g SET owner_id = p_member, leased_until = v_until
    FROM (SELECT f.topic, f.partition FROM group_partitions f
          WHERE f.group_name = p_group AND f.topic = ANY (p_topics)
            AND (f.owner_id IS NULL OR f.leased_until < clock_timestamp())
          ORDER BY f.topic, f.partition LIMIT greatest(v_share - v_held, 0)) free
    WHERE g.group_name = p_group AND g.topic = free.topic AND g.partition = free.partition;

    RETURN QUERY
    SELECT g.topic, g.partition, g.next_offset, p.next_offset - g.next_offset, v_share
    FROM group_partitions g JOIN partitions p USING (topic, partition)
    WHERE g.group_name = p_group AND g.owner_id = p_member AND g.topic = ANY (p_topics);
END
$$;

-- Keeps how far a group has come; false when the member no longer holds the partition. A lost commit only makes
-- records come again, so it need not wait for the disk.
CREATE FUNCTION commit_offset(p_group text, p_member uuid, p_topic text, p_partition integer, p_next_offset bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE group_partitions SET next_offset = p_next_offset
    WHERE group_name = p_group AND topic = p_topic AND partition = p_partition AND owner_id = p_member;
    RETURN FOUND;
END
$$;
