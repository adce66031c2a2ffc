-- The few of a chat's members who run it, among any number of others.
CREATE INDEX members_admins ON members (chat_id, user_id) WHERE role <> 'member';
