CREATE TABLE items (id no_such_type);
