DROP TABLE builds;
DROP TABLE entries;
