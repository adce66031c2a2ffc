DROP TABLE pending_updates;
DROP TABLE members;
DROP TABLE direct_chats;
DROP TABLE chats;
