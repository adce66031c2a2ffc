CREATE TABLE items (id integer PRIMARY KEY, name text NOT NULL CONSTRAINT items_name_key UNIQUE);
