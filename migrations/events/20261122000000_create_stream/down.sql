DROP FUNCTION commit_offset, report_member, publish;
DROP TABLE group_partitions, group_members, records, partitions;
