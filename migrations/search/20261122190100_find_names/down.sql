DROP TABLE channels;
DROP TABLE people;
